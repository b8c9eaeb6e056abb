// Compiled once for each instruction set, as common/kernels is.
#define HWY_BASELINE_TARGETS HWY_AVX2
#define HWY_DISABLED_TARGETS (HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/math/float_rows.cc"
#include "common/math/float_rows.h"

#include <cstddef>

#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace cf::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// A block of eight doubles is one register at AVX-512, two at AVX2.
constexpr std::size_t kBlock = 8;
using Doubles = hn::CappedTag<double, kBlock>;
using Floats = hn::Rebind<float, Doubles>;
using Vector = hn::Vec<Doubles>;
constexpr std::size_t kWidth = hn::MaxLanes(Doubles());
constexpr std::size_t kVectors = kBlock / kWidth;

// Rows that are multiplied together, which hides the latency of their chains, and blocks of a sum that
// stay in registers while all rows go by.
constexpr std::size_t kRowsTogether = 4;
constexpr std::size_t kBlocksTogether = kVectors == 1 ? 8 : 4;

HWY_INLINE Vector Widened(const float* from) {
  return hn::PromoteTo(Doubles(), hn::LoadU(Floats(), from));
}

// Of the registers of a block. A template of them, so that only the branch that fits is compiled.
template <class V, std::size_t kCount>
HWY_INLINE double SumOf(const V (&lanes)[kCount]) {
  const hn::FixedTag<double, 4> four;
  const hn::FixedTag<double, 2> two;
  const auto low = [&] {
    if constexpr (kCount == 1) {
      return hn::Add(hn::LowerHalf(four, lanes[0]), hn::UpperHalf(four, lanes[0]));
    } else {
      return hn::Add(lanes[0], lanes[1]);
    }
  }();
  const auto pair = hn::Add(hn::LowerHalf(two, low), hn::UpperHalf(two, low));
  return hn::GetLane(hn::Add(pair, hn::Shuffle01(pair)));
}

template <std::size_t kRows>
HWY_INLINE void DotsOfSome(std::span<const double> x, const float* const* rows, double* dots) {
  const Doubles d;
  Vector sums[kRows][kVectors];
  for (std::size_t r = 0; r < kRows; ++r) {
    for (std::size_t v = 0; v < kVectors; ++v) sums[r][v] = hn::Zero(d);
  }
  for (std::size_t k = 0; k < x.size(); k += kBlock) {
#pragma GCC unroll 2
    for (std::size_t v = 0; v < kVectors; ++v) {
      const Vector part = hn::LoadU(d, x.data() + k + v * kWidth);
#pragma GCC unroll 4
      for (std::size_t r = 0; r < kRows; ++r) {
        sums[r][v] = hn::MulAdd(part, Widened(rows[r] + k + v * kWidth), sums[r][v]);
      }
    }
  }
  for (std::size_t r = 0; r < kRows; ++r) dots[r] = SumOf(sums[r]);
}

void Dots(std::span<const double> x, std::span<const float* const> rows, std::span<double> dots) {
  std::size_t s = 0;
  for (; s + kRowsTogether <= rows.size(); s += kRowsTogether) {
    DotsOfSome<kRowsTogether>(x, rows.data() + s, dots.data() + s);
  }
  for (; s < rows.size(); ++s) DotsOfSome<1>(x, rows.data() + s, dots.data() + s);
}

template <std::size_t kBlocks>
HWY_INLINE void AddToBlocks(std::span<const double> factors, std::span<const float* const> rows,
                            std::size_t first, double* sum) {
  const Doubles d;
  constexpr std::size_t kAll = kBlocks * kVectors;
  Vector sums[kAll];
  for (std::size_t v = 0; v < kAll; ++v) sums[v] = hn::LoadU(d, sum + first + v * kWidth);
  for (std::size_t s = 0; s < rows.size(); ++s) {
    const Vector factor = hn::Set(d, factors[s]);
    const float* const row = rows[s] + first;
#pragma GCC unroll 8
    for (std::size_t v = 0; v < kAll; ++v) {
      sums[v] = hn::MulAdd(factor, Widened(row + v * kWidth), sums[v]);
    }
  }
  for (std::size_t v = 0; v < kAll; ++v) hn::StoreU(sums[v], d, sum + first + v * kWidth);
}

void Add(std::span<const double> factors, std::span<const float* const> rows,
         std::span<double> sum) {
  std::size_t k = 0;
  for (; k + kBlocksTogether * kBlock <= sum.size(); k += kBlocksTogether * kBlock) {
    AddToBlocks<kBlocksTogether>(factors, rows, k, sum.data());
  }
  for (; k < sum.size(); k += kBlock) AddToBlocks<1>(factors, rows, k, sum.data());
}

}  // namespace
}  // namespace cf::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cf {

HWY_EXPORT(Dots);
HWY_EXPORT(Add);

void DotsOf(std::span<const double> x, std::span<const float* const> rows, std::span<double> dots) {
  HWY_DYNAMIC_DISPATCH(Dots)(x, rows, dots);
}

void AddRows(std::span<const double> factors, std::span<const float* const> rows,
             std::span<double> sum) {
  HWY_DYNAMIC_DISPATCH(Add)(factors, rows, sum);
}

}  // namespace cf
#endif

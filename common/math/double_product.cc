// Compiled once for each instruction set, as common/kernels is.
#define HWY_BASELINE_TARGETS HWY_AVX2
#define HWY_DISABLED_TARGETS (HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/math/double_product.cc"
#include "common/math/double_product.h"

#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace cf::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// A block of columns is one register at AVX-512, two at AVX2.
using Doubles = hn::CappedTag<double, DoubleProduct::kBlock>;
using Vector = hn::Vec<Doubles>;
constexpr std::size_t kWidth = hn::MaxLanes(Doubles());
constexpr std::size_t kVectors = DoubleProduct::kBlock / kWidth;

// Sums of a tile are kept in registers: eight, as many multiply-adds as the processor has under way.
constexpr std::size_t kTileRows = kVectors == 1 ? 8 : 4;

template <std::size_t kRows, bool kSubtract>
HWY_INLINE void Tile(const DoubleProduct& p, std::size_t row, std::size_t column) {
  const Doubles d;
  Vector sum[kRows][kVectors];
  double* const c = p.c + row * p.c_stride + column;
#pragma GCC unroll 8
  for (std::size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (std::size_t v = 0; v < kVectors; ++v) {
      sum[r][v] = hn::LoadU(d, c + r * p.c_stride + v * kWidth);
    }
  }
  const double* a = p.a + row * p.a_row;
  const double* b = p.b + column;
  for (std::size_t k = 0; k < p.steps; ++k, a += p.a_step, b += p.b_stride) {
    Vector right[kVectors];
#pragma GCC unroll 2
    for (std::size_t v = 0; v < kVectors; ++v) right[v] = hn::LoadU(d, b + v * kWidth);
#pragma GCC unroll 8
    for (std::size_t r = 0; r < kRows; ++r) {
      const Vector left = hn::Set(d, a[r * p.a_row]);
#pragma GCC unroll 2
      for (std::size_t v = 0; v < kVectors; ++v) {
        sum[r][v] = kSubtract ? hn::NegMulAdd(left, right[v], sum[r][v])
                              : hn::MulAdd(left, right[v], sum[r][v]);
      }
    }
  }
#pragma GCC unroll 8
  for (std::size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (std::size_t v = 0; v < kVectors; ++v) {
      hn::StoreU(sum[r][v], d, c + r * p.c_stride + v * kWidth);
    }
  }
}

template <bool kSubtract>
HWY_INLINE void Product(const DoubleProduct& p) {
  for (std::size_t column = 0; column < p.columns; column += DoubleProduct::kBlock) {
    std::size_t row = 0;
    for (; row + kTileRows <= p.rows; row += kTileRows) Tile<kTileRows, kSubtract>(p, row, column);
    for (; row < p.rows; ++row) Tile<1, kSubtract>(p, row, column);
  }
}

void Add(const DoubleProduct& product) {
  Product<false>(product);
}

void Subtract(const DoubleProduct& product) {
  Product<true>(product);
}

}  // namespace
}  // namespace cf::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cf {

HWY_EXPORT(Add);
HWY_EXPORT(Subtract);

void AddProduct(const DoubleProduct& product) {
  HWY_DYNAMIC_DISPATCH(Add)(product);
}

void SubtractProduct(const DoubleProduct& product) {
  HWY_DYNAMIC_DISPATCH(Subtract)(product);
}

}  // namespace cf
#endif

// Compiled once for each instruction set, as kernels.cc is.
#define HWY_BASELINE_TARGETS HWY_AVX2
#define HWY_DISABLED_TARGETS (HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/kernels/softmax.cc"
#include "common/kernels/softmax.h"

#include <cstdint>

#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace cf::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::CappedTag<float, kLanes>;
using Vector = hn::Vec<Floats>;
using Eight = hn::FixedTag<float, 8>;
constexpr std::size_t kWidth = hn::MaxLanes(Floats());
constexpr std::size_t kRegisters = kLanes / kWidth;  // That make the 16 lanes: one or two.

// e^x for x <= 0. x = k ln 2 + r with |r| <= ln(2) / 2: adding 1.5 * 2^23 rounds to the nearest
// integer, which then sits in the low bits. The Taylor series to r^7 / 7! is cut below 2^-27.
HWY_INLINE Vector Exp(Vector x) {
  const Floats d;
  const hn::RebindToSigned<Floats> integers;
  const Vector round = hn::Set(d, 0x1.8p23F);
  const Vector rounded = hn::MulAdd(x, hn::Set(d, 0x1.715476p0F), round);
  const auto k = hn::Sub(hn::BitCast(integers, rounded), hn::BitCast(integers, round));
  const Vector n = hn::Sub(rounded, round);
  // ln 2 in two parts; the first has zero bits at its end, so that its product with n is exact.
  Vector r = hn::NegMulAdd(n, hn::Set(d, 0x1.62e4p-1F), x);
  r = hn::NegMulAdd(n, hn::Set(d, 0x1.7f7d1cp-20F), r);
  Vector tail = hn::Set(d, 1.0F / 5040);
  tail = hn::MulAdd(tail, r, hn::Set(d, 1.0F / 720));
  tail = hn::MulAdd(tail, r, hn::Set(d, 1.0F / 120));
  tail = hn::MulAdd(tail, r, hn::Set(d, 1.0F / 24));
  tail = hn::MulAdd(tail, r, hn::Set(d, 1.0F / 6));
  tail = hn::MulAdd(tail, r, hn::Set(d, 0.5F));
  const Vector mantissa = hn::Add(hn::Set(d, 1.0F), hn::MulAdd(hn::Mul(r, r), tail, r));
  const Vector power = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(k, hn::Set(integers, 127))));
  // Below ln 2^-126 k does not fit an exponent; NaN is not below.
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -0x1.5d589ep6F)), hn::Mul(mantissa, power));
}

// The 16 lanes become eight by `join`: 8 apart first, as everywhere. A template of the register, so
// that only the branch that fits the width is compiled.
template <class V, std::size_t kCount, class Join>
HWY_INLINE hn::Vec<Eight> JoinHalves(const V (&lanes)[kCount], Join join) {
  if constexpr (kCount == 1) {
    return join(hn::LowerHalf(Eight(), lanes[0]), hn::UpperHalf(Eight(), lanes[0]));
  } else {
    return join(lanes[0], lanes[1]);
  }
}

// The eight become one: 4, 2, 1 apart.
template <class Join>
HWY_INLINE float JoinEight(hn::Vec<Eight> lanes, Join join) {
  const hn::FixedTag<float, 4> four;
  const auto four_left = join(hn::LowerHalf(four, lanes), hn::UpperHalf(four, lanes));
  const auto two_left = join(four_left, hn::Shuffle1032(four_left));
  return hn::GetLane(join(two_left, hn::Shuffle2301(two_left)));
}

template <class Join>
HWY_INLINE float JoinLanes(const Vector (&lanes)[kRegisters], Join join) {
  return JoinEight(JoinHalves(lanes, join), join);
}

SoftmaxKernels::Sum Exponentiate(const float* HWY_RESTRICT counts, std::size_t n,
                                 float* HWY_RESTRICT logits) {
  const Floats d;
  Vector largest[kRegisters];
  for (std::size_t v = 0; v < kRegisters; ++v) largest[v] = hn::LoadU(d, logits + v * kWidth);
  for (std::size_t k = kLanes; k < n; k += kLanes) {
    for (std::size_t v = 0; v < kRegisters; ++v) {
      largest[v] = hn::Max(largest[v], hn::LoadU(d, logits + k + v * kWidth));
    }
  }
  SoftmaxKernels::Sum result;
  result.largest = JoinLanes(largest, [](auto a, auto b) { return hn::Max(a, b); });
  const Vector shift = hn::Set(d, result.largest);
  Vector sum[kRegisters];
  for (Vector& lanes : sum) lanes = hn::Zero(d);
  for (std::size_t k = 0; k < n; k += kLanes) {
    for (std::size_t v = 0; v < kRegisters; ++v) {
      float* at = logits + k + v * kWidth;
      const Vector weight =
          hn::Mul(hn::LoadU(d, counts + k + v * kWidth), Exp(hn::Sub(hn::LoadU(d, at), shift)));
      hn::StoreU(weight, d, at);
      sum[v] = hn::Add(sum[v], weight);
    }
  }
  result.sum = JoinLanes(sum, [](auto a, auto b) { return hn::Add(a, b); });
  return result;
}

void Scale(float factor, std::size_t n, float* HWY_RESTRICT values) {
  const Floats d;
  const Vector factors = hn::Set(d, factor);
  for (std::size_t k = 0; k < n; k += kWidth) {
    hn::StoreU(hn::Mul(hn::LoadU(d, values + k), factors), d, values + k);
  }
}

}  // namespace

constexpr SoftmaxKernels kSoftmaxKernels = {.exponentiate = Exponentiate, .scale = Scale};

}  // namespace cf::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cf {

const SoftmaxKernels& SoftmaxKernelsOf(const KernelSet& kernels) {
  return kernels.target == KernelTarget::kAvx512 ? N_AVX3::kSoftmaxKernels
                                                 : N_AVX2::kSoftmaxKernels;
}

}  // namespace cf
#endif

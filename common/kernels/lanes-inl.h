// What the kernels of rows share, once for each instruction set: included between foreach_target and
// the code that is compiled so (Highway's way of sharing code; no #pragma once).
#if defined(CF_KERNELS_LANES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef CF_KERNELS_LANES_INL_H
#undef CF_KERNELS_LANES_INL_H
#else
#define CF_KERNELS_LANES_INL_H
#endif

#include <cstddef>

#include <hwy/highway.h>

#include "common/kernels/kernels.h"

HWY_BEFORE_NAMESPACE();
namespace cf::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Eight lanes at AVX2, sixteen at AVX-512; two registers or one make the sixteen virtual lanes.
using Floats = hn::CappedTag<float, kLanes>;
constexpr std::size_t kWidth = hn::MaxLanes(Floats());
static_assert(kWidth == kLanes || 2 * kWidth == kLanes);

constexpr hn::RebindToUnsigned<Floats> kBits;

// Rows whose update, or samples whose rows, are this many turns ahead are fetched into the cache:
// about a memory latency.
constexpr std::size_t kAhead = 8;
constexpr std::size_t kLine = 64 / sizeof(float);

// Adds eight lanes along the fixed tree: + 4, + 2, + 1.
HWY_INLINE float SumOfEight(hn::Vec<hn::FixedTag<float, 8>> lanes) {
  const hn::FixedTag<float, 4> four;
  const auto sum4 = hn::Add(hn::LowerHalf(four, lanes), hn::UpperHalf(four, lanes));
  const auto sum2 = hn::Add(sum4, hn::Shuffle1032(sum4));
  return hn::GetLane(hn::Add(sum2, hn::Shuffle2301(sum2)));
}

}  // namespace cf::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif

// Compiled once for each instruction set by Highway's foreach_target: the code between
// HWY_BEFORE_NAMESPACE and HWY_AFTER_NAMESPACE exists as N_AVX2 and N_AVX3. AVX2 with FMA is the
// least that is supported, so it is the baseline.
#define HWY_BASELINE_TARGETS HWY_AVX2
#define HWY_DISABLED_TARGETS (HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/kernels/kernels.cc"
#include "common/kernels/kernels.h"

#include <cmath>
#include <cstdint>
#include <immintrin.h>

#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "common/kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cf::HWY_NAMESPACE {

// A template, so that only the branch that fits the width is compiled.
template <class D = Floats>
HWY_INLINE float Dot(const float* HWY_RESTRICT a, const float* HWY_RESTRICT b, std::size_t n) {
  const D d;
  const hn::FixedTag<float, 8> eight;
  if constexpr (hn::MaxLanes(D()) == kLanes) {
    auto sum = hn::Zero(d);
    for (std::size_t k = 0; k < n; k += kLanes) {
      sum = hn::MulAdd(hn::LoadU(d, a + k), hn::LoadU(d, b + k), sum);
    }
    return SumOfEight(hn::Add(hn::LowerHalf(eight, sum), hn::UpperHalf(eight, sum)));
  } else {
    auto low = hn::Zero(d);
    auto high = hn::Zero(d);
    for (std::size_t k = 0; k < n; k += kLanes) {
      low = hn::MulAdd(hn::LoadU(d, a + k), hn::LoadU(d, b + k), low);
      high = hn::MulAdd(hn::LoadU(d, a + k + kWidth), hn::LoadU(d, b + k + kWidth), high);
    }
    return SumOfEight(hn::Add(low, high));
  }
}

void AddGradient(float* HWY_RESTRICT a, const float* HWY_RESTRICT b, std::size_t n) {
  const Floats d;
  for (std::size_t k = 0; k < n; k += kWidth)
    hn::StoreU(hn::Add(hn::LoadU(d, a + k), hn::LoadU(d, b + k)), d, a + k);
  a[n] += b[n];
}

HWY_INLINE void PrefetchWeights(const float* row, std::size_t n) {
  for (std::size_t k = 0; k <= n; k += kLine) __builtin_prefetch(row + k);
}

HWY_INLINE float RawSumOf(const PairBatch& batch, const Objective& objective,
                          const PairSample& sample) {
  const float* user = batch.user_rows[sample.user];
  const float* item = batch.item_rows[sample.item];
  const std::size_t n = batch.padded_dim;
  return RawSum(objective, user[n], item[n], Dot(user, item, n));
}

void PairGradient(const PairBatch& batch, const Objective& objective, ObjectiveSums& sums) {
  const Floats d;
  const std::size_t n = batch.padded_dim;
  ObjectiveSums local = sums;  // Kept in registers: `sums` may alias the rows.
  for (std::size_t s = 0; s < batch.samples.size(); ++s) {
    if (s + kAhead < batch.samples.size()) {
      const PairSample& next = batch.samples[s + kAhead];
      PrefetchWeights(batch.user_rows[next.user], n);
      PrefetchWeights(batch.item_rows[next.item], n);
    }
    const PairSample& sample = batch.samples[s];
    const float slope =
        Observe(objective, RawSumOf(batch, objective, sample), sample.rating, local);
    const float* HWY_RESTRICT user = batch.user_rows[sample.user];
    const float* HWY_RESTRICT item = batch.item_rows[sample.item];
    float* HWY_RESTRICT user_gradient =
        batch.user_gradients + (sample.user - batch.first_user) * batch.gradient_stride;
    float* HWY_RESTRICT item_gradient = batch.item_gradients + sample.item * batch.gradient_stride;
    // A mask instead of a branch: which sample is an entry's first cannot be foretold.
    const auto keep_user =
        hn::MaskFromVec(hn::BitCast(d, hn::Set(kBits, sample.user_is_first - 1U)));
    const auto keep_item =
        hn::MaskFromVec(hn::BitCast(d, hn::Set(kBits, sample.item_is_first - 1U)));
    const auto slopes = hn::Set(d, slope);
    if (batch.user_has_one != nullptr && batch.user_has_one[sample.user] != 0) {
      batch.one_gradients[sample.user] = {.other = item, .slope = slope};
      for (std::size_t k = 0; k < n; k += kWidth) {
        const auto sum = hn::IfThenElseZero(keep_item, hn::LoadU(d, item_gradient + k));
        hn::StoreU(hn::MulAdd(slopes, hn::LoadU(d, user + k), sum), d, item_gradient + k);
      }
      item_gradient[n] = (sample.item_is_first ? 0.0F : item_gradient[n]) + slope;
      continue;
    }
    for (std::size_t k = 0; k < n; k += kWidth) {
      const auto user_sum = hn::IfThenElseZero(keep_user, hn::LoadU(d, user_gradient + k));
      const auto item_sum = hn::IfThenElseZero(keep_item, hn::LoadU(d, item_gradient + k));
      hn::StoreU(hn::MulAdd(slopes, hn::LoadU(d, item + k), user_sum), d, user_gradient + k);
      hn::StoreU(hn::MulAdd(slopes, hn::LoadU(d, user + k), item_sum), d, item_gradient + k);
    }
    user_gradient[n] = (sample.user_is_first ? 0.0F : user_gradient[n]) + slope;
    item_gradient[n] = (sample.item_is_first ? 0.0F : item_gradient[n]) + slope;
  }
  sums = local;
}

void PairScore(const PairBatch& batch, const Objective& objective, ObjectiveSums& sums) {
  const std::size_t n = batch.padded_dim;
  ObjectiveSums local = sums;
  for (std::size_t s = 0; s < batch.samples.size(); ++s) {
    if (s + kAhead < batch.samples.size()) {
      PrefetchWeights(batch.user_rows[batch.samples[s + kAhead].user], n);
      PrefetchWeights(batch.item_rows[batch.samples[s + kAhead].item], n);
    }
    Observe(objective, RawSumOf(batch, objective, batch.samples[s]), batch.samples[s].rating,
            local);
  }
  sums = local;
}

// In row_update.cc.
std::size_t UpdateRows(const OptimizerStep& step, std::span<const RowUpdate> updates,
                       std::uint32_t* refused);
void CatchUpRows(const OptimizerStep& step, std::span<float* const> rows);
void ReadRows(const OptimizerStep& step, std::span<const float* const> rows, float* to,
              std::size_t stride);

#if HWY_TARGET == HWY_AVX3
// Two vectors of sums after one step along the tree, side by side: the lower halves of `a` and `b` plus
// their upper halves, where `Lower` and `Upper` name the parts of each that these are.
template <int Lower, int Upper>
HWY_INLINE __m512 FoldBlocks(__m512 a, __m512 b) {
  return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, Lower), _mm512_shuffle_f32x4(a, b, Upper));
}
template <int Lower, int Upper>
HWY_INLINE __m512 FoldWithinBlocks(__m512 a, __m512 b) {
  return _mm512_add_ps(_mm512_shuffle_ps(a, b, Lower), _mm512_shuffle_ps(a, b, Upper));
}

// Dot of sixteen rows. Their lanes go along the same tree (+ 8, + 4, + 2, + 1), but all at once, with
// two instructions for each where one row alone takes nine. Which rows are folded together decides only
// where their sums end up: that of row 4 b + q in lane q of block b.
HWY_INLINE void ScoreSixteen(const float* HWY_RESTRICT query, const float* HWY_RESTRICT rows,
                             std::size_t stride, std::size_t n, float* HWY_RESTRICT scores) {
  __m512 sums[kLanes];
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  for (std::size_t k = 0; k < n; k += kLanes) {
    const __m512 part = _mm512_loadu_ps(query + k);
#pragma GCC unroll 16
    for (std::size_t r = 0; r < kLanes; ++r) {
      sums[r] = _mm512_fmadd_ps(part, _mm512_loadu_ps(rows + r * stride + k), sums[r]);
    }
  }
  __m512 quads[4];
#pragma GCC unroll 4
  for (std::size_t q = 0; q < 4; ++q) {
    const __m512 eights_a = FoldBlocks<0x44, 0xee>(sums[q], sums[q + 4]);
    const __m512 eights_b = FoldBlocks<0x44, 0xee>(sums[q + 8], sums[q + 12]);
    quads[q] = FoldBlocks<0x88, 0xdd>(eights_a, eights_b);
  }
  const __m512 pairs_a = FoldWithinBlocks<0x44, 0xee>(quads[0], quads[1]);
  const __m512 pairs_b = FoldWithinBlocks<0x44, 0xee>(quads[2], quads[3]);
  _mm512_storeu_ps(scores, FoldWithinBlocks<0x88, 0xdd>(pairs_a, pairs_b));
}
#endif

void ScoreRows(const float* HWY_RESTRICT query, const float* HWY_RESTRICT rows, std::size_t stride,
               std::size_t n_rows, std::size_t n, float* HWY_RESTRICT scores) {
  std::size_t r = 0;
#if HWY_TARGET == HWY_AVX3
  for (; r + kLanes <= n_rows; r += kLanes) {
    ScoreSixteen(query, rows + r * stride, stride, n, scores + r);
  }
#endif
  for (; r < n_rows; ++r) scores[r] = Dot(query, rows + r * stride, n);
}

float DotOf(const float* a, const float* b, std::size_t n) {
  return Dot(a, b, n);
}

constexpr KernelSet kKernels = {
    .name = kWidth == kLanes ? "AVX512" : "AVX2",
    .target = kWidth == kLanes ? KernelTarget::kAvx512 : KernelTarget::kAvx2,
    .dot = DotOf,
    .add_gradient = AddGradient,
    .pair_gradient = PairGradient,
    .pair_score = PairScore,
    .update_rows = UpdateRows,
    .catch_up_rows = CatchUpRows,
    .read_rows = ReadRows,
    .score_rows = ScoreRows,
};

}  // namespace cf::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cf {

absl::StatusOr<const KernelSet*> KernelsFor(KernelTarget target) {
  const auto supported = hwy::SupportedTargets();
  if ((supported & (HWY_AVX2 | HWY_AVX3)) == 0) {
    return absl::FailedPreconditionError(
        "this machine has no AVX2 with FMA, the least that the kernels need");
  }
  const bool wide = (supported & HWY_AVX3) != 0;
  switch (target) {
    case KernelTarget::kAvx2:
      return &N_AVX2::kKernels;
    case KernelTarget::kAvx512:
      if (!wide)
        return absl::FailedPreconditionError("kernels.target AVX512: this machine has no AVX-512");
      return &N_AVX3::kKernels;
    case KernelTarget::kBest:
      break;
  }
  return wide ? &N_AVX3::kKernels : &N_AVX2::kKernels;
}

void SetFloatMode() {
  _MM_SET_ROUNDING_MODE(_MM_ROUND_NEAREST);
  // Flush-to-zero and denormals-are-zero: decayed moments must not slow a row down, and every width
  // must agree.
  _mm_setcsr(_mm_getcsr() | 0x8040U);
}

}  // namespace cf
#endif

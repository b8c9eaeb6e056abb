// Compiled once for each instruction set, as kernels.cc is: what becomes of a row when it gets a
// gradient.
#define HWY_BASELINE_TARGETS HWY_AVX2
#define HWY_DISABLED_TARGETS (HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/kernels/row_update.cc"
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "common/kernels/kernels.h"
#include "common/kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cf::HWY_NAMESPACE {

// A row's gradient before its L2 term, from a sum,
class Summed {
 public:
  static constexpr bool kBiasIsFactor = false;
  explicit Summed(const RowGradient& gradient) : sum_(gradient.sum) {}
  template <class D>
  HWY_INLINE hn::Vec<D> At(D d, std::size_t k) const {
    return hn::LoadU(d, sum_ + k);
  }
  HWY_INLINE float Bias(std::size_t n) const { return sum_[n]; }
  /// What is below 2 only where the element is below 4, as is the bias.
  template <class D>
  HWY_INLINE hn::Vec<D> FactorsAt(D d, std::size_t k) const {
    return At(d, k);
  }

 private:
  const float* HWY_RESTRICT sum_;
};

// or of one sample, with the operations that would have started the sum.
class OfOneSample {
 public:
  static constexpr bool kBiasIsFactor = true;
  explicit OfOneSample(const RowGradient& gradient)
      : other_(gradient.other), slope_(gradient.slope) {}
  template <class D>
  HWY_INLINE hn::Vec<D> At(D d, std::size_t k) const {
    return hn::MulAdd(hn::Set(d, slope_), hn::LoadU(d, other_ + k), hn::Zero(d));
  }
  HWY_INLINE float Bias(std::size_t) const { return 0.0F + slope_; }
  /// The other factor is that of the bias.
  template <class D>
  HWY_INLINE hn::Vec<D> FactorsAt(D d, std::size_t k) const {
    return hn::LoadU(d, other_ + k);
  }

 private:
  const float* HWY_RESTRICT other_;
  float slope_;
};

// A row's gradient with its L2 term.
template <class Source>
class Penalized {
 public:
  Penalized(const OptimizerStep& step, const Source& source, const float* weights)
      : step_(step), source_(source), weights_(weights) {}
  template <class D>
  HWY_INLINE hn::Vec<D> At(D d, std::size_t k) const {
    return hn::MulAdd(hn::Set(d, step_.l2_vector), hn::LoadU(d, weights_ + k), source_.At(d, k));
  }
  HWY_INLINE float Bias(std::size_t n) const {
    const hn::CappedTag<float, 1> one;
    return hn::GetLane(hn::MulAdd(hn::Set(one, step_.l2_bias), hn::LoadU(one, weights_ + n),
                                  hn::Set(one, source_.Bias(n))));
  }

 private:
  const OptimizerStep& step_;
  const Source& source_;
  const float* HWY_RESTRICT weights_;
};

// Of a row's gradient: of the n elements of its vector in lanes as Dot, then of its bias.
template <class Source, class D = Floats>
HWY_INLINE float SumOfSquares(const OptimizerStep& step, const Source& source) {
  const D d;
  const hn::FixedTag<float, 8> eight;
  const hn::CappedTag<float, 1> one;
  const std::size_t n = step.padded_dim;
  auto low = hn::Zero(d);
  auto high = hn::Zero(d);
  for (std::size_t k = 0; k < n; k += kLanes) {
    const auto g = source.At(d, k);
    low = hn::MulAdd(g, g, low);
    if constexpr (hn::MaxLanes(D()) != kLanes) {
      const auto g_high = source.At(d, k + kWidth);
      high = hn::MulAdd(g_high, g_high, high);
    }
  }
  float squares = 0;
  if constexpr (hn::MaxLanes(D()) == kLanes) {
    squares = SumOfEight(hn::Add(hn::LowerHalf(eight, low), hn::UpperHalf(eight, low)));
  } else {
    squares = SumOfEight(hn::Add(low, high));
  }
  if (!step.biases) return squares;
  const auto g = hn::Set(one, source.Bias(n));
  return hn::GetLane(hn::MulAdd(g, g, hn::Set(one, squares)));
}

// The bit of a float that every number from 2 on has, infinity and what is no number, and no other.
constexpr std::uint32_t kTwoOrMore = 0x4000'0000U;

// Whether some number that a gradient is made of is 2 or more, or none, at the cost of little more
// than a load each. Where it is not, no element reaches 4, and the sum of squares is finite, whatever
// the length of a row.
template <class Source>
HWY_INLINE bool HasLarge(const OptimizerStep& step, const Source& source) {
  const Floats d;
  const std::size_t n = step.padded_dim;
  auto bits = hn::Zero(d);
  for (std::size_t k = 0; k < n; k += kLanes) {
    bits = hn::Or(bits, source.FactorsAt(d, k));
    if constexpr (kWidth < kLanes) bits = hn::Or(bits, source.FactorsAt(d, k + kWidth));
  }
  if (step.biases || Source::kBiasIsFactor) {
    if ((std::bit_cast<std::uint32_t>(source.Bias(n)) & kTwoOrMore) != 0) return true;
  }
  return !hn::AllFalse(kBits, hn::TestBit(hn::BitCast(kBits, bits), hn::Set(kBits, kTwoOrMore)));
}

// Whether a gradient may not touch its row. Without a limit of its own the sum of squares is made
// only where it might not be finite.
template <class Source>
HWY_INLINE bool IsRefused(const OptimizerStep& step, const Source& source) {
  const bool any_finite = step.squares_max == hwy::HighestValue<float>();
  if (any_finite && !HasLarge(step, source)) return false;
  return !(SumOfSquares(step, source) <= step.squares_max);
}

// What a row's gradient is multiplied by so that it is no longer than step.clip_norm. A norm that
// is NaN leaves it as it is, so that what went wrong shows.
template <class Source>
HWY_INLINE float ClipScale(const OptimizerStep& step, const Source& gradient) {
  const hn::CappedTag<float, 1> one;
  const float norm = hn::GetLane(hn::Sqrt(hn::Set(one, SumOfSquares(step, gradient))));
  return norm > step.clip_norm ? step.clip_norm / norm : 1.0F;
}

// The optimizers are written once for a register of lanes and once for the bias, in the same order
// of operations. A row is: n weights, the line {bias, bias of moment 1, bias of moment 2, ...}, n
// floats of moment 1, n floats of moment 2.
struct AdamRule {
  static constexpr std::size_t kMoments = 2;

  template <class D>
  HWY_INLINE static void Update(D d, const OptimizerStep& step, float rate, hn::Vec<D> g,
                                float* HWY_RESTRICT w, float* HWY_RESTRICT m,
                                float* HWY_RESTRICT v) {
    const auto weight = hn::LoadU(d, w);
    const auto m1 = hn::MulAdd(hn::Set(d, step.beta1), hn::LoadU(d, m),
                               hn::Mul(hn::Set(d, step.one_minus_beta1), g));
    const auto v1 = hn::MulAdd(hn::Set(d, step.beta2), hn::LoadU(d, v),
                               hn::Mul(hn::Set(d, step.one_minus_beta2), hn::Mul(g, g)));
    const auto change =
        hn::Div(hn::Mul(hn::Set(d, rate), m1), hn::Add(hn::Sqrt(v1), hn::Set(d, step.epsilon)));
    hn::StoreU(hn::Sub(weight, change), d, w);
    hn::StoreU(m1, d, m);
    hn::StoreU(v1, d, v);
  }
};

// Adam whose weights follow later: a step leaves them pending.
struct DenseAdamRule {
  static constexpr std::size_t kMoments = 2;

  template <class D>
  HWY_INLINE static void Update(D d, const OptimizerStep& step, float, hn::Vec<D> g,
                                float* HWY_RESTRICT, float* HWY_RESTRICT m, float* HWY_RESTRICT v) {
    hn::StoreU(hn::MulAdd(hn::Set(d, step.beta1), hn::LoadU(d, m),
                          hn::Mul(hn::Set(d, step.one_minus_beta1), g)),
               d, m);
    hn::StoreU(hn::MulAdd(hn::Set(d, step.beta2), hn::LoadU(d, v),
                          hn::Mul(hn::Set(d, step.one_minus_beta2), hn::Mul(g, g))),
               d, v);
  }
};

struct AdagradRule {
  static constexpr std::size_t kMoments = 1;

  template <class D>
  HWY_INLINE static void Update(D d, const OptimizerStep& step, float rate, hn::Vec<D> g,
                                float* HWY_RESTRICT w, float* HWY_RESTRICT a, float* HWY_RESTRICT) {
    const auto weight = hn::LoadU(d, w);
    const auto a1 = hn::MulAdd(g, g, hn::LoadU(d, a));
    const auto change =
        hn::Div(hn::Mul(hn::Set(d, rate), g), hn::Sqrt(hn::Add(a1, hn::Set(d, step.epsilon))));
    hn::StoreU(hn::Sub(weight, change), d, w);
    hn::StoreU(a1, d, a);
  }
};

struct SgdRule {
  static constexpr std::size_t kMoments = 0;

  template <class D>
  HWY_INLINE static void Update(D d, const OptimizerStep&, float rate, hn::Vec<D> g,
                                float* HWY_RESTRICT w, float* HWY_RESTRICT, float* HWY_RESTRICT) {
    const auto weight = hn::LoadU(d, w);
    hn::StoreU(hn::NegMulAdd(hn::Set(d, rate), g, weight), d, w);
  }
};

HWY_INLINE std::uint32_t LastStep(const float* row, std::size_t n) {
  std::uint32_t last = 0;
  std::memcpy(&last, row + n + kLastStepFromBias, sizeof last);
  return last;
}

HWY_INLINE void SetLastStep(float* row, std::size_t n, std::uint32_t last) {
  std::memcpy(row + n + kLastStepFromBias, &last, sizeof last);
}

// Whether anything is pending for a row with that last step: not before its first gradient.
HWY_INLINE bool IsPending(std::uint32_t last) {
  return last != 0 && last < PendingSteps::kNothing;
}

// The weights `w`, whose moments are `m` and `v`, when nothing is pending. Where v is 0, they stand
// still.
template <class D>
HWY_INLINE hn::Vec<D> Moved(D d, float shift, float epsilon, hn::Vec<D> w, hn::Vec<D> m,
                            hn::Vec<D> v) {
  const auto change =
      hn::Div(hn::Mul(hn::Set(d, shift), m), hn::Add(hn::Sqrt(v), hn::Set(d, epsilon)));
  return hn::Sub(w, hn::IfThenZeroElse(hn::Eq(v, hn::Zero(d)), change));
}

HWY_INLINE void CatchUp(const OptimizerStep& step, float* row) {
  const Floats d;
  const std::size_t n = step.padded_dim;
  const std::uint32_t last = LastStep(row, n);
  if (!IsPending(last)) return;
  const PendingSteps::Share share = step.pending->Of(last);
  SetLastStep(row, n, step.pending->steps | PendingSteps::kNothing);
  float* bias = row + n;
  float* moment1 = bias + kLine;
  float* moment2 = moment1 + n;
  for (std::size_t k = 0; k < n; k += kWidth) {
    const auto m = hn::LoadU(d, moment1 + k);
    const auto v = hn::LoadU(d, moment2 + k);
    hn::StoreU(Moved(d, share.shift, step.epsilon, hn::LoadU(d, row + k), m, v), d, row + k);
    hn::StoreU(hn::Mul(hn::Set(d, share.beta1), m), d, moment1 + k);
    hn::StoreU(hn::Mul(hn::Set(d, share.beta2), v), d, moment2 + k);
  }
  if (step.biases) {
    const hn::CappedTag<float, 1> one;
    const float shift = share.shift * step.bias_rate;
    hn::StoreU(Moved(one, shift, step.epsilon, hn::LoadU(one, bias), hn::LoadU(one, bias + 1),
                     hn::LoadU(one, bias + 2)),
               one, bias);
    bias[1] *= share.beta1;
    bias[2] *= share.beta2;
  }
}

void CatchUpRows(const OptimizerStep& step, std::span<float* const> rows) {
  const std::size_t n = step.padded_dim;
  const std::size_t row_floats = n + kLine + AdamRule::kMoments * n;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    if (r + kAhead < rows.size()) {
      const float* next = rows[r + kAhead];
      for (std::size_t k = 0; k < row_floats; k += kLine) __builtin_prefetch(next + k, 1);
    }
    CatchUp(step, rows[r]);
  }
}

void ReadRows(const OptimizerStep& step, std::span<const float* const> rows, float* to,
              std::size_t stride) {
  const Floats d;
  const hn::CappedTag<float, 1> one;
  const std::size_t n = step.padded_dim;
  const std::size_t row_floats = n + kLine + AdamRule::kMoments * n;
  for (std::size_t r = 0; r < rows.size(); ++r, to += stride) {
    if (r + kAhead < rows.size()) {
      for (std::size_t k = 0; k < row_floats; k += kLine) __builtin_prefetch(rows[r + kAhead] + k);
    }
    const float* HWY_RESTRICT row = rows[r];
    const float* HWY_RESTRICT bias = row + n;
    const float* HWY_RESTRICT moment1 = bias + kLine;
    const float* HWY_RESTRICT moment2 = moment1 + n;
    const std::uint32_t last = LastStep(row, n);
    if (!IsPending(last)) {
      for (std::size_t k = 0; k < n; k += kWidth) hn::StoreU(hn::LoadU(d, row + k), d, to + k);
      to[n] = bias[0];
      continue;
    }
    const float shift = step.pending->Of(last).shift;
    for (std::size_t k = 0; k < n; k += kWidth) {
      hn::StoreU(Moved(d, shift, step.epsilon, hn::LoadU(d, row + k), hn::LoadU(d, moment1 + k),
                       hn::LoadU(d, moment2 + k)),
                 d, to + k);
    }
    const auto w = hn::LoadU(one, bias);
    const auto moved = Moved(one, shift * step.bias_rate, step.epsilon, w, hn::LoadU(one, bias + 1),
                             hn::LoadU(one, bias + 2));
    hn::StoreU(step.biases ? moved : w, one, to + n);
  }
}

template <class Rule, bool kClips, class Source>
HWY_INLINE void UpdateRow(const OptimizerStep& step, const Source& source, float* row) {
  const Floats d;
  const hn::CappedTag<float, 1> one;
  const std::size_t n = step.padded_dim;
  float* bias = row + n;
  float* moment1 = bias + kLine;
  float* moment2 = moment1 + n;
  const Penalized<Source> gradient(step, source, row);
  const float scale = kClips ? ClipScale(step, gradient) : 1.0F;
  const auto update = [&](std::size_t k) HWY_ATTR {
    auto g = gradient.At(d, k);
    if constexpr (kClips) g = hn::Mul(hn::Set(d, scale), g);
    Rule::Update(d, step, step.learning_rate, g, row + k, moment1 + k, moment2 + k);
  };
  for (std::size_t k = 0; k < n; k += kLanes) {
    update(k);
    if constexpr (kWidth < kLanes) update(k + kWidth);
  }
  if (step.biases) {
    auto g = hn::Set(one, gradient.Bias(n));
    if constexpr (kClips) g = hn::Mul(hn::Set(one, scale), g);
    Rule::Update(one, step, step.bias_learning_rate, g, bias, bias + 1, bias + 2);
  }
}

// Of a row whose gradient was refused: its moments go on all the same with dense Adam, whose rows
// know only the step that they were brought up to.
class NoGradient {
 public:
  template <class D>
  HWY_INLINE hn::Vec<D> At(D d, std::size_t) const {
    return hn::Zero(d);
  }
  HWY_INLINE float Bias(std::size_t) const { return 0; }
};

HWY_INLINE void PassDenseStep(const OptimizerStep& step, float* row) {
  OptimizerStep without_l2 = step;
  without_l2.l2_vector = 0;
  without_l2.l2_bias = 0;
  UpdateRow<DenseAdamRule, false>(without_l2, NoGradient(), row);
}

// Whether the row may have its gradient, and has it then.
template <class Rule, bool kClips, class Source>
HWY_INLINE bool TryUpdateRow(const OptimizerStep& step, const Source& source, float* row) {
  if (IsRefused(step, source)) return false;
  UpdateRow<Rule, kClips>(step, source, row);
  return true;
}

// Four lines a turn, as every row of every step is fetched so.
HWY_INLINE void PrefetchRow(const float* row, std::size_t floats) {
  std::size_t k = 0;
  for (; k + 3 * kLine < floats; k += 4 * kLine) {
    __builtin_prefetch(row + k, 1);
    __builtin_prefetch(row + k + kLine, 1);
    __builtin_prefetch(row + k + 2 * kLine, 1);
    __builtin_prefetch(row + k + 3 * kLine, 1);
  }
  for (; k < floats; k += kLine) __builtin_prefetch(row + k, 1);
}

template <class Rule, bool kClips>
HWY_INLINE std::size_t UpdateRowsBy(const OptimizerStep& of_all, std::span<const RowUpdate> updates,
                                    std::uint32_t* refused) {
  const OptimizerStep step = of_all;  // Nobody else's, so that its numbers stay in registers.
  constexpr bool kDense = std::is_same_v<Rule, DenseAdamRule>;
  const std::size_t row_floats = step.padded_dim + kLine + Rule::kMoments * step.padded_dim;
  std::size_t refused_count = 0;
  for (std::size_t r = 0; r < updates.size(); ++r) {
    if (r + kAhead < updates.size()) PrefetchRow(updates[r + kAhead].row, row_floats);
    const RowUpdate& update = updates[r];
    if constexpr (kDense) CatchUp(step, update.row);
    const bool updated =
        update.gradient.sum != nullptr
            ? TryUpdateRow<Rule, kClips>(step, Summed(update.gradient), update.row)
            : TryUpdateRow<Rule, kClips>(step, OfOneSample(update.gradient), update.row);
    if (!updated) {
      if constexpr (kDense) PassDenseStep(step, update.row);
      if (refused != nullptr) refused[refused_count] = static_cast<std::uint32_t>(r);
      ++refused_count;
    }
    if constexpr (kDense) SetLastStep(update.row, step.padded_dim, step.pending->steps + 1);
  }
  return refused_count;
}

template <class Rule>
HWY_INLINE std::size_t UpdateRowsOf(const OptimizerStep& step, std::span<const RowUpdate> updates,
                                    std::uint32_t* refused) {
  return step.clip_norm > 0 ? UpdateRowsBy<Rule, true>(step, updates, refused)
                            : UpdateRowsBy<Rule, false>(step, updates, refused);
}

std::size_t UpdateRows(const OptimizerStep& step, std::span<const RowUpdate> updates,
                       std::uint32_t* refused) {
  switch (step.kind) {
    case OptimizerStep::Kind::kAdam:
      return step.pending != nullptr ? UpdateRowsOf<DenseAdamRule>(step, updates, refused)
                                     : UpdateRowsOf<AdamRule>(step, updates, refused);
    case OptimizerStep::Kind::kAdagrad:
      return UpdateRowsOf<AdagradRule>(step, updates, refused);
    case OptimizerStep::Kind::kSgd:
      return UpdateRowsOf<SgdRule>(step, updates, refused);
  }
  return 0;
}

}  // namespace cf::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

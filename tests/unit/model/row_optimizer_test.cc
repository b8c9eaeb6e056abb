#include "common/model/row_optimizer.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/reference/drawn.h"
#include "tests/unit/model/make_optimizer.h"

namespace cf::row_optimizer_test {
namespace {

constexpr std::uint32_t kDim = 5;
constexpr std::uint32_t kRows = 18;
constexpr std::uint32_t kSteps = 300;
constexpr std::uint32_t kStepsPerEpoch = 20;
constexpr TableId kTable{0};

TableSpec DenseTable() {
  TableSpec table;
  table.shape = {
      .name = "rows", .rows = kRows, .dim = kDim, .biases = true, .moments = 2, .last_step = true};
  table.l2_vectors = 0.01;
  table.l2_biases = 0.02;
  table.bias_rate = 0.5;
  return table;
}

/// Row r has a gradient in every (r^2 + 1)th step: every row from the 13th on misses more steps than
/// count, and the last one's first step is step 289.
bool IsTouched(std::uint32_t step, std::uint32_t row) {
  return (step + 1) % (row * row + 1) == 0;
}

/// Plain dense Adam in double, as Keras's: epsilon beside the uncorrected root.
struct DenseWeight {
  double w = 0;
  double m = 0;
  double v = 0;

  void Apply(const Adam& adam, double rate, std::uint32_t step, double gradient) {
    m = adam.beta1() * m + (1 - adam.beta1()) * gradient;
    v = adam.beta2() * v + (1 - adam.beta2()) * gradient * gradient;
    const double t = step + 1;
    rate *= std::sqrt(1 - std::pow(adam.beta2(), t)) / (1 - std::pow(adam.beta1(), t));
    if (v > 0) w -= rate * m / (std::sqrt(v) + adam.epsilon());
  }
};

/// Rows that are stored one after the other.
struct StoredRows {
  explicit StoredRows(const TableSpec& table)
      : layout(table.shape), memory(kRows * layout.stride()) {}
  float* row(std::uint32_t r) { return memory.data() + r * layout.stride(); }

  RowLayout layout;
  std::vector<float> memory;
};

/// Both, step by step, from the same start with the same gradients. `rate`: of a step, told again.
/// `spoiled`: ours gets gradients that it must refuse in steps in which rows have none.
template <class Rate>
void ExpectDenseAdam(const std::string& text, const std::vector<double>& plateau_factors,
                     const Rate& rate, bool spoiled = false) {
  SetFloatMode();
  const Optimizer optimizer = MakeOptimizer(text);
  OptimizerRule rule(optimizer, kStepsPerEpoch);
  const TableSpec table = DenseTable();
  RowOptimizer ours(&rule, KernelsFor(KernelTarget::kBest).value(), {table});
  StoredRows rows(table);
  const std::size_t padded = rows.layout.padded_dim();
  std::vector<std::vector<DenseWeight>> expected(kRows, std::vector<DenseWeight>(kDim + 1));
  for (std::uint32_t r = 0; r < kRows; ++r) {
    for (std::uint32_t k = 0; k <= kDim; ++k) {
      const float start = drawn::Fraction({3, r, k});
      rows.row(r)[k < kDim ? k : padded] = start;
      expected[r][k].w = static_cast<double>(start);
    }
  }
  for (std::uint32_t step = 0; step < kSteps; ++step) {
    if (!plateau_factors.empty()) {
      rule.SetPlateauFactors(
          {plateau_factors.begin(), plateau_factors.begin() + 1 + step / kStepsPerEpoch});
    }
    for (std::uint32_t r = 0; r < kRows; ++r) {
      std::vector<float> gradient(padded + 1);
      for (std::uint32_t k = 0; k <= kDim; ++k) {
        const float drawn = IsTouched(step, r) ? drawn::Fraction({2, step, r, k}) : 0.0F;
        gradient[k < kDim ? k : padded] = drawn;
        DenseWeight& weight = expected[r][k];
        const double l2 = k < kDim ? table.l2_vectors : table.l2_biases;
        const double penalty = IsTouched(step, r) ? 2 * l2 * weight.w : 0;
        weight.Apply(optimizer.adam(), rate(step) * (k < kDim ? 1 : table.bias_rate), step,
                     static_cast<double>(drawn) + penalty);
      }
      const RowUpdate update{.row = rows.row(r), .gradient = {.sum = gradient.data()}};
      if (IsTouched(step, r)) {
        ASSERT_TRUE(ours.Update(kTable, step, {&update, 1}).empty());
      } else if (spoiled && (step + r) % 3 == 0) {
        gradient[padded] = std::numeric_limits<float>::quiet_NaN();
        ASSERT_EQ(ours.Update(kTable, step, {&update, 1}).size(), 1U);
      }
    }
    for (std::uint32_t r = 0; r < kRows; ++r) {
      const float* const row = rows.row(r);
      std::vector<float> read(padded + 1);
      ours.Read(kTable, step + 1, {&row, 1}, read.data(), read.size());
      for (std::uint32_t k = 0; k <= kDim; ++k) {
        ASSERT_NEAR(static_cast<double>(read[k < kDim ? k : padded]), expected[r][k].w, 1e-5)
            << text << ", step " << step << ", row " << r << ", weight " << k;
      }
    }
  }
}

double Constant(std::uint32_t) {
  return 0.02;
}

TEST(RowOptimizer, IsDenseAdamStepByStep) {
  ExpectDenseAdam("adam { learning_rate: 0.02 update: DENSE }", {}, Constant);
  ExpectDenseAdam("adam { learning_rate: 0.02 beta1: 0.8 beta2: 0.98 update: DENSE }", {},
                  Constant);
  ExpectDenseAdam("adam { learning_rate: 0.02 beta1: 0 update: DENSE }", {}, Constant);
}

// A row whose gradient is refused moves by its momentum, as one without a gradient.
TEST(RowOptimizer, ARefusedGradientIsNoneForDenseAdam) {
  ExpectDenseAdam("adam { learning_rate: 0.02 update: DENSE }", {}, Constant, /*spoiled=*/true);
}

TEST(RowOptimizer, IsDenseAdamWithWarmUpAndCosine) {
  ExpectDenseAdam(
      "adam { learning_rate: 0.02 update: DENSE }"
      "schedule { cosine { epochs: 8 floor: 0.1 } warm_up_steps: 15 }",
      {}, [](std::uint32_t step) {
        const double done = std::min(1.0, step / static_cast<double>(kStepsPerEpoch) / 8);
        return 0.02 * (0.1 + 0.9 * (1 + std::cos(M_PI * done)) / 2) *
               std::min(1.0, (step + 1) / 15.0);
      });
}

TEST(RowOptimizer, IsDenseAdamWithAPlateausPastFactors) {
  const std::vector<double> factors = {1,    1,     0.3,   0.3,   0.3,   0.09,  0.09, 0.09,
                                       0.09, 0.027, 0.027, 0.027, 0.027, 0.027, 0.027};
  ExpectDenseAdam("adam { learning_rate: 0.02 update: DENSE } schedule { plateau {} }", factors,
                  [&](std::uint32_t step) { return 0.02 * factors[step / kStepsPerEpoch]; });
}

// Goal: what a row is at a step depends on nothing but the row and the step: not on which steps were
// asked for before, and not on whether the process was there from the start.
TEST(RowOptimizer, ReadsTheSameBitsWhateverWasReadBefore) {
  SetFloatMode();
  const OptimizerRule rule(
      MakeOptimizer("adam { learning_rate: 0.02 update: DENSE } schedule { cosine { epochs: 9 } }"),
      kStepsPerEpoch);
  const TableSpec table = DenseTable();
  const KernelSet* kernels = KernelsFor(KernelTarget::kBest).value();
  RowOptimizer old(&rule, kernels, {table});
  StoredRows rows(table);
  for (float& value : rows.memory) value = 0.5F;
  for (std::uint32_t r = 0; r < kRows; ++r) {
    const std::uint32_t last = r * 21;
    std::memcpy(rows.row(r) + rows.layout.last_step_at(), &last, sizeof last);
  }
  for (const std::uint64_t steps : {0, 7, 300, 159, 158, 160, 420, 1, 299, 100'000, 42}) {
    RowOptimizer fresh(&rule, kernels, {table});
    for (std::uint32_t r = 0; r < kRows; ++r) {
      if (r * 21 > rule.EndOfEpoch(steps)) continue;
      const float* const row = rows.row(r);
      std::vector<float> a(rows.layout.wire_floats());
      std::vector<float> b(a.size());
      old.Read(kTable, steps, {&row, 1}, a.data(), a.size());
      fresh.Read(kTable, steps, {&row, 1}, b.data(), b.size());
      EXPECT_EQ(a, b) << steps << ", row " << r;
    }
  }
}

TEST(RowOptimizer, RowsThatHaveSeenNoGradientStandStill) {
  SetFloatMode();
  const OptimizerRule rule(MakeOptimizer("adam { update: DENSE }"), kStepsPerEpoch);
  RowOptimizer ours(&rule, KernelsFor(KernelTarget::kBest).value(), {DenseTable()});
  StoredRows rows(DenseTable());
  std::vector<float> gradient(rows.layout.wire_floats());
  gradient[1] = 1;  // The others' second moments stay 0.
  const RowUpdate update{.row = rows.row(0), .gradient = {.sum = gradient.data()}};
  ours.Update(kTable, 3, {&update, 1});
  const float* const row = rows.row(0);
  std::vector<float> read(rows.layout.wire_floats());
  ours.Read(kTable, 50, {&row, 1}, read.data(), read.size());
  EXPECT_EQ(read[0], 0);
  EXPECT_LT(read[1], rows.row(0)[1]) << "its momentum moves it on";
  EXPECT_EQ(read[2], 0);
}

}  // namespace
}  // namespace cf::row_optimizer_test

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/kernels/kernels.h"
#include "tests/unit/kernels/kernels_fixture.h"
#include "tests/unit/kernels/slow_kernels.h"

namespace cf::row_update_test {
namespace {

using slow::BitsOf;
using ::testing::Each;
using ::testing::ElementsAre;

/// What becomes of rows when they get gradients.
class RowUpdateTest : public KernelsTest {};

TEST_P(RowUpdateTest, UpdateRowsDoesWhatTheFormulasSayAndTouchesNothingElse) {
  for (const OptimizerStep::Kind kind : kKinds) {
    for (const std::size_t n : kSizes) {
      TestRows fast(kind, n);
      TestRows slow(kind, n);
      OptimizerStep step = MakeStep(kind, n);
      step.bias_learning_rate = 0.05F;
      for (int repeat = 0; repeat < 3; ++repeat) {
        kernels_->update_rows(step, fast.updates, nullptr);
        for (const RowUpdate& update : slow.updates)
          slow::UpdateRow(step, update.row, update.gradient.sum);
      }
      EXPECT_EQ(BitsOf(fast.rows), BitsOf(slow.rows)) << n << ", kind " << static_cast<int>(kind);
    }
  }
}

TEST_P(RowUpdateTest, UpdateRowsLeavesTheBiasAloneWhereThereIsNone) {
  for (const OptimizerStep::Kind kind : kKinds) {
    TestRows fast(kind, 48);
    TestRows slow(kind, 48);
    OptimizerStep step = MakeStep(kind, 48);
    step.biases = false;
    kernels_->update_rows(step, fast.updates, nullptr);
    for (const RowUpdate& update : slow.updates)
      slow::UpdateRow(step, update.row, update.gradient.sum);
    EXPECT_EQ(BitsOf(fast.rows), BitsOf(slow.rows)) << static_cast<int>(kind);
  }
}

// Goal: rows longer than clip_norm are made as long, others are not touched, with biases and
// without.
TEST_P(RowUpdateTest, UpdateRowsClipsAsTheFormulaSays) {
  for (const OptimizerStep::Kind kind : kKinds) {
    for (const std::size_t n : kSizes) {
      for (const bool biases : {true, false}) {
        TestRows fast(kind, n);
        TestRows slow(kind, n);
        TestRows free(kind, n);
        OptimizerStep step = MakeStep(kind, n);
        step.biases = biases;
        kernels_->update_rows(step, free.updates, nullptr);
        step.clip_norm = 0.055F * std::sqrt(static_cast<float>(n + 1));  // Most are longer.
        kernels_->update_rows(step, fast.updates, nullptr);
        for (const RowUpdate& update : slow.updates)
          slow::UpdateRow(step, update.row, update.gradient.sum);
        EXPECT_EQ(BitsOf(fast.rows), BitsOf(slow.rows)) << n << ", kind " << static_cast<int>(kind);
        // A vector of no elements has a bias alone, or nothing.
        EXPECT_TRUE(n == 0 || BitsOf(fast.rows) != BitsOf(free.rows)) << n;
      }
    }
  }
}

// Rows before step 1,001: never touched, touched in the step before, in a later one, some steps and
// long ago, and with nothing pending.
TEST_P(RowUpdateTest, WhatIsPendingIsDoneWhenARowIsReadOrUpdated) {
  constexpr std::uint32_t kStep = 1000;
  const std::vector<float> shifts = {1, 0.5F, 0.25F, 0.125F};
  const std::vector<float> settled(kStep, 0.0625F);
  const std::vector<float> own(kStep + 4, 0.75F);
  std::vector<PendingSteps::Decay> low(PendingSteps::kLowPowers);
  for (std::size_t k = 0; k < low.size(); ++k) {
    low[k] = {std::pow(0.9, static_cast<double>(k)), std::pow(0.99, static_cast<double>(k))};
  }
  std::vector<PendingSteps::Decay> high(4);
  for (std::size_t k = 0; k < high.size(); ++k) high[k] = {k == 0 ? 1.0 : 0.0, k == 0 ? 1.0 : 0.5};
  const PendingSteps pending = {.steps = kStep,
                                .recent_count = static_cast<std::uint32_t>(shifts.size()),
                                .own_count = static_cast<std::uint32_t>(own.size()),
                                .recent = shifts.data(),
                                .settled = settled.data(),
                                .own = own.data(),
                                .low = low.data(),
                                .high = high.data()};
  const std::vector<std::uint32_t> last_steps = {
      0,           kStep,       kStep + 3,   kStep - 1, kStep - 3,
      kStep - 4,   kStep - 255, kStep - 256, 1,         kStep | PendingSteps::kNothing,
      kStep + 5000};  // Of a forged file.
  for (const std::size_t n : kSizes) {
    for (const bool biases : {true, false}) {
      TestRows fast(OptimizerStep::Kind::kAdam, n);
      TestRows slow(OptimizerStep::Kind::kAdam, n);
      OptimizerStep step = MakeStep(OptimizerStep::Kind::kAdam, n);
      step.biases = biases;
      step.bias_rate = 3;
      step.pending = &pending;
      std::vector<const float*> rows;
      for (TestRows* test : {&fast, &slow}) {
        for (std::size_t r = 0; r < test->updates.size(); ++r) {
          float* const row = test->updates[r].row;
          row[n + kLastStepFromBias] = std::bit_cast<float>(last_steps[r % last_steps.size()]);
          float* const moment2 = row + 2 * n + kLanes;
          for (std::size_t k = 0; k < n; ++k) moment2[k] = k % 5 == 0 ? 0 : std::abs(moment2[k]);
          row[n + 2] = r % 2 == 0 ? 0 : std::abs(row[n + 2]);
        }
      }
      for (const RowUpdate& update : fast.updates) rows.push_back(update.row);
      std::vector<float> read(rows.size() * (n + 1));
      kernels_->read_rows(step, rows, read.data(), n + 1);
      std::vector<float> expected;
      for (const float* const row : rows) {
        const std::vector<float> weights = slow::ReadRow(step, row);
        expected.insert(expected.end(), weights.begin(), weights.end());
      }
      EXPECT_EQ(BitsOf(read), BitsOf(expected)) << n;
      EXPECT_EQ(BitsOf(fast.rows), BitsOf(slow.rows)) << "reading changed a row";
      // One half as a server does it whose worker reads in place.
      std::vector<float*> some;
      for (std::size_t r = 0; r < rows.size(); r += 2) some.push_back(fast.updates[r].row);
      kernels_->catch_up_rows(step, some);
      for (std::size_t r = 0; r < rows.size(); r += 2) {
        EXPECT_EQ(BitsOf({rows[r], n + 1}), BitsOf({expected.data() + r * (n + 1), n + 1}));
      }
      kernels_->update_rows(step, fast.updates, nullptr);
      for (const RowUpdate& update : slow.updates) {
        slow::UpdateRow(step, update.row, update.gradient.sum);
      }
      EXPECT_EQ(BitsOf(fast.rows), BitsOf(slow.rows)) << n;
    }
  }
}

// Puts `bad` into the gradient of row `row`, at element `k` of its vector or behind it.
void Spoil(TestRows& rows, std::size_t row, std::size_t k, float bad) {
  const_cast<float*>(rows.updates[row].gradient.sum)[k] = bad;  // The test's own.
}

// Goal: a row never sees a gradient of which the square is not finite, wherever in it the number is;
// other rows have theirs, and large numbers whose squares are finite are no reason.
TEST_P(RowUpdateTest, AGradientThatIsNotFiniteDoesNotTouchItsRow) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const OptimizerStep::Kind kind : kKinds) {
    for (const std::size_t n : kSizes) {
      for (const float bad :
           {std::numeric_limits<float>::quiet_NaN(), infinity, -infinity, -2e19F}) {
        for (const std::size_t k : {std::size_t{0}, n / 2, n}) {
          TestRows fast(kind, n);
          TestRows slow(kind, n);
          for (TestRows* rows : {&fast, &slow}) Spoil(*rows, 1, n, 1e18F);
          for (const std::size_t row : {3U, 10U}) Spoil(fast, row, k, bad);
          OptimizerStep step = MakeStep(kind, n);
          if (k == 0) step.clip_norm = 0.5F;
          std::vector<std::uint32_t> refused(TestRows::kRows, 99);
          EXPECT_EQ(kernels_->update_rows(step, fast.updates, refused.data()), 2U);
          EXPECT_THAT(std::span(refused).first(3), testing::ElementsAre(3U, 10U, 99U));
          for (std::size_t row = 0; row < TestRows::kRows; ++row) {
            if (row == 3 || row == 10) continue;
            slow::UpdateRow(step, slow.updates[row].row, slow.updates[row].gradient.sum);
          }
          EXPECT_EQ(BitsOf(fast.rows), BitsOf(slow.rows)) << n << ", element " << k << ": " << bad;
        }
      }
    }
  }
}

TEST_P(RowUpdateTest, AGradientLongerThanTheLimitDoesNotTouchItsRow) {
  for (const bool biases : {true, false}) {
    TestRows rows(OptimizerStep::Kind::kAdam, 48);
    OptimizerStep step = MakeStep(OptimizerStep::Kind::kAdam, 48);
    step.biases = biases;
    std::vector<float> squares;
    for (const RowUpdate& update : rows.updates) {
      const float vector = slow::Dot(update.gradient.sum, update.gradient.sum, 48);
      const float bias = update.gradient.sum[48];
      squares.push_back(biases ? std::fma(bias, bias, vector) : vector);
    }
    // Exactly at the limit is not beyond it.
    step.squares_max = squares[4];
    std::vector<std::uint32_t> expected;
    for (std::uint32_t row = 0; row < squares.size(); ++row) {
      if (squares[row] > squares[4]) expected.push_back(row);
    }
    ASSERT_THAT(expected, testing::Not(testing::IsEmpty()));
    ASSERT_LT(expected.size(), squares.size() - 1);
    std::vector<std::uint32_t> refused(TestRows::kRows);
    refused.resize(kernels_->update_rows(step, rows.updates, refused.data()));
    EXPECT_EQ(refused, expected);
  }
}

TEST_P(RowUpdateTest, ABiasThatIsNotUsedMayBeAnything) {
  TestRows rows(OptimizerStep::Kind::kSgd, 16);
  OptimizerStep step = MakeStep(OptimizerStep::Kind::kSgd, 16);
  step.biases = false;
  Spoil(rows, 2, 16, std::numeric_limits<float>::infinity());
  EXPECT_EQ(kernels_->update_rows(step, rows.updates, nullptr), 0U);
}

// A gradient that is not summed is judged as its product.
TEST_P(RowUpdateTest, AGradientOfOneSampleIsRefusedLikeItsSum) {
  const std::vector<float> other = Draw(3, 17);
  for (const float slope : {1e25F, std::numeric_limits<float>::quiet_NaN()}) {
    TestRows rows(OptimizerStep::Kind::kAdam, 16);
    const std::vector<float> before = rows.rows;
    rows.updates.resize(1);
    rows.updates[0].gradient = {.other = other.data(), .slope = slope};
    EXPECT_EQ(
        kernels_->update_rows(MakeStep(OptimizerStep::Kind::kAdam, 16), rows.updates, nullptr), 1U);
    EXPECT_EQ(BitsOf(rows.rows), BitsOf(before));
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, RowUpdateTest, kKernelTargets, NameOfKernelTarget);

}  // namespace
}  // namespace cf::row_update_test

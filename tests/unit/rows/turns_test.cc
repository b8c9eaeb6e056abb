#include "common/rows/turns.h"

#include <gtest/gtest.h>

namespace cf::turns_test {
namespace {

// What docs/arithmetic.md says of a delay: batch t of a run reads the state after max(0, t - d) of
// its steps, and every batch's rows are sent once, every step ended once, in order.
TEST(StepTurns, ABatchReadsTheStateOfDelayStepsBefore) {
  for (const std::uint64_t delay : {0U, 1U, 4U}) {
    for (const std::uint64_t steps : {1U, 3U, 64U}) {
      const StepTurns turns{.steps = steps, .delay = delay};
      std::uint64_t ended = 0;
      std::uint64_t brought = 0;
      for (std::uint64_t turn = 0; turn < turns.count(); ++turn) {
        if (turns.EndsStep(turn)) {
          EXPECT_EQ(turns.StepEndedBy(turn), ended++);
        }
        if (!turns.BringsRows(turn)) continue;
        EXPECT_EQ(turn, brought++);
        EXPECT_EQ(ended, turn > delay ? turn - delay : 0);
      }
      EXPECT_EQ(ended, steps);
      EXPECT_EQ(brought, steps);
    }
  }
}

TEST(StepTurns, WithoutADelayAnyStepEndsARun) {
  EXPECT_EQ(EndOfRun(3, 1000, 0), 1000U);
  EXPECT_EQ(NextRest(3, 1000, 0), 3U);
  EXPECT_EQ(NextRest(1003, 1000, 0), 1000U);
}

// Whoever cuts an epoch into segments at rests has the same runs as whoever does not.
TEST(StepTurns, RunsEndAtTheSameStepsHoweverAnEpochIsCut) {
  EXPECT_EQ(EndOfRun(0, 1000, 1), 64U);
  EXPECT_EQ(EndOfRun(64, 1000, 1), 128U);
  EXPECT_EQ(EndOfRun(960, 1000, 1), 1000U);
  EXPECT_EQ(EndOfRun(0, 1000, 4), 256U);
  EXPECT_EQ(NextRest(1, 1000, 4), 256U);
  EXPECT_EQ(NextRest(256, 1000, 4), 256U);
  EXPECT_EQ(NextRest(257, 1000, 4), 512U);
  EXPECT_EQ(NextRest(800, 1000, 4), 1000U);
}

}  // namespace
}  // namespace cf::turns_test

#include "common/config/learning_rate.h"

#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace cf::learning_rate_test {
namespace {

constexpr double kPi = 3.14159265358979323846;

TEST(LearningRateSchedule, EmptyIsConstant) {
  EXPECT_EQ(LearningRateFactor(LearningRateSchedule(), 0, 10), 1.0);
  EXPECT_EQ(LearningRateFactor(LearningRateSchedule(), 123'456, 10), 1.0);
}

TEST(LearningRateSchedule, StepFallsEverySoManyEpochs) {
  LearningRateSchedule schedule;
  schedule.mutable_step()->set_every_epochs(3);
  schedule.mutable_step()->set_decay(0.5);
  EXPECT_EQ(LearningRateFactor(schedule, 0, 10), 1.0);
  EXPECT_EQ(LearningRateFactor(schedule, 29, 10), 1.0);
  EXPECT_EQ(LearningRateFactor(schedule, 30, 10), 0.5);
  EXPECT_EQ(LearningRateFactor(schedule, 59, 10), 0.5);
  EXPECT_EQ(LearningRateFactor(schedule, 60, 10), 0.25);
}

TEST(LearningRateSchedule, ExponentialFallsAtEachEpoch) {
  LearningRateSchedule schedule;
  schedule.mutable_exponential()->set_decay(0.7);
  EXPECT_EQ(LearningRateFactor(schedule, 9, 10), 1.0);
  EXPECT_EQ(LearningRateFactor(schedule, 10, 10), 0.7);
  EXPECT_DOUBLE_EQ(LearningRateFactor(schedule, 55, 10), std::pow(0.7, 5));
}

TEST(LearningRateSchedule, ExponentialWithoutStaircaseFallsAtEachStep) {
  LearningRateSchedule schedule;
  schedule.mutable_exponential()->set_decay(0.7);
  schedule.mutable_exponential()->set_staircase(false);
  EXPECT_EQ(LearningRateFactor(schedule, 0, 10), 1.0);
  EXPECT_DOUBLE_EQ(LearningRateFactor(schedule, 1, 10), std::pow(0.7, 0.1));
  EXPECT_DOUBLE_EQ(LearningRateFactor(schedule, 55, 10), std::pow(0.7, 5.5));
}

TEST(LearningRateSchedule, CosineFallsToItsFloorAndStaysThere) {
  LearningRateSchedule schedule;
  schedule.mutable_cosine()->set_epochs(4);
  schedule.mutable_cosine()->set_floor(0.1);
  EXPECT_EQ(LearningRateFactor(schedule, 0, 10), 1.0);
  EXPECT_DOUBLE_EQ(LearningRateFactor(schedule, 20, 10), 0.55);
  EXPECT_DOUBLE_EQ(LearningRateFactor(schedule, 7, 10),
                   0.1 + 0.9 * (1 + std::cos(kPi * 7 / 40)) / 2);
  EXPECT_DOUBLE_EQ(LearningRateFactor(schedule, 40, 10), 0.1);
  EXPECT_DOUBLE_EQ(LearningRateFactor(schedule, 4000, 10), 0.1);
}

TEST(LearningRateSchedule, WarmUpRisesLinearlyAndMultiplies) {
  LearningRateSchedule schedule;
  schedule.set_warm_up_steps(4);
  EXPECT_EQ(LearningRateFactor(schedule, 0, 10), 0.25);
  EXPECT_EQ(LearningRateFactor(schedule, 2, 10), 0.75);
  EXPECT_EQ(LearningRateFactor(schedule, 3, 10), 1.0);
  EXPECT_EQ(LearningRateFactor(schedule, 4, 10), 1.0);
  schedule.mutable_exponential()->set_decay(0.5);
  schedule.set_warm_up_steps(20);
  EXPECT_EQ(LearningRateFactor(schedule, 14, 10), 0.5 * 0.75);
}

PlateauSchedule MakePlateau() {
  PlateauSchedule options;
  options.set_patience(2);
  options.set_factor(0.5);
  options.set_min_factor(0.2);
  options.set_min_delta(0.1);
  return options;
}

/// The factors that follow from `figures`, by a rule that is saved and restored before each one.
std::vector<double> FactorsOf(const std::vector<double>& figures, bool larger_is_better) {
  std::vector<double> factors;
  PlateauState state;
  for (const double figure : figures) {
    PlateauRule rule(MakePlateau(), larger_is_better);
    rule.Restore(state);
    const bool fell = rule.Observe(figure);
    EXPECT_EQ(fell, rule.state().factor < state.factor);
    state = rule.state();
    factors.push_back(state.factor);
  }
  return factors;
}

// Goal: what Keras's ReduceLROnPlateau(patience=2, factor=.5, min_lr=.2, min_delta=.1) does to a
// rate of 1.
TEST(Plateau, FallsAfterPatienceFiguresWithoutImprovement) {
  const std::vector<double> figures = {3, 2, 1.95, 1.91, 1.905, 1.7, 1.65, 1.65, 1.65, 1.65, 1.65};
  const std::vector<double> factors = {1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2};
  EXPECT_EQ(FactorsOf(figures, false), factors);
  std::vector<double> negated;
  for (const double figure : figures) negated.push_back(-figure);
  EXPECT_EQ(FactorsOf(negated, true), factors);
}

TEST(Plateau, ANaNIsNoImprovement) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(FactorsOf({nan, nan, 5, nan, nan, 4, 3}, false),
            (std::vector<double>{1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25}));
}

TEST(Plateau, OfTheStepsOnlyTheWarmUpCounts) {
  LearningRateSchedule schedule;
  *schedule.mutable_plateau() = MakePlateau();
  EXPECT_EQ(LearningRateFactor(schedule, 1234, 10), 1.0);
  schedule.set_warm_up_steps(4);
  EXPECT_EQ(LearningRateFactor(schedule, 1, 10), 0.5);
}

}  // namespace
}  // namespace cf::learning_rate_test

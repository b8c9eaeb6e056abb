#include "run/early_stopping.h"

#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace cf::early_stopping_test {
namespace {

EarlyStopping Options(std::uint32_t patience, double min_delta = 0) {
  EarlyStopping options;
  options.set_patience(patience);
  options.set_min_delta(min_delta);
  return options;
}

/// Feeds the values until the rule stops; the last epoch fed.
std::uint32_t RunUntilStop(StoppingRule& rule, const std::vector<double>& values) {
  std::uint32_t epoch = rule.state().last_epoch;
  for (const double value : values) {
    rule.Observe(++epoch, value);
    if (rule.ShouldStop()) break;
  }
  return epoch;
}

TEST(StoppingRule, StopsExactlyPatienceEpochsAfterTheBest) {
  StoppingRule rule(Options(3));
  EXPECT_EQ(RunUntilStop(rule, {.9, .8, .85, .84, .79, .8, .8, .8, .7}), 8U);
  EXPECT_EQ(rule.state(), (StoppingState{.last_epoch = 8, .best_epoch = 5, .best_value = .79}));
}

TEST(StoppingRule, AnEqualValueIsNoImprovement) {
  StoppingRule rule(Options(1));
  EXPECT_TRUE(rule.Observe(1, .5));
  EXPECT_FALSE(rule.Observe(2, .5));
  EXPECT_TRUE(rule.ShouldStop());
}

TEST(StoppingRule, WithoutPatienceNeverStopsButKnowsTheBest) {
  StoppingRule rule(Options(0));
  EXPECT_EQ(RunUntilStop(rule, {.5, .6, .4, .6, .7, .8, .9}), 7U);
  EXPECT_EQ(rule.state().best_epoch, 3U);
}

TEST(StoppingRule, ImprovesByMoreThanMinDeltaOnly) {
  StoppingRule rule(Options(2, .125));
  EXPECT_TRUE(rule.Observe(1, 1));
  EXPECT_FALSE(rule.Observe(2, .875));
  EXPECT_TRUE(rule.Observe(3, .75));
}

TEST(StoppingRule, MaxMeansLargerIsBetter) {
  EarlyStopping options = Options(2, .125);
  options.set_mode(EarlyStopping::MAX);
  StoppingRule rule(options);
  EXPECT_TRUE(rule.Observe(1, -5));
  EXPECT_FALSE(rule.Observe(2, -4.875));
  EXPECT_TRUE(rule.Observe(3, -4));
  EXPECT_FALSE(rule.Observe(4, -6));
  EXPECT_EQ(rule.state().best_epoch, 3U);
}

TEST(StoppingRule, EpochsWithoutTheFigureCountForPatience) {
  StoppingRule rule(Options(3));
  rule.Skip(1);
  EXPECT_TRUE(rule.Observe(2, .5));
  rule.Skip(3);
  EXPECT_FALSE(rule.Observe(4, .6));
  EXPECT_FALSE(rule.ShouldStop());
  rule.Skip(5);
  EXPECT_TRUE(rule.ShouldStop());
  EXPECT_EQ(rule.state(), (StoppingState{.last_epoch = 5, .best_epoch = 2, .best_value = .5}));
}

TEST(StoppingRule, NotANumberNeverImproves) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  StoppingRule rule(Options(2));
  EXPECT_FALSE(rule.Observe(1, nan));
  EXPECT_TRUE(rule.Observe(2, 7));
  EXPECT_FALSE(rule.Observe(3, nan));
  EXPECT_FALSE(rule.ShouldStop());
  EXPECT_FALSE(rule.Observe(4, nan));
  EXPECT_TRUE(rule.ShouldStop());
  EXPECT_EQ(rule.state().best_epoch, 2U);

  StoppingRule diverged(Options(3));
  EXPECT_EQ(RunUntilStop(diverged, {nan, nan, nan, nan}), 3U);
  EXPECT_EQ(diverged.state().best_epoch, 0U);
}

TEST(StoppingRule, TheStartIsToBeBeatenAndDoesNotCountForPatience) {
  StoppingRule with(Options(2));
  EXPECT_TRUE(with.ObserveStart(.6));
  EXPECT_FALSE(with.Observe(1, .9));
  EXPECT_FALSE(with.Observe(2, .7)) << "the best of the epochs, but not of all";
  EXPECT_FALSE(with.ShouldStop());
  EXPECT_TRUE(with.Observe(3, .5));
  EXPECT_FALSE(with.Observe(4, .55));
  StoppingRule without(Options(2));
  RunUntilStop(without, {.9, .7, .5, .55});
  EXPECT_EQ(with.state().best_epoch, without.state().best_epoch);
  EXPECT_EQ(with.ShouldStop(), without.ShouldStop());

  StoppingRule unknown(Options(2));
  EXPECT_FALSE(unknown.ObserveStart(std::numeric_limits<double>::quiet_NaN()));
  EXPECT_TRUE(unknown.Observe(1, .9));
}

// Goal: a resumed run stops where the uninterrupted one does, wherever it was cut.
TEST(StoppingRule, RestoredGoesOnAsIfNeverInterrupted) {
  const std::vector<double> values = {.9, .8, .85, .79, .82, .81, .83, .7};
  StoppingRule whole(Options(3));
  const std::uint32_t stopped = RunUntilStop(whole, values);
  ASSERT_EQ(stopped, 7U);
  for (std::uint32_t cut = 0; cut < stopped; ++cut) {
    StoppingRule first(Options(3));
    RunUntilStop(first, {values.begin(), values.begin() + cut});
    StoppingRule second(Options(3));
    second.Restore(first.state());
    EXPECT_EQ(RunUntilStop(second, {values.begin() + cut, values.end()}), stopped);
    EXPECT_EQ(second.state(), whole.state());
  }
}

}  // namespace
}  // namespace cf::early_stopping_test

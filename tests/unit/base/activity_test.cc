#include "common/base/activity.h"

#include <atomic>
#include <cstdint>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

namespace cf::activity_test {
namespace {

TEST(Activity, OfAThreadThatNobodyWatchesIsNothing) {
  Activity::Tick();
  const Activity::Doing doing(Work::kTraining);
  const Activity::Waiting waiting(1, {});
  EXPECT_EQ(Activity::WorkHere(), Work::kNothing);
}

TEST(Activity, SaysWhatTheThreadWorksAt) {
  Activity activity;
  EXPECT_EQ(activity.Look().work, Work::kNothing);
  {
    const Activity::Here here(&activity, Work::kLeading);
    EXPECT_EQ(activity.Look().work, Work::kLeading);
    {
      const Activity::Doing doing(Work::kTraining);
      EXPECT_EQ(activity.Look().work, Work::kTraining);
      EXPECT_EQ(Activity::WorkHere(), Work::kTraining);
    }
    EXPECT_EQ(activity.Look().work, Work::kLeading);
  }
  EXPECT_EQ(activity.Look().work, Work::kNothing);
}

TEST(Activity, HasAnotherMarkAfterWhateverTheThreadDoes) {
  Activity activity;
  const Activity::Here here(&activity, Work::kTraining);
  std::uint64_t mark = activity.Look().mark;
  const auto changed = [&] { return std::exchange(mark, activity.Look().mark) != mark; };
  EXPECT_FALSE(changed());
  Activity::Tick();
  EXPECT_TRUE(changed());
  {
    const Activity::Waiting waiting(1, {});
    EXPECT_TRUE(changed());
    EXPECT_FALSE(changed());
  }
  EXPECT_TRUE(changed());
  { const Activity::Doing doing(Work::kTraining); }
  EXPECT_TRUE(changed());
}

// More ticks than the word has room for change neither the work nor whom the thread waits for.
TEST(Activity, KeepsTicksApartFromTheRest) {
  Activity activity;
  const Activity::Here here(&activity, Work::kSaving);
  const Activity::Waiting waiting(16383, {});
  for (int k = 0; k < 100000; ++k) Activity::Tick();
  EXPECT_EQ(activity.Look().work, Work::kSaving);
  EXPECT_TRUE(activity.Look().waits);
  EXPECT_EQ(activity.Look().waits_for, 16383);
}

TEST(Activity, SaysWhomTheThreadWaitsFor) {
  Activity activity;
  const Activity::Here here(&activity, Work::kTraining);
  for (const int whom : {Activity::kOutside, Activity::kAnybody, 0, 1, 7}) {
    const Activity::Waiting waiting(whom, {});
    EXPECT_TRUE(activity.Look().waits);
    EXPECT_EQ(activity.Look().waits_for, whom);
    EXPECT_EQ(activity.Look().work, Work::kTraining);
  }
  EXPECT_FALSE(activity.Look().waits);
}

// Goal: a thread that is stopped in a wait, and does not go on when it is over, shows.
TEST(Activity, AWaitIsOverWhenWhatItWaitsForHasCome) {
  Activity activity;
  std::atomic<std::uint32_t> counter{~0U};  // About to wrap.
  const Activity::Here here(&activity, Work::kTraining);
  const Activity::Waiting waiting(2, {&counter, 1});
  const std::uint64_t mark = activity.Look().mark;
  counter.fetch_add(1);
  EXPECT_TRUE(activity.Look().waits);
  EXPECT_EQ(activity.Look().mark, mark);
  counter.fetch_add(1);
  EXPECT_FALSE(activity.Look().waits);
  EXPECT_NE(activity.Look().mark, mark) << "from now on it is to go on";
}

TEST(Activity, BelongsToItsThread) {
  Activity first;
  Activity second;
  const Activity::Here here(&first, Work::kTraining);
  std::thread([&] {
    const Activity::Here there(&second, Work::kRanking);
    first.Arrive();
    EXPECT_EQ(second.Look().work, Work::kRanking);
  }).join();
  EXPECT_EQ(first.Look().work, Work::kTraining);
  EXPECT_EQ(second.Look().work, Work::kNothing);
  EXPECT_EQ(first.arrived().load(), 1U);
}

}  // namespace
}  // namespace cf::activity_test

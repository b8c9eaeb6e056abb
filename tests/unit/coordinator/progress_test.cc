// Goal: who works and does not get on is blamed, and nobody else. Method: tables of states and
// times, without threads or clocks.

#include "coordinator/progress.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cf::progress_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kLimit(60);
constexpr seconds kPeriod(5);

ThreadProgress Works(Work work, milliseconds unchanged) {
  ThreadProgress thread;
  thread.set_work(static_cast<std::uint32_t>(work));
  thread.set_unchanged_milliseconds(static_cast<std::uint64_t>(unchanged.count()));
  return thread;
}

ThreadProgress Waits(int whom, milliseconds unchanged, Work work = Work::kTraining) {
  ThreadProgress thread = Works(work, unchanged);
  thread.set_waits(true);
  thread.set_waits_for(whom);
  return thread;
}

Progress Of(const std::vector<ThreadProgress>& threads) {
  Progress progress;
  for (const ThreadProgress& thread : threads) *progress.add_threads() = thread;
  return progress;
}

ProgressTable TableOf(const std::vector<Progress>& ranks) {
  ProgressTable table(static_cast<int>(ranks.size()), kLimit);
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    table.Hear(static_cast<int>(rank), ranks[rank]);
  }
  return table;
}

TEST(ProgressTable, BlamesTheThreadThatWorksWithoutGettingOn) {
  const ProgressTable table =
      TableOf({Of({Waits(2, seconds(61)), Waits(2, seconds(61))}), Of({Waits(0, seconds(200))}),
               Of({Waits(2, seconds(60)), Works(Work::kTraining, seconds(61))})});
  const std::optional<Hang> hang = table.Judge();
  ASSERT_TRUE(hang.has_value());
  EXPECT_EQ(hang->rank, 2);
  EXPECT_EQ(hang->how, "thread 1 has been training for 61 s without a step");
}

TEST(ProgressTable, SaysWhatTheThreadWorksAt) {
  const std::vector<std::pair<Work, std::string>> works = {
      {Work::kLeading, "leading for 60 s without a command"},
      {Work::kFollowing, "following for 60 s without a command"},
      {Work::kLoading, "loading for 60 s without a row"},
      {Work::kTraining, "training for 60 s without a step"},
      {Work::kValidating, "validating for 60 s without a batch"},
      {Work::kRanking, "ranking for 60 s without a batch"},
      {Work::kInspecting, "inspecting rows for 60 s without a table"},
      {Work::kSaving, "saving for 60 s without a row"}};
  EXPECT_EQ(works.size(), kWorks - 1) << "all but kNothing";
  for (const auto& [work, text] : works) {
    const std::optional<Hang> hang = TableOf({Of({Works(work, kLimit)})}).Judge();
    ASSERT_TRUE(hang.has_value()) << text;
    EXPECT_EQ(hang->how, "thread 0 has been " + text);
  }
}

TEST(ProgressTable, BlamesNobodyBeforeTheLimit) {
  EXPECT_FALSE(TableOf({Of({Works(Work::kSaving, kLimit - milliseconds(1))})}).Judge().has_value());
}

TEST(ProgressTable, BlamesTheOneThatHangsForLongest) {
  const std::optional<Hang> hang =
      TableOf({Of({Works(Work::kTraining, seconds(70))}), Of({Works(Work::kTraining, seconds(80))}),
               Of({Works(Work::kTraining, seconds(75))})})
          .Judge();
  ASSERT_TRUE(hang.has_value());
  EXPECT_EQ(hang->rank, 1);
}

// Goal: limits are on progress and not on the time that a wait or a command takes.
TEST(ProgressTable, LetsAValidationTakeAnHourWhileItTicks) {
  ProgressTable table(2, kLimit);
  for (seconds now(0); now < seconds(3600); now += kPeriod) {
    table.Hear(0, Of({Waits(1, now, Work::kLeading)}));
    table.Hear(1, Of({Works(Work::kValidating, now % seconds(50))}));
    table.Pass(kPeriod);
    ASSERT_FALSE(table.Judge().has_value()) << now.count();
  }
}

TEST(ProgressTable, CountsWhatHasPassedSinceTheReport) {
  ProgressTable table =
      TableOf({Of({Waits(1, seconds(0))}), Of({Works(Work::kRanking, seconds(40))})});
  table.Pass(seconds(19));
  EXPECT_FALSE(table.Judge().has_value());
  table.Pass(seconds(1));
  ASSERT_TRUE(table.Judge().has_value());
  EXPECT_EQ(table.Judge()->how, "thread 0 has been ranking for 60 s without a batch");
  table.Hear(1, Of({Works(Work::kRanking, seconds(0))}));
  EXPECT_FALSE(table.Judge().has_value()) << "it has got on after all";
}

// A rank whose connection lives and that says nothing hangs as a whole.
TEST(ProgressTable, BlamesARankThatTellsNothing) {
  ProgressTable table(2, kLimit);
  for (seconds now(0); now < kLimit; now += kPeriod) {
    EXPECT_FALSE(table.Judge().has_value());
    table.Pass(kPeriod);
    table.Hear(0, Of({Works(Work::kLeading, seconds(0))}));
  }
  const std::optional<Hang> hang = table.Judge();
  ASSERT_TRUE(hang.has_value());
  EXPECT_EQ(hang->rank, 1);
  EXPECT_EQ(hang->how, "it has not told for 60 s what it does");
}

TEST(ProgressTable, BlamesNoThreadThatDoesNotRun) {
  EXPECT_FALSE(
      TableOf({Of({Works(Work::kNothing, seconds(1000)), Works(Work::kTraining, seconds(0))})})
          .Judge()
          .has_value());
}

// Goal: a lost message, or a circle of waits, does not last for ever, though nobody is to blame.
TEST(ProgressTable, FindsThatEverybodyWaits) {
  const std::optional<Hang> hang =
      TableOf({Of({Waits(1, seconds(70)), Works(Work::kNothing, seconds(500))}),
               Of({Waits(0, seconds(65)), Waits(Activity::kAnybody, seconds(80))})})
          .Judge();
  ASSERT_TRUE(hang.has_value());
  EXPECT_FALSE(hang->rank.has_value());
  EXPECT_EQ(
      hang->how,
      "all have waited for 65 s: thread 0 of rank 0 for rank 1, thread 0 of rank 1 for rank 0, "
      "thread 1 of rank 1 for others");
}

TEST(ProgressTable, IsPatientWithAWaitThatSomebodyEnds) {
  EXPECT_FALSE(TableOf({Of({Waits(1, seconds(500))}), Of({Waits(0, seconds(59))})}).Judge());
  EXPECT_FALSE(
      TableOf({Of({Waits(1, seconds(500))}), Of({Works(Work::kTraining, seconds(1))})}).Judge());
  EXPECT_FALSE(
      TableOf({Of({Waits(Activity::kOutside, seconds(500))}), Of({Waits(0, seconds(500))})})
          .Judge())
      << "a terminal that was stopped with Ctrl-S";
  ProgressTable unheard(2, kLimit);
  unheard.Hear(0, Of({Waits(1, seconds(500))}));
  EXPECT_FALSE(unheard.Judge()) << "rank 1 has not said yet that it waits";
}

TEST(ProgressProbe, TellsForHowLongAThreadHasNotGotOn) {
  std::array<Activity, 2> activities;
  ProgressProbe probe(activities);
  const Activity::Here here(activities.data(), Work::kTraining);
  EXPECT_EQ(probe.Look(seconds(5)).threads(0).unchanged_milliseconds(), 0U) << "not seen before";
  EXPECT_EQ(probe.Look(seconds(5)).threads(0).unchanged_milliseconds(), 5000U);
  EXPECT_EQ(probe.Look(seconds(2)).threads(0).unchanged_milliseconds(), 7000U);
  Activity::Tick();
  const Progress ticked = probe.Look(seconds(5));
  ASSERT_EQ(ticked.threads_size(), 2);
  EXPECT_EQ(ticked.threads(0).unchanged_milliseconds(), 0U);
  EXPECT_EQ(ticked.threads(0).work(), static_cast<std::uint32_t>(Work::kTraining));
  EXPECT_FALSE(ticked.threads(0).waits());
  EXPECT_EQ(ticked.threads(1).work(), static_cast<std::uint32_t>(Work::kNothing));
}

// Goal: who has waited for long is not blamed at once when what it waits for comes.
TEST(ProgressProbe, GivesAThreadTimeToGoOnAfterAWait) {
  std::array<Activity, 1> activities;
  ProgressProbe probe(activities);
  std::atomic<std::uint32_t> counter{0};
  const Activity::Here here(activities.data(), Work::kTraining);
  const Activity::Waiting waiting(3, {&counter, 1});
  probe.Look(seconds(5));
  const Progress waits = probe.Look(seconds(500));
  EXPECT_TRUE(waits.threads(0).waits());
  EXPECT_EQ(waits.threads(0).waits_for(), 3);
  EXPECT_EQ(waits.threads(0).unchanged_milliseconds(), 500000U);
  counter = 1;
  const Progress woken = probe.Look(seconds(5));
  EXPECT_FALSE(woken.threads(0).waits());
  EXPECT_EQ(woken.threads(0).unchanged_milliseconds(), 0U);
  EXPECT_EQ(probe.Look(seconds(5)).threads(0).unchanged_milliseconds(), 5000U);
}

}  // namespace
}  // namespace cf::progress_test

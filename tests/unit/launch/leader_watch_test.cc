#include "launch/leader_watch.h"

#include <chrono>
#include <filesystem>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

#include "common/base/files.h"
#include "run/run_folder.h"

namespace cf::leader_watch_test {
namespace {

using std::chrono::seconds;

class LeaderWatchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    run_ = ::testing::TempDir() + "leader_watch_" + std::to_string(::getpid());
    std::filesystem::remove_all(run_);
  }
  void TearDown() override { std::filesystem::remove_all(run_); }

  // Somebody leads a job with such a timeout as long as what this returns is there.
  RunFolder Lead(int timeout_seconds = 10) const {
    absl::StatusOr<RunFolder> folder = RunFolder::Create(run_);
    EXPECT_TRUE(folder.ok() && folder->ClaimGeneration().ok());
    const std::string timeout = std::to_string(timeout_seconds);
    EXPECT_TRUE(
        ReplaceFile(folder->job_path(), "cluster { timeout_seconds: " + timeout + " }\n").ok());
    return *std::move(folder);
  }

  // Whether nobody leads so long after the beginning of the watch, which has looked every second.
  bool NobodyLeadsAt(seconds time) {
    bool nobody = false;
    for (; looked_ < time; ++looked_) nobody = watch_.NobodyLeads(begin_ + looked_ + seconds(1));
    return nobody;
  }

  std::string run_;
  const LeaderWatch::Clock::time_point begin_ = LeaderWatch::Clock::now();
  LeaderWatch watch_{::testing::TempDir() + "leader_watch_" + std::to_string(::getpid()), begin_};
  seconds looked_{0};
};

TEST_F(LeaderWatchTest, WhoHasGoneIsMissedAfterAWhile) {
  {
    const RunFolder leader = Lead();
    EXPECT_FALSE(NobodyLeadsAt(seconds(100))) << "it is there";
  }
  EXPECT_FALSE(NobodyLeadsAt(seconds(130))) << "the others may go on in place";
  EXPECT_TRUE(NobodyLeadsAt(seconds(150)));
}

TEST_F(LeaderWatchTest, WhoFollowsInTimeIsNotMissed) {
  { const RunFolder leader = Lead(); }
  EXPECT_FALSE(NobodyLeadsAt(seconds(30)));
  const RunFolder next = Lead();
  EXPECT_FALSE(NobodyLeadsAt(seconds(200)));
}

// Goal: a leader that was lost before anybody looked is missed, too, where its lock would have been seen:
// on this host. A lock of another host may never be.
TEST_F(LeaderWatchTest, WhoWasNeverSeenIsMissedOnThisHostAlone) {
  { const RunFolder leader = Lead(); }
  EXPECT_FALSE(NobodyLeadsAt(seconds(30)));
  EXPECT_TRUE(NobodyLeadsAt(seconds(60)));

  ASSERT_TRUE(ReplaceFile(run_ + "/lock", "host: elsewhere\npid: 1\n").ok());
  LeaderWatch far(run_, begin_);
  for (int second = 1; second < 200; ++second) {
    ASSERT_FALSE(far.NobodyLeads(begin_ + seconds(second)));
  }
}

// Goal: who goes on in place is waited for as long as the job's own timeout lets it take, and no longer.
TEST_F(LeaderWatchTest, ItWaitsAsLongAsTheJobsTimeoutSays) {
  { const RunFolder leader = Lead(/*timeout_seconds=*/1); }
  EXPECT_FALSE(NobodyLeadsAt(seconds(22)));
  EXPECT_TRUE(NobodyLeadsAt(seconds(30)));
  { const RunFolder leader = Lead(/*timeout_seconds=*/60); }
  EXPECT_FALSE(NobodyLeadsAt(seconds(170)));
  EXPECT_TRUE(NobodyLeadsAt(seconds(180)));
  { const RunFolder leader = Lead(/*timeout_seconds=*/1); }
  ASSERT_TRUE(ReplaceFile(run_ + "/job.textproto", "somebody has edited it").ok());
  EXPECT_FALSE(NobodyLeadsAt(seconds(320))) << "the default is 60";
  EXPECT_TRUE(NobodyLeadsAt(seconds(330)));
}

TEST_F(LeaderWatchTest, BeforeThereIsARunNobodyIsMissed) {
  EXPECT_FALSE(NobodyLeadsAt(seconds(200)));
}

}  // namespace
}  // namespace cf::leader_watch_test

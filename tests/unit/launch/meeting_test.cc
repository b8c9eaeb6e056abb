// Goal: who looks at a start that hangs learns which ranks are missing. Method: marks of ranks of
// threads, and files that stand for others.

#include "launch/meeting.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cf::meeting_test {
namespace {

using ::testing::ElementsAre;
namespace fs = std::filesystem;

class Meeting : public ::testing::Test {
 protected:
  void SetUp() override {
    run_ = ::testing::TempDir() + "meeting_" + std::to_string(::getpid());
    fs::create_directories(run_ + "/generation");
  }
  void TearDown() override { fs::remove_all(run_); }

  std::vector<int> Missing(int ranks) const {
    return MissingRanks(run_, "start", ranks).value_or(std::vector<int>{-1});
  }

  std::string run_;
};

TEST_F(Meeting, WhoIsThereLeavesAMarkUntilTheRanksHaveMet) {
  {
    const auto options = [this](int rank) {
      return MeetingWatch::Options{.run = run_,
                                   .name = "start",
                                   .rank = rank,
                                   .ranks = 3,
                                   .limit = std::chrono::milliseconds(0),
                                   .is_looked_after = true};
    };
    MeetingWatch first(options(0));
    MeetingWatch last(options(2));
    MeetingWatch prepares(options(1));  // It is not ready to meet anybody.
    first.Arrive();
    last.Arrive();
    while (Missing(3).size() > 1) {
    }
    EXPECT_THAT(Missing(3), ElementsAre(1));
    EXPECT_THAT(MissingRanks(run_, "another start", 2).value(), ElementsAre(0, 1));
  }
  EXPECT_FALSE(fs::exists(run_ + "/meeting"));
}

// Without cfrun the ranks that are there look after themselves.
TEST_F(Meeting, WhoIsThereEndsAndNamesWhoIsNot) {
  const auto wait = [this] {
    MeetingWatch watch({.run = run_,
                        .name = "start",
                        .rank = 0,
                        .ranks = 2,
                        .limit = std::chrono::milliseconds(100)});
    watch.Arrive();
    for (;;) ::pause();
  };
  EXPECT_EXIT(wait(), ::testing::ExitedWithCode(1), "cfworker: rank 1 has not come to the meeting");
  EXPECT_FALSE(fs::exists(run_ + "/meeting"));
}

TEST_F(Meeting, AMarkThatIsNotRenewedIsOfARankThatHangs) {
  fs::create_directories(run_ + "/meeting");
  for (const std::string rank : {"0", "1", "2"}) std::ofstream(run_ + "/meeting/start.rank" + rank);
  EXPECT_TRUE(Missing(3).empty());
  const std::string old = run_ + "/meeting/start.rank1";
  fs::last_write_time(old, fs::last_write_time(old) - std::chrono::minutes(1));
  EXPECT_THAT(Missing(3), ElementsAre(1));
  RemoveMeetingMarks(run_);
  EXPECT_THAT(Missing(2), ElementsAre(0, 1));
}

TEST_F(Meeting, BeforeThereIsARunNothingIsKnown) {
  EXPECT_FALSE(MissingRanks(run_ + "/nowhere", "start", 2).has_value());
}

TEST_F(Meeting, TheMissingAreNamed) {
  EXPECT_EQ(NameMissing({1}, {"n0", "n1"}), "rank 1 on n1 has");
  EXPECT_EQ(NameMissing({0, 2}, {"n0"}), "ranks 0 on n0, 2 have");
  EXPECT_EQ(NameMissing({0, 1, 2, 3, 4, 5}, {}), "ranks 0, 1, 2, 3 and 2 others have");
  EXPECT_EQ(NameMissing({}, {}), "the ranks have");
}

}  // namespace
}  // namespace cf::meeting_test

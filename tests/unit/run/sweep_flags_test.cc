// Goal: the command line of `cfrun sweep` takes its own flags, passes the others on as they came,
// and refuses what it does not understand in one line.

#include "run/sweep_flags.h"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cf::sweep_flags_test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

SweepFlags Parse(const std::vector<std::string>& words) {
  const absl::StatusOr<SweepFlags> flags = ParseSweepFlags(words);
  EXPECT_TRUE(flags.ok()) << flags.status();
  return flags.ok() ? *flags : SweepFlags();
}

TEST(SweepFlags, OthersArePassedOnInTheirOrder) {
  const SweepFlags flags =
      Parse({"-n", "2", "j.csv", "c", "--run", "r", "--threads", "2", "--data=d", "--set",
             "train.epochs=3", "--requeue", "--servers", "1", "--set=train.seed=7", "--width=9"});
  EXPECT_EQ(flags.jobs, "j.csv");
  EXPECT_EQ(flags.config, "c");
  EXPECT_EQ(flags.run, "r");
  EXPECT_EQ(flags.data, "d");
  EXPECT_FALSE(flags.make_file);
  EXPECT_THAT(flags.set, ElementsAre("train.epochs=3", "train.seed=7"));
  EXPECT_THAT(flags.others,
              ElementsAre("-n", "2", "--threads", "2", "--requeue", "--servers", "1", "--width=9"));
}

TEST(SweepFlags, ToMakeAFile) {
  const SweepFlags flags =
      Parse({"--make", "j.csv", "c", "--random", "6", "a=1,2", "--seed=9", "b=3"});
  EXPECT_TRUE(flags.make_file);
  EXPECT_THAT(flags.make.specs, ElementsAre("a=1,2", "b=3"));
  EXPECT_EQ(flags.make.random, 6U);
  EXPECT_EQ(flags.make.seed, 9U);
  EXPECT_THAT(flags.others, IsEmpty());
  EXPECT_EQ(Parse({"--make", "j.csv", "c", "a=1,2"}).make.random, 0U);
}

TEST(SweepFlags, HelpNeedsNothingElse) {
  EXPECT_TRUE(Parse({"--help"}).help);
  EXPECT_TRUE(Parse({"j.csv", "-h"}).help);
}

TEST(SweepFlags, ErrorsAreOneLine) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong = {
      {{}, "JOBS.csv and CONFIG must come first (try --help)"},
      {{"j.csv", "--run", "r"}, "JOBS.csv and CONFIG must come first (try --help)"},
      {{"j.csv", "c", "--run"}, "--run needs a value (try --help)"},
      {{"j.csv", "c", "--run="}, "--run needs a value (try --help)"},
      {{"j.csv", "c", "-n"}, "-n needs a value (try --help)"},
      {{"j.csv", "c", "runs/sweep"}, "runs/sweep: expected a flag (try --help)"},
      {{"j.csv", "c", "--random", "6"}, "--random and --seed are for --make (try --help)"},
      {{"--make", "j.csv", "c", "--seed", "6"}, "--seed is for --random N (try --help)"},
      {{"--make", "j.csv", "c", "--random", "0"},
       "--random 0: expected a number of jobs, at least 1"},
      {{"--make", "j.csv", "c", "--random", "x"}, "--random x: expected a whole number"},
      {{"--make", "j.csv", "c", "-n", "6"}, "--make does not take -n (try --help)"},
  };
  for (const auto& [words, error] : wrong) {
    const absl::StatusOr<SweepFlags> flags = ParseSweepFlags(words);
    EXPECT_EQ(flags.status().code(), absl::StatusCode::kInvalidArgument) << error;
    EXPECT_EQ(flags.status().message(), error);
  }
}

}  // namespace
}  // namespace cf::sweep_flags_test

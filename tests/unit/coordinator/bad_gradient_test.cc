// Goal: a gradient that is not finite, or too long, touches no row, and what follows from that does not
// depend on how many ranks and threads there are. Method: jobs whose rates make such gradients for
// real, or whose limit is below those that they have.

#include <cmath>
#include <string>
#include <tuple>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_replace.h>
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "common/base/check.h"
#include "tests/unit/coordinator/local_generation.h"

namespace cf::bad_gradient_test {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

/// A schedule and an optimizer.
class BadGradientTest : public GenerationTest,
                        public ::testing::WithParamInterface<std::tuple<const char*, const char*>> {
 protected:
  Job MakeJob(const std::string& settings) const {
    Job job = MakeTinyJob(tiny_, 2);
    const auto& [schedule, optimizer] = GetParam();
    Check(google::protobuf::TextFormat::MergeFromString(
              absl::StrCat(settings, " train { schedule: ", schedule, " } optimizer { ", optimizer,
                           " }"),
              &job),
          "the settings parse");
    EXPECT_TRUE(ValidateJob(job).ok()) << ValidateJob(job);
    return job;
  }

  /// What ended a job that was to fail; the same of all of its ranks.
  std::string FailureOf(const Job& job, std::uint32_t ranks, const std::string& run) {
    LocalGeneration generation(job, tiny_, run, ranks);
    std::string text;
    for (const GenerationEnd& end : generation.Run(ranks)) {
      EXPECT_TRUE(end.has_failed()) << TextOf(end);
      text = TextOf(end);
    }
    EXPECT_FALSE(Snapshot::Open(generation.latest()).ok()) << "nothing was good enough to keep";
    return text;
  }
};

INSTANTIATE_TEST_SUITE_P(
    Schedules, BadGradientTest,
    ::testing::Combine(::testing::Values("SYNC", "BLOCKS"),
                       ::testing::Values("adam { update: LAZY learning_rate: 1e30 }",
                                         "adam { update: DENSE learning_rate: 1e30 }",
                                         "sgd { learning_rate: 1e30 }")),
    [](const ::testing::TestParamInfo<std::tuple<const char*, const char*>>& job) {
      const std::string optimizer = std::get<1>(job.param);
      const char* const name = optimizer.find("DENSE") != std::string::npos  ? "DenseAdam"
                               : optimizer.find("LAZY") != std::string::npos ? "LazyAdam"
                                                                             : "Sgd";
      return absl::StrCat(std::get<0>(job.param), name);
    });

TEST_P(BadGradientTest, EndsTheJobAndNamesTheSameRowWithAnyRanks) {
  Job job = MakeJob("");
  const std::string expected = FailureOf(job, 1, "one");
  EXPECT_THAT(
      expected,
      MatchesRegex("rank 0 refused the gradient of row [0-9]+ of table (users|items) \\(raw "
                   "id [0-9]+\\) in step [0-9]+, which is not finite; lower the learning "
                   "rate, or set optimizer.on_bad_gradient=SKIP \\(no snapshot yet\\)"));
  std::string three = FailureOf(job, 3, "three");
  EXPECT_THAT(three, StartsWith("rank "));
  three.replace(std::string("rank ").size(), 1, "0");
  EXPECT_EQ(three, expected);
  job.mutable_cluster()->set_threads(2);
  std::string threads = FailureOf(job, 2, "threads");
  threads.replace(std::string("rank ").size(), 1, "0");
  EXPECT_EQ(threads, expected);
}

// The limit is below some of the gradients and above others: other bits than without, and the same
// on any number of ranks.
TEST_P(BadGradientTest, SkippedRowsAreTheSameWithAnyRanks) {
  Job job = MakeJob("");
  job.mutable_optimizer()->set_on_bad_gradient(Optimizer::SKIP);
  if (job.optimizer().has_sgd()) job.mutable_optimizer()->mutable_sgd()->set_learning_rate(0.1);
  if (job.optimizer().has_adam()) job.mutable_optimizer()->mutable_adam()->set_learning_rate(0.02);
  const std::string all = DigestOf(job, 1, "all");
  job.mutable_optimizer()->set_gradient_norm_max(0.03);
  LocalGeneration one(job, tiny_, "one", 1);
  ASSERT_TRUE(one.Run(1).front().has_finished());
  const std::string expected = one.Digest();
  EXPECT_NE(expected, all);
  EXPECT_EQ(DigestOf(job, 3, "three"), expected);
  job.mutable_kernels()->set_target(Kernels::AVX2);
  job.mutable_cluster()->set_threads(2);
  EXPECT_EQ(DigestOf(job, 2, "threads"), expected);
  // A limit that no gradient reaches leaves every bit as it is without one.
  job.mutable_optimizer()->set_gradient_norm_max(1e6);
  EXPECT_EQ(DigestOf(job, 1, "loose"), all);
}

}  // namespace
}  // namespace cf::bad_gradient_test

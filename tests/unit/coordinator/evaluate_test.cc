#include "coordinator/evaluate.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/coordinator/local_generation.h"

namespace cf {
namespace {

using ::testing::HasSubstr;

class EvaluateTest : public GenerationTest {
 protected:
  std::string Train(const Job& job) {
    LocalGeneration generation(job, tiny_, "run", 1);
    EXPECT_TRUE(generation.Run(1).front().has_finished());
    return generation.latest();
  }
};

TEST_F(EvaluateTest, AnotherDataSetIsRefused) {
  const std::string snapshot = Train(MakeTinyJob(tiny_, 1));
  DatasetWriter writer =
      DatasetWriter::Create({.folder = tiny_.Beside("other"), .name = "tiny"}).value();
  writer.Append({.users = {0, 1}, .items = {0, 1}, .ratings = {1, 5}, .timestamps = {}});
  writer.SetUsers(Vocabulary(std::vector<std::int64_t>{1, 2}));
  writer.SetItems(Vocabulary(std::vector<std::int64_t>{1, 2}));
  ASSERT_TRUE(writer.Finish().ok());
  const absl::Status refused =
      EvaluateSnapshot({.snapshot = snapshot, .data = tiny_.Beside("other")}).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("is not the data set"));
  EXPECT_TRUE(EvaluateSnapshot({.snapshot = snapshot, .data = tiny_.path()}).ok());
}

TEST_F(EvaluateTest, WithoutASplitOnlyTrainingSamplesAreEvaluated) {
  Job job = MakeTinyJob(tiny_, 1);
  job.clear_split();
  job.mutable_early_stopping()->set_monitor("train_loss");
  const std::string snapshot = Train(job);
  EXPECT_TRUE(
      absl::IsFailedPrecondition(EvaluateSnapshot({.snapshot = snapshot, .data = {}}).status()));
  const absl::StatusOr<Evaluation> evaluation =
      EvaluateSnapshot({.snapshot = snapshot, .data = {}, .training_samples = true});
  ASSERT_TRUE(evaluation.ok()) << evaluation.status();
  EXPECT_EQ(evaluation->samples, TinyData::kSampleCount);
  EXPECT_TRUE(absl::IsInvalidArgument(
      EvaluateSnapshot(
          {.snapshot = snapshot, .data = {}, .training_samples = true, .metrics = {"val_ndcg_10"}})
          .status()));
}

}  // namespace
}  // namespace cf

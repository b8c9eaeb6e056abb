#include "coordinator/evaluate.h"

#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/coordinator/local_generation.h"

namespace cf::evaluate_test {
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
}

// Goal: rows that there is no memory for are on disk meanwhile, and no figure knows. Method: rows of
// 48 KiB, of which few may be in memory.
TEST_F(EvaluateTest, ABudgetChangesNoFigure) {
  Job job = MakeTinyJob(tiny_, 1, "matrix_factorization { dim: 4096 }");
  job.mutable_train()->set_schedule(Train::BLOCKS);
  job.mutable_train()->set_partitions(32);
  FillDefaults(job);
  const std::string snapshot = Train(job);
  EvaluateOptions options = {.snapshot = snapshot, .directory = tiny_.Beside("scratch")};
  const Evaluation expected = EvaluateSnapshot(options).value();
  options.memory = 1 << 20;
  const absl::Status refused = EvaluateSnapshot(options).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("needs at least "));
  const std::string text(refused.message());
  const std::size_t at = text.find("needs at least ") + std::string("needs at least ").size();
  options.memory = std::stoull(text.substr(at)) << 20;
  const absl::StatusOr<Evaluation> within = EvaluateSnapshot(options);
  ASSERT_TRUE(within.ok()) << within.status();
  EXPECT_EQ(within->figures, expected.figures);
  EXPECT_TRUE(std::filesystem::is_empty(tiny_.Beside("scratch")));
}

// Goal: figures are measured of any pairs as they are of validation samples. Method: the validation
// samples, given as pairs, have their figures to the last bit.
TEST_F(EvaluateTest, PairsHaveTheFiguresOfValidationSamples) {
  const std::string snapshot = Train(MakeTinyJob(tiny_, 1));
  const std::vector<std::string> metrics = {"val_ndcg_10",       "val_hr_3_unmasked", "val_mrr_5",
                                            "val_coverage_3",    "val_novelty_3",     "val_ild_3",
                                            "val_hr_5_sampled_7"};
  const auto figures_of = [&snapshot](EvaluateOptions options) {
    options.snapshot = snapshot;
    return EvaluateSnapshot(options).value().figures;
  };
  const Figures validation = figures_of({.metrics = metrics});
  const Dataset data = Dataset::Open(tiny_.path()).value();
  const DataSplit split = DataSplit::Make(data, MakeTinyJob(tiny_, 1).split()).value();
  RankedPairs ranked;
  RankedPairs trained;
  for (std::uint32_t user = 0; user < data.users(); ++user) {
    for (std::uint64_t s = data.user_offsets()[user]; s < data.user_offsets()[user + 1]; ++s) {
      (split.is_validation(s) ? ranked : trained)
          .pairs.push_back({.user = RowId{user}, .item = data.item_column()[s]});
    }
  }
  const Evaluation of_pairs =
      EvaluateSnapshot({.snapshot = snapshot, .data = {}, .metrics = metrics, .pairs = ranked})
          .value();
  EXPECT_EQ(of_pairs.figures.size(), metrics.size());
  for (const std::string& name : metrics) {
    EXPECT_EQ(of_pairs.figures.Find("test_" + name.substr(4)), validation.Find(name)) << name;
  }
  EXPECT_THAT(of_pairs.ranked, HasSubstr(" pairs among "));

  // Nothing is masked for training samples, because all that would be are positives.
  const Figures training =
      figures_of({.training_samples = true, .metrics = {"train_ndcg_10", "ndcg_10_unmasked"}});
  ASSERT_TRUE(training.Find("train_ndcg_10").has_value());
  EXPECT_EQ(training.Find("train_ndcg_10"), training.Find("train_ndcg_10_unmasked"));
  EXPECT_EQ(figures_of({.metrics = {"ndcg_10"}, .pairs = trained}).Find("test_ndcg_10"),
            training.Find("train_ndcg_10"));
  EXPECT_NE(training.Find("train_ndcg_10"), validation.Find("val_ndcg_10"));

  // What is masked of the other samples is for the caller to say.
  ranked.masks_training = false;
  const Figures unmasked = figures_of({.metrics = {"hr_3", "hr_3_unmasked"}, .pairs = ranked});
  EXPECT_EQ(unmasked.Find("test_hr_3"), unmasked.Find("test_hr_3_unmasked"));
  trained.masks_validation = true;
  EXPECT_GE(figures_of({.metrics = {"ndcg_10"}, .pairs = trained}).Find("test_ndcg_10"),
            training.Find("train_ndcg_10"));
}

TEST_F(EvaluateTest, WhatIsNoFigureIsRefused) {
  const std::string snapshot = Train(MakeTinyJob(tiny_, 1));
  for (const char* wrong : {"ndcg", "val_ndcg_0", "precision_10", "", "val_rmse_2"}) {
    const absl::Status refused =
        EvaluateSnapshot({.snapshot = snapshot, .data = {}, .metrics = {wrong}}).status();
    EXPECT_TRUE(absl::IsInvalidArgument(refused)) << wrong << refused;
  }
  EXPECT_TRUE(absl::IsFailedPrecondition(
      EvaluateSnapshot(
          {.snapshot = snapshot, .data = {}, .metrics = {"hr_3"}, .pairs = RankedPairs()})
          .status()));
}

}  // namespace
}  // namespace cf::evaluate_test

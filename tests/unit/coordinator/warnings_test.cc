#include "coordinator/warnings.h"

#include <fstream>
#include <sstream>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "run/run_view.h"
#include "tests/unit/coordinator/local_generation.h"

namespace cf::warnings_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

EpochFigures Epoch(std::uint32_t epoch, double rmse) {
  return {.epoch = epoch, .step = epoch, .figures = {{"val_rmse", rmse}}};
}

Job JobOf(std::uint32_t epochs) {
  Job job;
  job.mutable_train()->set_epochs(epochs);
  return job;
}

FinishedJob Finished(const Job& job, EpochFigures before, EpochFigures last, EpochFigures best) {
  return {.job = job,
          .before_last = std::move(before),
          .last = std::move(last),
          .best = std::move(best),
          .monitor = "val_rmse"};
}

TEST(Warnings, AModelThatIsWorseThanBiasesAlone) {
  const Job job = JobOf(20);
  FinishedJob finished = Finished(job, Epoch(9, 0.95), Epoch(10, 0.96), Epoch(7, 0.94));
  finished.rmse_of_biases = 0.93;
  EXPECT_THAT(WarningsOf(finished),
              ElementsAre(StartsWith("val_rmse 0.9400 is worse than that of a mean and biases "
                                     "alone (0.9300); see ")));
  finished.rmse_of_biases = 0.939;  // As good, but for how biases are trained.
  EXPECT_THAT(WarningsOf(finished), IsEmpty());
  finished.rmse_of_biases.reset();
  EXPECT_THAT(WarningsOf(finished), IsEmpty());
}

TEST(Warnings, AModelThatWasNeverBetterThanItsStart) {
  const Job job = JobOf(20);
  FinishedJob finished = Finished(job, Epoch(9, 0.95), Epoch(10, 0.96), Epoch(0, 0.93));
  finished.rmse_of_biases = 0.93;
  finished.train_rmse_of_biases = 0.9;
  finished.last.figures.Set("train_rmse", 0.7);
  EXPECT_THAT(WarningsOf(finished),
              ElementsAre(StartsWith("no epoch was better than the biases that training started "
                                     "from (val_rmse 0.9300, in the end 0.9600): it knows")));
}

TEST(Warnings, WhyAModelIsWorseThanBiasesAlone) {
  Job job = JobOf(20);
  job.mutable_optimizer()->mutable_adam()->set_learning_rate(0.01);
  FinishedJob finished = Finished(job, Epoch(9, 0.95), Epoch(10, 0.96), Epoch(7, 0.94));
  finished.rmse_of_biases = 0.93;
  finished.train_rmse_of_biases = 0.9;
  const auto warned = [&](double train_rmse, double rate) {
    finished.last.figures.Set("train_rmse", train_rmse);
    finished.last.figures.Set("learning_rate", rate);
    const std::vector<std::string> warnings = WarningsOf(finished);
    return warnings.size() == 1 ? warnings.front() : "";
  };
  EXPECT_THAT(warned(0.7, 0.01),
              HasSubstr("knows the training samples by heart (train_rmse 0.7000, "
                        "theirs 0.9000): raise L2"));
  EXPECT_THAT(warned(0.91, 0.01), HasSubstr("has not reached them"));
  EXPECT_THAT(warned(0.91, 0.004), HasSubstr("rate had fallen before the biases arrived"));
}

TEST(Warnings, AModelThatWasStillImprovingAtItsLastEpoch) {
  const Job job = JobOf(10);
  FinishedJob finished = Finished(job, Epoch(9, 0.95), Epoch(10, 0.94), Epoch(10, 0.94));
  EXPECT_THAT(WarningsOf(finished),
              ElementsAre("val_rmse was still improving in the last epoch (0.9500, then 0.9400): "
                          "raise train.epochs"));
  finished.smaller_is_better = false;
  EXPECT_THAT(WarningsOf(finished), IsEmpty());
  finished.smaller_is_better = true;
  finished.before_last = Epoch(9, 0.9401);
  EXPECT_THAT(WarningsOf(finished), IsEmpty()) << "hardly";
  finished.before_last = Epoch(9, 0.95);
  finished.last = Epoch(9, 0.94);
  finished.best = finished.last;
  EXPECT_THAT(WarningsOf(finished), IsEmpty()) << "it stopped before its last epoch";
}

TEST(Warnings, AnErrorThatStaysAboveTwiceTheDeviationHasDiverged) {
  constexpr RatingSpread kRatings = {.mean = 4, .deviation = 1};
  EXPECT_TRUE(CheckConverging({}, Epoch(1, 9), kRatings).ok());
  EXPECT_TRUE(CheckConverging(Epoch(1, 4), Epoch(2, 3.9), kRatings).ok()) << "it falls";
  EXPECT_TRUE(CheckConverging(Epoch(1, 1.9), Epoch(2, 9), kRatings).ok()) << "one epoch";
  EXPECT_TRUE(CheckConverging(Epoch(1, 8), Epoch(2, 9), {.mean = 4, .deviation = 0}).ok());
  EXPECT_FALSE(CheckConverging(Epoch(1, 9), Epoch(2, 8.9), kRatings).ok()) << "twice that of zeros";
  const absl::Status diverged = CheckConverging(Epoch(1, 3), Epoch(2, 3.5), kRatings);
  EXPECT_EQ(diverged.code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(diverged.message()),
              HasSubstr("diverged: val_rmse 3 in epoch 1 and 3.5 in epoch 2"));
}

class WarningsOfJobTest : public GenerationTest {};

TEST_F(WarningsOfJobTest, StandInTheStatusOfTheRun) {
  Job job = MakeTinyJob(tiny_, 2, "matrix_factorization { dim: 5 mean: false }");
  job.mutable_optimizer()->mutable_adam()->set_learning_rate(1e-5);
  LocalGeneration generation(job, tiny_, "run", 2);
  for (const GenerationEnd& end : generation.Run(2)) ASSERT_TRUE(end.has_finished());
  std::ostringstream text;
  text << std::ifstream(tiny_.Beside("run/status")).rdbuf();
  const RunStatus status = ParseStatus(text.str(), "status").value();
  ASSERT_EQ(status.warnings_size(), 1);
  EXPECT_THAT(status.warnings(0), HasSubstr("worse than that of a mean and biases alone"));
}

TEST_F(WarningsOfJobTest, AJobThatDivergesFails) {
  Job job = MakeTinyJob(tiny_, 20);
  job.mutable_optimizer()->mutable_adam()->set_learning_rate(3);
  LocalGeneration generation(job, tiny_, "run", 2);
  const GenerationEnd end = generation.Run(2).front();
  EXPECT_FALSE(end.has_finished());
  EXPECT_THAT(TextOf(end), HasSubstr("diverged: val_rmse "));
}

}  // namespace
}  // namespace cf::warnings_test

#include "coordinator/job_state.h"

#include <gtest/gtest.h>

#include "common/base/check.h"
#include "common/config/config.h"

namespace cf::job_state_test {
namespace {

Job JobOf(const std::string& fields) {
  absl::StatusOr<Job> job = ParseJob("train { batch_size: 64 partitions: 2 epochs: 3 " + fields +
                                         " } optimizer { schedule { plateau { patience: 1 } } }",
                                     "test");
  Check(job.ok(), "the test's job parses");
  FillDefaults(*job);
  return *std::move(job);
}

EpochFigures FiguresOf(std::uint32_t epoch, double rmse) {
  return {.epoch = epoch, .figures = {{"val_rmse", rmse}, {"val_ndcg_10", 1 - rmse}}};
}

TEST(JobState, RestoreMakesWhatSaveWrote) {
  for (const char* fields : {"", "schedule: BLOCKS rounds: 4"}) {
    const Job job = JobOf(fields);
    JobState state(job, 10);
    state.epoch = 2;
    state.leg = 3;
    state.stopping.Observe(1, 0.9);
    state.stopping.Observe(2, 1.0);
    state.plateau->Observe(0.9);
    state.plateau->Observe(1.0);
    state.best = FiguresOf(1, 0.9);
    state.last = FiguresOf(2, 1.0);
    state.best_snapshot = "g000001-s000000000010";
    state.files[1].emplace_back().set_partition(1);
    Manifest saved;
    state.Save(saved);
    EXPECT_EQ(saved.position().step(), state.step());

    JobState restored(job, 10);
    restored.Restore(saved);
    EXPECT_EQ(restored.leg, 3U);
    EXPECT_EQ(restored.stopping.state(), state.stopping.state());
    EXPECT_EQ(restored.plateau->state(), state.plateau->state());
    EXPECT_LT(restored.plateau->state().factor, 1) << "what stalled is not the start";
    Manifest again;
    restored.Save(again);
    EXPECT_EQ(again.DebugString(), saved.DebugString());
  }
}

// Partitions of BLOCKS may stop wherever they are.
TEST(JobState, KnowsHowFarEachPartitionIs) {
  const Job job = JobOf("schedule: BLOCKS rounds: 4");  // Eight legs.
  JobState state(job, 16);
  EXPECT_TRUE(state.IsUntouched());
  state.SetLegs({1, 0});
  EXPECT_EQ(state.leg, 0U);
  EXPECT_TRUE(state.InMidEpoch());
  EXPECT_FALSE(state.IsUntouched());
  EXPECT_EQ(state.step(), 1U) << "half a leg of two steps";
  EXPECT_EQ(state.share_of_epoch(), 1.0 / 16);
  state.sums[1].samples = 7;
  Manifest saved;
  state.Save(saved);
  EXPECT_TRUE(InMidEpoch(saved.position()));
  EXPECT_EQ(saved.sums(1).samples(), 7U) << "members go on from these";
  JobState restored(job, 16);
  restored.Restore(saved);
  EXPECT_EQ(restored.leg, 0U);
  EXPECT_EQ(restored.partition_legs, (std::vector<std::uint64_t>{1, 0}));

  restored.SetLegs({8, 8});
  EXPECT_EQ(restored.leg, 8U);
  EXPECT_TRUE(restored.partition_legs.empty()) << "all are equally far";
  EXPECT_EQ(restored.step_in_epoch(), 16U);
  EXPECT_EQ(restored.share_of_epoch(), 1.0);
  restored.SetLegs({8, 7});
  restored.EndEpoch(FiguresOf(1, 0.9));
  EXPECT_FALSE(restored.InMidEpoch());
}

TEST(JobState, JudgesAnEpochByItsFigures) {
  Job job = JobOf("");
  job.mutable_early_stopping()->set_monitor("val_rmse");
  job.mutable_optimizer()->mutable_schedule()->mutable_plateau()->set_monitor("val_rmse");
  JobState state(job, 10);
  state.leg = 10;
  JobState::Judgement judgement = state.EndEpoch(FiguresOf(1, 0.9));
  EXPECT_TRUE(judgement.is_best);
  EXPECT_FALSE(judgement.stalled);
  EXPECT_EQ(state.epoch, 1U);
  EXPECT_EQ(state.leg, 0U);
  state.NameBestSnapshot("first");
  EXPECT_EQ(state.best_snapshot, "first");

  judgement = state.EndEpoch(FiguresOf(2, 1.0));
  EXPECT_FALSE(judgement.is_best);
  EXPECT_TRUE(judgement.stalled);
  EXPECT_LT(state.plateau_factor(), 1);
  EXPECT_EQ(state.best->epoch, 1U);
  EXPECT_EQ(state.last->epoch, 2U);
  state.NameBestSnapshot("second");
  EXPECT_EQ(state.best_snapshot, "first") << "that of the best epoch stays";

  // An epoch that was not validated is not judged.
  judgement = state.EndEpoch({.epoch = 3, .figures = {{"train_loss", 0.1}}});
  EXPECT_FALSE(judgement.is_best || judgement.stalled);

  judgement = state.EndEpoch(FiguresOf(4, 0.5));
  EXPECT_TRUE(judgement.is_best);
  state.leg = 1;
  state.NameBestSnapshot("in mid-epoch");
  EXPECT_EQ(state.best_snapshot, "") << "it has more than the best epoch";
}

TEST(JobState, TheStartIsTheBestUntilAnEpochBeatsIt) {
  Job job = JobOf("");
  job.mutable_early_stopping()->set_monitor("val_rmse");
  JobState state(job, 10);
  EXPECT_TRUE(state.IsUntouched());
  EXPECT_FALSE(state.BeginFrom({.figures = {{"val_mae", 0.5}}})) << "not the figure that decides";
  EXPECT_TRUE(state.BeginFrom(FiguresOf(0, 0.8)));
  EXPECT_FALSE(state.IsUntouched());
  state.NameBestSnapshot("start");
  EXPECT_EQ(state.best_snapshot, "start");

  Manifest saved;
  state.Save(saved);
  JobState restored(job, 10);
  restored.Restore(saved);
  EXPECT_FALSE(restored.IsUntouched()) << "nobody measures it again";
  EXPECT_FALSE(restored.EndEpoch(FiguresOf(1, 0.9)).is_best);
  EXPECT_EQ(restored.best->epoch, 0U);
  restored.NameBestSnapshot("first");
  EXPECT_EQ(restored.best_snapshot, "start");
  EXPECT_TRUE(restored.EndEpoch(FiguresOf(2, 0.7)).is_best);
  EXPECT_EQ(restored.best->epoch, 2U);
}

TEST(JobState, EndsWithItsEpochsOrForWantOfABetterOne) {
  Job job = JobOf("");
  job.mutable_early_stopping()->set_patience(1);
  JobState state(job, 10);
  EXPECT_FALSE(state.Finished());
  state.epoch = 3;
  EXPECT_TRUE(state.Finished());
  state.epoch = 2;
  state.stopping.Observe(1, 0.9);
  state.stopping.Observe(2, 1.0);
  EXPECT_TRUE(state.Finished()) << "no better epoch for as long as the job waits";
}

}  // namespace
}  // namespace cf::job_state_test

#include "coordinator/job_state.h"

#include <gtest/gtest.h>

#include "common/base/check.h"
#include "common/config/config.h"

namespace cf {
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
    state.part = 3;
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
    EXPECT_EQ(restored.part, 3U);
    EXPECT_EQ(restored.stopping.state(), state.stopping.state());
    EXPECT_EQ(restored.plateau->state(), state.plateau->state());
    EXPECT_LT(restored.plateau->state().factor, 1) << "what stalled is not the start";
    Manifest again;
    restored.Save(again);
    EXPECT_EQ(again.DebugString(), saved.DebugString());
  }
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
}  // namespace cf

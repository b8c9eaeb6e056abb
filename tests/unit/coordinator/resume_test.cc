// Goal: what a resume goes on from is all that decides the rest of a job: beside the rows, which
// the digest has, the sums of an epoch that is not over, the best epoch, how long the job has
// waited for a better one and how far the learning rate has fallen. Method: a job that leaves a
// snapshot at every step; from some of them others go on, and must end with the same manifest.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <absl/strings/str_cat.h>
#include <gtest/gtest.h>

#include "common/snapshot/snapshot.h"
#include "run/history.h"
#include "tests/unit/coordinator/local_generation.h"

namespace cf::resume_test {
namespace {

namespace fs = std::filesystem;

class ResumeTest : public GenerationTest {
 protected:
  /// Four epochs of seven steps. No epoch is better than the first by as much as is asked for: the
  /// rate falls at the end of the third, and the job would end with the fifth.
  Job MakeJob(Train::Order schedule, Adam::Update update) const {
    Job job = MakeTinyJob(tiny_, 4);
    job.mutable_optimizer()->mutable_adam()->set_update(update);
    job.mutable_train()->set_schedule(schedule);
    PlateauSchedule& plateau = *job.mutable_optimizer()->mutable_schedule()->mutable_plateau();
    plateau.set_monitor("train_loss");
    plateau.set_patience(2);
    plateau.set_factor(0.5);
    plateau.set_min_delta(10);
    job.mutable_early_stopping()->set_min_delta(10);
    job.mutable_early_stopping()->set_patience(4);
    FillDefaults(job);
    Check(ValidateJob(job).ok(), "the test's job is valid");
    return job;
  }

  /// How a job ends that goes on from `snapshot`: its last manifest, without what names its files
  /// and times, the digest, and the history without its speeds.
  std::string EndOf(const Job& job, const std::string& run, const std::string& snapshot) {
    LocalGeneration generation(job, tiny_, run, 2, snapshot);
    for (const GenerationEnd& ended : generation.Run(2)) {
      EXPECT_TRUE(ended.has_finished()) << TextOf(ended);
    }
    Manifest manifest = Snapshot::Open(generation.latest()).value().manifest();
    EXPECT_TRUE(manifest.position().finished());
    manifest.set_best_snapshot(manifest.best_snapshot().substr(std::string("g00000N").size()));
    manifest.clear_name();
    manifest.clear_generation();
    manifest.clear_created_seconds();
    manifest.clear_files();
    manifest.clear_job();  // How often snapshots are taken.
    std::string end = absl::StrCat(manifest.DebugString(), generation.Digest());
    const std::vector<EpochFigures> epochs =
        History::Read(tiny_.Beside(run + "/history.csv")).value();
    for (const EpochFigures& epoch : epochs) {
      absl::StrAppend(&end, "\n", epoch.epoch, " ", epoch.step);
      for (const char* const name : {"train_loss", "l2_penalty", "val_rmse", "learning_rate"}) {
        absl::StrAppend(&end, " ", epoch.figures.Find(name).value_or(-1));
      }
    }
    return end;
  }

  /// A copy of a run as it was at `step`; returns the snapshot.
  std::string CopyUpTo(std::uint64_t step, const std::string& from, const std::string& run) const {
    fs::copy(tiny_.Beside(from), tiny_.Beside(run),
             fs::copy_options::recursive | fs::copy_options::copy_symlinks);
    const std::string snapshots = tiny_.Beside(run + "/snapshots");
    for (const fs::directory_entry& entry : fs::directory_iterator(snapshots)) {
      const std::optional<SnapshotTime> time = TimeOfName(entry.path().filename().string());
      if (time.has_value() && time->step > step) fs::remove(entry.path());
    }
    return absl::StrCat(snapshots, "/", SnapshotName({.generation = 1, .step = step}));
  }

  void ExpectResumesEndAlike(Train::Order schedule, Adam::Update update = Adam::LAZY) {
    // In every epoch, and at the end of the second.
    ExpectResumesEndAlike(MakeJob(schedule, update), {3, 9, 14, 19, 23});
  }

  void ExpectResumesEndAlike(Job job, const std::vector<std::uint64_t>& steps) {
    job.mutable_snapshot()->set_every_steps(1);
    job.mutable_snapshot()->set_keep(100);
    const std::string expected = EndOf(job, "straight", "");
    job.mutable_snapshot()->set_every_steps(0);
    for (const std::uint64_t step : steps) {
      const std::string run = absl::StrCat("resumed at ", step);
      EXPECT_EQ(EndOf(job, run, CopyUpTo(step, "straight", run)), expected) << step;
    }
  }
};

TEST_F(ResumeTest, FromAnyStepEndsWithTheSameFiguresAndModel) {
  ExpectResumesEndAlike(Train::SYNC);
}

TEST_F(ResumeTest, FromAnyStepOfBlocksEndsWithTheSameFiguresAndModel) {
  ExpectResumesEndAlike(Train::BLOCKS);
}

// Whose rows move by the rates of past epochs.
TEST_F(ResumeTest, FromAnyStepOfDenseAdamEndsWithTheSameFiguresAndModel) {
  ExpectResumesEndAlike(Train::SYNC, Adam::DENSE);
}

TEST_F(ResumeTest, FromAnyStepOfBlocksAndDenseAdamEndsWithTheSameFiguresAndModel) {
  ExpectResumesEndAlike(Train::BLOCKS, Adam::DENSE);
}

// Goal: a job whose epochs are all worse than the biases that it started from ends with these as the
// best, also where it was stopped before anything else was written.
TEST_F(ResumeTest, FromAnyStepOfAJobThatIsNeverBetterThanItsStartEndsWithTheStart) {
  Job job = MakeTinyJob(
      tiny_, 2, "matrix_factorization { dim: 5 link: STANDARDIZED start_from_baseline: true }");
  job.mutable_optimizer()->mutable_adam()->set_learning_rate(0.3);
  ExpectResumesEndAlike(job, {0, 3, 9});
  const Manifest last =
      Snapshot::Open(tiny_.Beside("resumed at 3/snapshots/latest")).value().manifest();
  EXPECT_EQ(last.best_metrics().epoch(), 0U);
  const Manifest best =
      Snapshot::Open(tiny_.Beside("resumed at 3/snapshots/best")).value().manifest();
  EXPECT_EQ(best.position().step(), 0U);
}

}  // namespace
}  // namespace cf::resume_test

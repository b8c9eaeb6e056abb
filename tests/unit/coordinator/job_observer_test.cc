// Goal: who listens to a job hears each thing once and in order, and can end it. Method: an observer
// that writes down what it hears, over a tiny job with one member that really trains.

#include "coordinator/job_observer.h"

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/snapshot/kept_figures.h"
#include "common/snapshot/snapshot.h"
#include "coordinator/coordinator.h"
#include "coordinator/history_observer.h"
#include "coordinator/member.h"
#include "coordinator/preparation.h"
#include "run/history.h"
#include "tests/unit/coordinator/tiny_job.h"

namespace cf::job_observer_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string At(const EpochProgress& progress) {
  return absl::StrCat(progress.epoch, ":", progress.step);
}

/// Writes down what it hears; fails where it is told to.
class Recorder final : public JobObserver {
 public:
  explicit Recorder(std::string fails_at = "") : fails_at_(std::move(fails_at)) {}

  absl::Status Started(const JobStart& start) override {
    return Hear(absl::StrCat("started after ", start.finished_epochs, " epochs",
                             start.snapshot == nullptr ? "" : " from a snapshot"));
  }
  absl::Status EpochBegan(const EpochProgress& progress) override {
    return Hear("epoch began " + At(progress));
  }
  absl::Status SegmentTrained(const TrainedSegment& segment) override {
    steps += segment.steps;
    samples += segment.samples;
    pause_seconds += segment.pause_seconds;
    EXPECT_EQ(segment.replies.size(), 1U);
    EXPECT_TRUE(segment.progress.figures.Find("train_loss").has_value());
    return Hear("segment to " + At(segment.progress));
  }
  absl::Status ValidationBegan(const EpochProgress& progress) override {
    return Hear("validation began " + At(progress));
  }
  absl::Status EpochMeasured(const FinishedEpoch& epoch) override {
    epochs.push_back(epoch.figures);
    return Hear(
        absl::StrCat("epoch ", epoch.figures.epoch, " measured", epoch.is_best ? ", best" : ""));
  }
  absl::Status SnapshotBegan(const EpochProgress& progress) override {
    return Hear("snapshot began " + At(progress));
  }
  absl::Status SnapshotCommitted(const Manifest& manifest, const EpochProgress&) override {
    return Hear(absl::StrCat("snapshot of step ", manifest.position().step()));
  }
  absl::Status EpochEnded(const FinishedEpoch& epoch) override {
    return Hear("epoch ended " + At(epoch.progress));
  }
  absl::Status Remarked(const std::string& line) override { return Hear(line); }
  absl::Status TrainingEnded() override { return Hear("training ended"); }
  absl::Status Ended(Verdict& verdict) override {
    return Hear(verdict.exit_code == kExitFinished ? "finished" : "stopped");
  }

  std::vector<std::string> heard;
  std::vector<EpochFigures> epochs;
  std::uint64_t steps = 0;
  std::uint64_t samples = 0;
  double pause_seconds = 0;  // Of segments.

 private:
  absl::Status Hear(const std::string& what) {
    heard.push_back(what);
    return what == fails_at_ ? absl::DataLossError("no room for: " + what) : absl::OkStatus();
  }

  std::string fails_at_;
};

class JobObserverTest : public ::testing::Test {
 protected:
  /// Trains `job` in the folder `run`, from its latest snapshot where there is one.
  absl::StatusOr<Verdict> Run(const Job& job, const std::string& run, JobObserver& observer) {
    RunFolder folder = RunFolder::Create(tiny_.Beside(run)).value();
    const TrainingData data = TrainingData::Open(job).value();
    const Placement placement =
        Placement::Make({.partitions = job.train().partitions(), .threads = {1}, .servers = 0})
            .value();
    const absl::StatusOr<Snapshot> snapshot = Snapshot::Open(folder.snapshots_path() + "/latest");
    const Snapshot* from = snapshot.ok() ? &*snapshot : nullptr;
    const std::uint64_t generation = folder.ClaimGeneration().value();
    const std::unique_ptr<Member> member =
        Member::Open({.job = job,
                      .generation = generation,
                      .snapshots_folder = folder.snapshots_path(),
                      .snapshot = from,
                      .data = &data,
                      .placement = &placement})
            .value();
    Coordinator coordinator =
        Coordinator::Open(
            {.job = job,
             .generation = generation,
             .folder = &folder,
             .data = &data,
             .snapshot = from,
             .observer = &observer,
             .execute = [&](const Command& command) -> absl::StatusOr<std::vector<Reply>> {
               absl::StatusOr<Reply> reply = member->Execute(command);
               if (!reply.ok()) return reply.status();
               return std::vector<Reply>{*std::move(reply)};
             },
             .stop_requested = stop_requested_})
            .value();
    return coordinator.Run();
  }

  TinyData tiny_;
  std::function<bool()> stop_requested_ = [] { return false; };
};

/// What was heard, but for how an epoch was cut into segments, which the clock decides.
std::vector<std::string> WithoutSegments(const Recorder& recorder) {
  std::vector<std::string> heard;
  for (const std::string& what : recorder.heard) {
    if (!what.starts_with("segment")) heard.push_back(what);
  }
  return heard;
}

TEST_F(JobObserverTest, HearsAJobInOrder) {
  Job job = MakeTinyJob(tiny_, 2);
  job.mutable_validation()->add_metrics("val_hr_5");
  job.mutable_early_stopping()->set_monitor("train_loss");
  job.mutable_snapshot()->set_every_steps(5);
  Recorder recorder;
  ASSERT_TRUE(Run(job, "run", recorder).ok());
  EXPECT_THAT(
      WithoutSegments(recorder),
      ElementsAre("started after 0 epochs", "epoch began 1:0", "snapshot began 1:5",
                  "snapshot of step 5", "validation began 1:7", StartsWith("ranking "),
                  "epoch 1 measured, best", "snapshot began 2:0", "snapshot of step 7",
                  "epoch ended 1:7", "epoch began 2:0", "snapshot began 2:3", "snapshot of step 10",
                  "validation began 2:7", "epoch 2 measured, best", "snapshot began 3:0",
                  "snapshot of step 14", "epoch ended 2:7", "training ended", "finished"));
  EXPECT_EQ(recorder.steps, 14U);
  EXPECT_GT(recorder.samples, 0U);
  ASSERT_EQ(recorder.epochs.size(), 2U);
  // The same pauses by segment and by line: those before the last segment of all.
  const double first = recorder.epochs[0].figures.Find("pause_seconds").value_or(0);
  const double second = recorder.epochs[1].figures.Find("pause_seconds").value_or(0);
  EXPECT_GT(first, 0) << "of the snapshot in its middle";
  EXPECT_GT(second, 0) << "of that and of the first epoch's last";
  EXPECT_NEAR(recorder.pause_seconds, first + second, 0.1 * (first + second));
  std::vector<std::string> names;
  for (const Figure& figure : recorder.epochs[1].figures) names.push_back(figure.name);
  EXPECT_THAT(names, ElementsAre("train_loss", "train_rmse", "l2_penalty", "val_loss", "val_rmse",
                                 "val_mae", "val_hr_5", "learning_rate", "samples_per_second",
                                 "seconds", "pause_seconds"));
}

TEST_F(JobObserverTest, HearsWhereAJobStopsAndGoesOn) {
  const Job job = MakeTinyJob(tiny_, 2);
  stop_requested_ = [] { return true; };
  Recorder stopped;
  EXPECT_EQ(Run(job, "run", stopped).value().exit_code, kExitContinue);
  EXPECT_THAT(stopped.heard,
              ElementsAre("started after 0 epochs", "epoch began 1:0", "segment to 1:4",
                          "training ended", "snapshot began 1:4", "snapshot of step 4", "stopped"));
  stop_requested_ = [] { return false; };
  Recorder resumed;
  EXPECT_EQ(Run(job, "run", resumed).value().exit_code, kExitFinished);
  ASSERT_GE(resumed.heard.size(), 2U);
  EXPECT_EQ(resumed.heard[0], "started after 0 epochs from a snapshot");
  EXPECT_EQ(resumed.heard[1], "epoch began 1:4");
  EXPECT_EQ(resumed.heard.back(), "finished");
}

TEST_F(JobObserverTest, EndsTheJobByItsErrorWhereverItIs) {
  for (const char* what : {"started after 0 epochs", "epoch began 1:0", "segment to 1:4",
                           "validation began 1:7", "epoch 1 measured, best", "snapshot began 2:0",
                           "snapshot of step 7", "epoch ended 1:7", "training ended", "finished"}) {
    Recorder recorder(what);
    Recorder behind;
    JobObservers both({&recorder, &behind});
    EXPECT_EQ(Run(MakeTinyJob(tiny_, 1), absl::StrCat("run of ", what), both).status(),
              absl::DataLossError(absl::StrCat("no room for: ", what)));
    ASSERT_FALSE(recorder.heard.empty());
    EXPECT_EQ(recorder.heard.back(), what);
    recorder.heard.pop_back();
    EXPECT_EQ(behind.heard, recorder.heard) << "who stands behind it is not told";
  }
}

/// Puts a folder in the place of a file, so that nobody can write it, from when the job has started.
class Blocker final : public JobObserver {
 public:
  explicit Blocker(std::string path) : path_(std::move(path)) {}
  absl::Status Started(const JobStart& /*start*/) override {
    std::filesystem::remove(path_);
    std::filesystem::create_directory(path_);
    return absl::OkStatus();
  }

 private:
  std::string path_;
};

// Goal: no line of a history is lost though the disk takes none until the job has ended, and whoever finds
// the job finished writes them. Method: it stops behind its second epoch and goes on to its end.
TEST_F(JobObserverTest, SnapshotsKeepLinesThatADiskDoesNotTakeUntilItDoes) {
  const Job job = MakeTinyJob(tiny_, 4);
  const RunFolder folder = RunFolder::Create(tiny_.Beside("run")).value();
  const RunFolder undisturbed = RunFolder::Create(tiny_.Beside("undisturbed")).value();
  std::vector<std::string> said;
  const auto open = [&](const RunFolder& run) {
    const auto say = [&said](const std::string& line) { said.push_back(line); };
    return HistoryObserver::Open(run, job, {.say = say, .patience = std::chrono::milliseconds(0)})
        .value();
  };
  ASSERT_TRUE(Run(job, "undisturbed", *open(undisturbed)).ok());

  Blocker blocker(folder.history_path());
  for (const ExitCode code : {kExitContinue, kExitFinished}) {
    Recorder recorder;
    stop_requested_ = [&] { return code == kExitContinue && recorder.epochs.size() == 2; };
    const auto history = open(folder);
    JobObservers all({&blocker, history.get(), &recorder});
    const absl::StatusOr<Verdict> verdict = Run(job, "run", all);
    ASSERT_TRUE(verdict.ok()) << verdict.status();
    EXPECT_EQ(verdict->exit_code, code);
    EXPECT_THAT(verdict->text, HasSubstr("history.csv lacks lines"));
    std::filesystem::remove(folder.history_path());
  }
  EXPECT_THAT(said, ElementsAre(HasSubstr("training goes on"), HasSubstr("training goes on"),
                                HasSubstr("waits a moment")));
  absl::StatusOr<Preparation> finished = PrepareGeneration({.job = job, .run = folder.path()});
  ASSERT_TRUE(finished.ok() && finished->finished.has_value()) << finished.status();
  ASSERT_TRUE(EndFinishedLife(*finished, [] { return false; }).ok());
  EXPECT_THAT(finished->finished->text, Not(HasSubstr("lacks")));
  const auto lines = [](const RunFolder& run) {
    const std::vector<EpochFigures> read = History::Read(run.history_path()).value();
    std::vector<std::string> all;
    for (const EpochFigures& line : read) all.push_back(KeptOf(line).ShortDebugString());
    return all;
  };
  EXPECT_EQ(lines(folder).size(), 4U);
  EXPECT_EQ(lines(folder), lines(undisturbed)) << "but for times";
}

TEST_F(JobObserverTest, AnObserverNeedNotListen) {
  JobObserver deaf;
  EXPECT_TRUE(Run(MakeTinyJob(tiny_, 1), "run", deaf).ok());
}

}  // namespace
}  // namespace cf::job_observer_test

#include "coordinator/status_observer.h"

#include <chrono>
#include <string>

#include <gtest/gtest.h>

#include "run/run_view.h"
#include "tests/support/temporary_folder.h"

namespace cf::status_observer_test {
namespace {

class StatusObserverTest : public ::testing::Test {
 protected:
  RunStatus Status() const { return ViewRun(folder_.path()).value().status.value(); }

  static EpochProgress At(std::uint32_t epoch, std::uint64_t step) {
    return {.epoch = epoch,
            .epochs = 2,
            .step = step,
            .steps = 10,
            .seconds = 1,
            .samples_per_second = 100,
            .pause_seconds = 0.25,
            .figures = {{"train_loss", 0.5}, {"train_rmse", 0.75}}};
  }

  const TemporaryFolder parent_;
  RunFolder folder_ = RunFolder::Create(parent_.At("run")).value();
  StatusObserver::Clock::time_point now_ = StatusObserver::Clock::now();
  StatusObserver observer_{{.folder = &folder_,
                            .status = {},
                            .monitor = "val_rmse",
                            .training_samples = 1000,
                            .now = [this] { return now_; }}};
};

TEST_F(StatusObserverTest, SaysWhereAnEpochStands) {
  ASSERT_TRUE(observer_.ValidationBegan(At(1, 5)).ok());
  const RunStatus status = Status();
  EXPECT_EQ(status.phase(), RunStatus::VALIDATING);
  EXPECT_EQ(status.epoch(), 1U);
  EXPECT_EQ(status.step(), 5U);
  EXPECT_EQ(status.steps_per_epoch(), 10U);
  EXPECT_EQ(status.train_loss(), 0.5);
  EXPECT_EQ(status.train_rmse(), 0.75);
  EXPECT_EQ(status.samples_per_second(), 100);
  EXPECT_EQ(status.pause_seconds(), 0.25);
  EXPECT_EQ(status.seconds_left(), 15) << "an epoch and a half";
  EXPECT_EQ(status.monitor(), "val_rmse");
}

TEST_F(StatusObserverTest, HasTheFiguresOfTheLastEpochAndTheBestOne) {
  const EpochFigures best = {.epoch = 1, .figures = {{"val_rmse", 0.5}, {"val_hr_5", 0.25}}};
  const EpochFigures last = {.epoch = 2, .figures = {{"val_rmse", 0.75}, {"seconds", 3}}};
  ASSERT_TRUE(observer_.EpochMeasured({.progress = {}, .figures = best, .is_best = true}).ok());
  ASSERT_TRUE(observer_.EpochMeasured({.progress = {}, .figures = last}).ok());
  ASSERT_TRUE(observer_.SnapshotBegan(At(3, 0)).ok());
  const RunStatus status = Status();
  EXPECT_EQ(status.phase(), RunStatus::SAVING);
  EXPECT_EQ(status.best_metrics().epoch(), 1U);
  EXPECT_EQ(status.best_metrics().val_rmse(), 0.5);
  EXPECT_EQ(status.best_metrics().figures(0).name(), "val_hr_5");
  EXPECT_EQ(status.last_metrics().epoch(), 2U);
  EXPECT_EQ(status.last_metrics().val_rmse(), 0.75);
  EXPECT_EQ(status.epoch(), 2U) << "there is no third";
  EXPECT_EQ(status.step(), 10U);
}

TEST_F(StatusObserverTest, KnowsTheSnapshotThatTheJobGoesOnFrom) {
  Manifest manifest;
  manifest.set_name("g000001-s000000000010");
  manifest.set_created_seconds(7);
  manifest.mutable_best_metrics()->set_epoch(1);
  ASSERT_TRUE(observer_.Started({.finished_epochs = 1, .snapshot = &manifest}).ok());
  ASSERT_TRUE(observer_.EpochBegan(At(2, 0)).ok());
  EXPECT_EQ(Status().snapshot(), "g000001-s000000000010");
  EXPECT_EQ(Status().snapshot_seconds(), 7);
  EXPECT_EQ(Status().best_metrics().epoch(), 1U);
  EXPECT_FALSE(Status().has_last_metrics());
  manifest.set_name("g000002-s000000000020");
  ASSERT_TRUE(observer_.SnapshotCommitted(manifest, At(2, 10)).ok());
  EXPECT_EQ(Status().snapshot(), "g000002-s000000000020");
  EXPECT_EQ(Status().phase(), RunStatus::TRAINING);
}

// A segment lasts a fifth of a second.
TEST_F(StatusObserverTest, IsWrittenOnceASecondBetweenSegments) {
  ASSERT_TRUE(observer_.EpochBegan(At(1, 0)).ok());
  now_ += std::chrono::milliseconds(999);
  ASSERT_TRUE(observer_.SegmentTrained({.progress = At(1, 1)}).ok());
  EXPECT_EQ(Status().step(), 0U);
  now_ += std::chrono::milliseconds(1);
  ASSERT_TRUE(observer_.SegmentTrained({.progress = At(1, 2)}).ok());
  EXPECT_EQ(Status().step(), 2U);
}

// Before the first sample there is no loss, and it must not look like a bad one.
TEST_F(StatusObserverTest, WithoutASampleThereIsNoError) {
  EpochProgress progress = At(1, 0);
  progress.samples_per_second = 0;
  progress.figures = {};
  ASSERT_TRUE(observer_.EpochBegan(progress).ok());
  EXPECT_EQ(Status().train_loss(), 0);
  EXPECT_EQ(Status().train_rmse(), 0);
  EXPECT_EQ(Status().seconds_left(), 0);
}

}  // namespace
}  // namespace cf::status_observer_test

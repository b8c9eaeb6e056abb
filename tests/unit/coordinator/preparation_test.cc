// Goal: whoever leads makes of a job, a folder and --resume the generation that goes on where the
// last one ended, or says why that cannot be. Method: a tiny job, run to its end in between.

#include "coordinator/preparation.h"

#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/files.h"
#include "common/config/config.h"
#include "common/snapshot/manifest.h"
#include "run/history.h"
#include "tests/unit/coordinator/local_generation.h"

namespace cf::preparation_test {
namespace {

using ::testing::HasSubstr;

class PreparationTest : public GenerationTest {
 protected:
  absl::StatusOr<Preparation> Prepare(const Job& job, const std::string& resume = "auto") {
    return PrepareGeneration({.job = job, .run = run(), .resume = resume});
  }
  void ExpectRefused(const Job& job, const std::string& why, const std::string& resume = "auto") {
    const absl::Status status = Prepare(job, resume).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(why));
  }
  std::string run() const { return tiny_.Beside("run"); }

  const Job job_ = MakeTinyJob(tiny_, 2);
};

TEST_F(PreparationTest, OfANewRunClaimsItsFirstGeneration) {
  const absl::StatusOr<Preparation> preparation = Prepare(job_);
  ASSERT_TRUE(preparation.ok()) << preparation.status();
  EXPECT_FALSE(preparation->finished.has_value());
  const GenerationNote& note = preparation->note;
  EXPECT_EQ(note.generation(), 1U);
  EXPECT_EQ(note.snapshot(), "");
  EXPECT_EQ(note.run_folder(), run());
  EXPECT_EQ(note.dataset_digest(), Dataset::Open(tiny_.path()).value().digest());
  EXPECT_FALSE(note.finished());
  EXPECT_TRUE(CheckNote(note.SerializeAsString()).ok());
  ASSERT_TRUE(BeginLife(*preparation).ok());
  EXPECT_TRUE(std::filesystem::exists(preparation->folder.job_path()));
}

TEST_F(PreparationTest, OfAFinishedRunSaysSoAndGoesOnForMoreEpochs) {
  DigestOf(job_, 1, "run");
  {
    const absl::StatusOr<Preparation> finished = Prepare(job_);
    ASSERT_TRUE(finished.ok()) << finished.status();
    ASSERT_TRUE(finished->finished.has_value());
    EXPECT_EQ(finished->finished->cause, EndCause::kFinished);
    EXPECT_TRUE(finished->note.finished());
  }
  Job longer = job_;
  longer.mutable_train()->set_epochs(3);
  const absl::StatusOr<Preparation> preparation = Prepare(longer);
  ASSERT_TRUE(preparation.ok()) << preparation.status();
  EXPECT_FALSE(preparation->finished.has_value());
  EXPECT_EQ(preparation->note.generation(), 3U);
  EXPECT_THAT(preparation->note.snapshot(), HasSubstr(run() + "/snapshots/"));
}

// Goal: a life that was killed between its last snapshot and its verdict leaves nothing undone. Method:
// what it would have left, made by hand.
TEST_F(PreparationTest, OfAFinishedRunEndsWhatALifeBeforeLeftUndone) {
  DigestOf(job_, 1, "run");
  const RunFolder folder = RunFolder::Open(run()).value();
  const std::string verdict = ReadFile(folder.verdict_path()).value();
  const std::string history = ReadFile(folder.history_path()).value();
  const std::string stray = RowFilePath(folder.snapshots_path(),
                                        RowFileName({.time = {1, 1}, .partition = PartitionId{0}}));
  std::filesystem::remove(folder.verdict_path());
  ASSERT_TRUE(ReplaceFile(folder.history_path(), history.substr(0, history.size() - 9)).ok());
  ASSERT_TRUE(ReplaceFile(stray, "rows of a snapshot that was collected").ok());
  ASSERT_TRUE(ReplaceFile(folder.join_path(), "the address of a leader that is dead").ok());
  const auto end = [this] {
    absl::StatusOr<Preparation> finished = Prepare(job_);
    ASSERT_TRUE(finished.ok() && finished->finished.has_value()) << finished.status();
    const auto lines = EndFinishedLife(*finished, [] { return false; });
    ASSERT_TRUE(lines.ok()) << lines.status();
    EXPECT_THAT(*lines, ::testing::IsEmpty());
  };
  end();
  EXPECT_EQ(ReadFile(folder.verdict_path()).value(), verdict);
  EXPECT_EQ(History::Read(folder.history_path()).value().back().epoch, 2U);
  EXPECT_FALSE(std::filesystem::exists(stray));
  EXPECT_FALSE(std::filesystem::exists(folder.join_path()));
  // What somebody writes there afterwards stays as it is.
  ASSERT_TRUE(ReplaceFile(folder.history_path(), history + "the best of all\n").ok());
  end();
  EXPECT_EQ(ReadFile(folder.history_path()).value(), history + "the best of all\n");
}

TEST_F(PreparationTest, RefusesWhatWouldNotBeTheSameRun) {
  DigestOf(job_, 1, "run");
  Job other = job_;
  other.mutable_train()->set_batch_size(32);
  ExpectRefused(other, "train.batch_size");
  ExpectRefused(job_, "which --resume never would leave behind", "never");
  Job executed_otherwise = job_;
  executed_otherwise.mutable_cluster()->set_progress_timeout_seconds(7);
  EXPECT_TRUE(Prepare(executed_otherwise).ok());
}

// What a snapshot was trained with is the snapshot's, not the new run's; and there is a way out.
TEST_F(PreparationTest, OfASnapshotOfOtherDataSaysWhatCanBeDone) {
  DigestOf(job_, 1, "run");
  const std::string snapshot = run() + "/snapshots/best";
  DatasetWriter writer = DatasetWriter::Create({.folder = tiny_.Beside("other")}).value();
  writer.Append({.users = {0, 1}, .items = {1, 0}, .ratings = {3, 4}, .timestamps = {}});
  writer.SetUsers(Vocabulary({1, 2}));
  writer.SetItems(Vocabulary({1, 2}));
  ASSERT_TRUE(writer.Finish().ok());
  Job elsewhere = job_;
  elsewhere.mutable_data()->set_path(tiny_.Beside("other"));
  const absl::Status refused =
      PrepareGeneration({.job = elsewhere, .run = tiny_.Beside("new/run"), .resume = snapshot})
          .status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition) << refused;
  EXPECT_THAT(std::string(refused.message()), testing::StartsWith(snapshot + " was trained with"));
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("go on with --data " + tiny_.path() + ", or leave --resume out"));
  EXPECT_FALSE(std::filesystem::exists(tiny_.Beside("new")));
}

TEST_F(PreparationTest, NeedsADataSet) {
  Job job = job_;
  job.mutable_data()->clear_path();
  EXPECT_EQ(Prepare(job).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(std::filesystem::exists(run())) << "what is refused leaves no trace";
}

TEST_F(PreparationTest, ANoteOfAnotherFolderIsRefused) {
  EXPECT_EQ(CheckNote("\xff\xff").code(), absl::StatusCode::kInternal);
  absl::StatusOr<Preparation> preparation = Prepare(job_);
  ASSERT_TRUE(preparation.ok()) << preparation.status();
  preparation->note.set_nonce("another");
  EXPECT_EQ(CheckNote(preparation->note.SerializeAsString()).code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace cf::preparation_test

#include "run/run_folder.h"

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/files.h"

namespace cf::run_folder_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class RunFolderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = ::testing::TempDir() + "run_folder_" + std::to_string(::getpid()) + "_" +
            ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(path_);
  }
  void TearDown() override { std::filesystem::remove_all(path_); }

  std::string path_;
};

/// A process of its own that claims a run and then lives until it is killed.
class LiveHolder {
 public:
  explicit LiveHolder(const std::string& path) {
    int ready[2];
    EXPECT_EQ(::pipe(ready), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      absl::StatusOr<RunFolder> run = RunFolder::Create(path);
      const char claimed = run.ok() && run->ClaimGeneration().ok() ? 'y' : 'n';
      if (::write(ready[1], &claimed, 1) != 1) ::_exit(1);
      for (;;) ::pause();
    }
    char claimed = 'n';
    EXPECT_EQ(::read(ready[0], &claimed, 1), 1);
    EXPECT_EQ(claimed, 'y');
    ::close(ready[0]);
    ::close(ready[1]);
  }
  ~LiveHolder() {
    if (pid_ > 0) Kill();
  }

  void Kill() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
};

TEST_F(RunFolderTest, GenerationsCountUp) {
  for (std::uint64_t expected = 1; expected <= 3; ++expected) {
    absl::StatusOr<RunFolder> run = RunFolder::Create(path_);
    ASSERT_TRUE(run.ok()) << run.status();
    const absl::StatusOr<std::uint64_t> generation = run->ClaimGeneration();
    ASSERT_TRUE(generation.ok()) << generation.status();
    EXPECT_EQ(*generation, expected);
    EXPECT_TRUE(std::filesystem::exists(run->generations_path() + "/" + std::to_string(expected)));
  }
}

TEST_F(RunFolderTest, LossesAreGenerationsThatFollowNoChangeOfTheRoster) {
  RunFolder run = RunFolder::Create(path_).value();
  for (std::uint64_t generation = 1; generation <= 4; ++generation) {
    ASSERT_EQ(run.ClaimGeneration().value(), generation);
    if (generation == 3) {
      ASSERT_TRUE(run.NoteResized().ok());
    }
  }
  EXPECT_EQ(run.LossesBetween(1, 4), 2U);
  EXPECT_EQ(run.LossesBetween(2, 3), 0U);
  EXPECT_EQ(run.LossesBetween(4, 4), 0U);
}

TEST_F(RunFolderTest, ALiveJobIsNamedAndRefusesASecond) {
  const LiveHolder holder(path_);
  absl::StatusOr<RunFolder> run = RunFolder::Create(path_);
  ASSERT_TRUE(run.ok()) << run.status();
  const absl::StatusOr<std::uint64_t> generation = run->ClaimGeneration();
  ASSERT_EQ(generation.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(generation.status().message()),
              AllOf(HasSubstr(path_), HasSubstr("process " + std::to_string(holder.pid())),
                    HasSubstr("on host "), HasSubstr(" since 20")));
  EXPECT_FALSE(std::filesystem::exists(path_ + "/generation/2"));
  EXPECT_THAT(run->Holder().value(), HasSubstr("process " + std::to_string(holder.pid())));
  EXPECT_TRUE(run->IsLockOfThisHost());
  ASSERT_TRUE(ReplaceFile(path_ + "/lock", "host: elsewhere\npid: 1\n").ok());
  EXPECT_FALSE(run->IsLockOfThisHost());
}

TEST_F(RunFolderTest, TwoClaimsOfOneProcessExcludeEachOther) {
  absl::StatusOr<RunFolder> first = RunFolder::Create(path_);
  absl::StatusOr<RunFolder> second = RunFolder::Create(path_);
  ASSERT_TRUE(first->ClaimGeneration().ok());
  EXPECT_EQ(second->ClaimGeneration().status().code(), absl::StatusCode::kFailedPrecondition);
  // Reading the lock file meanwhile, as Holder does, must not free it (a process lock would be).
  EXPECT_FALSE(second->Holder().value().empty());
  EXPECT_EQ(second->ClaimGeneration().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(RunFolderTest, WhoHoldsARunKeepsJobsOutAndMakesNoGeneration) {
  absl::StatusOr<RunFolder> job = RunFolder::Create(path_);
  {
    absl::StatusOr<RunFolder> tool = RunFolder::Open(path_);
    ASSERT_TRUE(tool->Hold().ok());
    EXPECT_THAT(job->Holder().value(), HasSubstr("process " + std::to_string(::getpid())));
    EXPECT_EQ(job->ClaimGeneration().status().code(), absl::StatusCode::kFailedPrecondition);
  }
  EXPECT_EQ(job->ClaimGeneration().value(), 1U);
  absl::StatusOr<RunFolder> late = RunFolder::Open(path_);
  EXPECT_EQ(late->Hold().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(RunFolderTest, AKilledHolderFreesTheRun) {
  LiveHolder holder(path_);
  holder.Kill();
  absl::StatusOr<RunFolder> run = RunFolder::Create(path_);
  EXPECT_EQ(run->Holder().value(), "");
  const absl::StatusOr<std::uint64_t> generation = run->ClaimGeneration();
  ASSERT_TRUE(generation.ok()) << generation.status();
  EXPECT_EQ(*generation, 2U);
}

TEST_F(RunFolderTest, TheClaimMovesWithTheObject) {
  absl::StatusOr<RunFolder> run = RunFolder::Create(path_);
  ASSERT_TRUE(run->ClaimGeneration().ok());
  const std::string nonce = run->nonce();
  const RunFolder moved = *std::move(run);
  EXPECT_EQ(moved.nonce(), nonce);
  EXPECT_FALSE(moved.Holder().value().empty());
}

TEST_F(RunFolderTest, VisibleIsWhatHoldsTheNonce) {
  absl::StatusOr<RunFolder> run = RunFolder::Create(path_);
  ASSERT_TRUE(run->ClaimGeneration().ok());
  EXPECT_TRUE(RunFolder::CheckVisible(path_, run->nonce()).ok());

  // A folder of the same name on another disk: it may even have the same generation.
  absl::StatusOr<RunFolder> other = RunFolder::Create(path_ + "/other");
  ASSERT_TRUE(other->ClaimGeneration().ok());
  for (const std::string& elsewhere : {other->path(), path_ + "/nowhere"}) {
    const absl::Status seen = RunFolder::CheckVisible(elsewhere, run->nonce());
    EXPECT_EQ(seen.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(seen.message()), HasSubstr("all hosts share"));
  }
}

TEST_F(RunFolderTest, VerdictsRoundTripAndEndWithTheNextLife) {
  const Verdict verdict = {.exit_code = kExitContinue,
                           .cause = EndCause::kRequest,
                           .text = "stopped at epoch 3: val_rmse 0.8401",
                           .snapshot = "snapshots/latest",
                           .lost_host = "n2"};
  {
    absl::StatusOr<RunFolder> run = RunFolder::Create(path_);
    ASSERT_TRUE(run->ClaimGeneration().ok());
    EXPECT_EQ(run->ReadVerdict().status().code(), absl::StatusCode::kNotFound);
    ASSERT_TRUE(run->WriteVerdict({.exit_code = kExitFailed, .text = "two\nlines"}).ok());
    EXPECT_EQ(run->ReadVerdict()->text, "two lines");
    ASSERT_TRUE(run->WriteVerdict(verdict).ok());
  }
  absl::StatusOr<RunFolder> run = RunFolder::Open(path_);
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->ReadVerdict().value(), verdict);

  // A job that is refused leaves the verdict; one that is killed must not leave that of the life
  // before.
  ASSERT_TRUE(run->ClaimGeneration().ok());
  EXPECT_EQ(run->ReadVerdict().value(), verdict);
  ASSERT_TRUE(run->Begin().ok());
  EXPECT_EQ(run->ReadVerdict().status().code(), absl::StatusCode::kNotFound);
}

// Goal: what killed lives were writing goes with the next; what others left stays.
TEST_F(RunFolderTest, ALifeRemovesWhatTheOnesBeforeHadNotFinished) {
  const RunFolder before = RunFolder::Create(path_).value();
  const auto leave = [this](const std::string& name) { std::ofstream(path_ + "/" + name) << "x"; };
  for (const char* name :
       {"verdict.tmp.4711", "status.tmp.1", "history.csv.tmp.22", "job.textproto.tmp.3",
        "stop.tmp.5", "report.html.tmp.6", "notes.tmp.1", "verdict.tmp.mine", "verdict.txt"}) {
    leave(name);
  }
  // Somebody may be writing it now.
  const auto old = std::filesystem::last_write_time(path_ + "/stop.tmp.5") - std::chrono::hours(1);
  std::filesystem::last_write_time(path_ + "/stop.tmp.5", old);
  std::filesystem::create_directories(RunFolder::ScratchPathIn(path_) + "/cf-rows-dead");
  std::filesystem::create_directories(RunFolder::ScratchPathIn(path_) + "/results");
  RunFolder run = RunFolder::Create(path_).value();
  ASSERT_TRUE(run.ClaimGeneration().ok());
  EXPECT_THAT(run.Begin().value(), ::testing::IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(RunFolder::ScratchPathIn(path_) + "/cf-rows-dead"));
  EXPECT_TRUE(std::filesystem::exists(RunFolder::ScratchPathIn(path_) + "/results"));
  std::set<std::string> left;
  for (const auto& entry : std::filesystem::directory_iterator(path_)) {
    left.insert(entry.path().filename().string());
  }
  EXPECT_THAT(left, ::testing::UnorderedElementsAre("generation", "lock", "scratch", "snapshots",
                                                    "notes.tmp.1", "report.html.tmp.6",
                                                    "verdict.tmp.mine", "verdict.txt"));
}

// Goal: nor does it stay where nobody goes on: cfrun settles the end of a life that was killed.
TEST_F(RunFolderTest, WhoeverHoldsARunRemovesWhatWasNotFinished) {
  RunFolder run = RunFolder::Create(path_).value();
  std::ofstream(path_ + "/verdict.tmp.4711") << "x";
  ASSERT_TRUE(run.Hold().ok());
  EXPECT_FALSE(std::filesystem::exists(path_ + "/verdict.tmp.4711"));
}

// A folder or a pipe where a file should be is nobody's to wait for.
TEST_F(RunFolderTest, WhatIsNoFileIsMovedAside) {
  RunFolder run = RunFolder::Create(path_).value();
  std::filesystem::create_directories(run.verdict_path() + "/full");
  ASSERT_EQ(::mkfifo(run.log_path().c_str(), 0600), 0);
  EXPECT_EQ(run.ReadVerdict().status().message(), run.verdict_path() + ": not a file");
  ASSERT_TRUE(run.ClaimGeneration().ok());
  EXPECT_THAT(
      run.Begin().value(),
      ::testing::ElementsAre(
          run.log_path() + ": not a file; it is " + run.log_path() + ".damaged now",
          run.verdict_path() + ": not a file; it is " + run.verdict_path() + ".damaged now"));
  EXPECT_TRUE(std::filesystem::exists(run.verdict_path() + ".damaged/full"));
  EXPECT_TRUE(run.WriteVerdict({.text = "all is well"}).ok());
}

TEST_F(RunFolderTest, FilesOfOthersAreNoGenerations) {
  {
    RunFolder run = RunFolder::Create(path_).value();
    EXPECT_EQ(run.ClaimGeneration().value(), 1U);
  }
  for (const char* name : {"18446744073709551615", "99999999999", "007", "+9", "notes", "4.txt"}) {
    std::ofstream(path_ + "/generation/" + name) << "x";
  }
  RunFolder run = RunFolder::Create(path_).value();
  EXPECT_EQ(run.LastGeneration().value(), 1U);
  EXPECT_EQ(run.ClaimGeneration().value(), 2U);
}

TEST_F(RunFolderTest, AGenerationAndItsVerdictTellWhoStartedThem) {
  {
    absl::StatusOr<RunFolder> run = RunFolder::Create(path_);
    ASSERT_TRUE(run->ClaimGeneration("mine").ok());
    ASSERT_TRUE(run->WriteVerdict({.text = "ended"}).ok());
    EXPECT_EQ(run->ReadVerdict()->launch, "mine");
    EXPECT_EQ(run->StageOf("mine", 0), LifeStage::kClaimed);
    EXPECT_EQ(run->StageOf("mine", 1), LifeStage::kNone) << "that was before";
    EXPECT_EQ(run->StageOf("another", 0), LifeStage::kNone);
    ASSERT_TRUE(run->Begin().ok());
    EXPECT_EQ(run->StageOf("mine", 0), LifeStage::kBegun);
  }
  absl::StatusOr<RunFolder> run = RunFolder::Create(path_);
  ASSERT_TRUE(run->ClaimGeneration().ok());
  ASSERT_TRUE(run->WriteVerdict({.text = "ended"}).ok());
  EXPECT_EQ(run->ReadVerdict()->launch, "") << "the verdict is of its own claim";
  EXPECT_EQ(run->StageOf("mine", 1), LifeStage::kNone);
}

TEST_F(RunFolderTest, ARequestToStopIsForOneLife) {
  absl::StatusOr<RunFolder> run = RunFolder::Create(path_);
  ASSERT_TRUE(run->ClaimGeneration().ok());
  ASSERT_TRUE(run->Begin().ok());
  EXPECT_FALSE(run->StopRequested());
  ASSERT_TRUE(RunFolder::Open(path_)->RequestStop().ok());
  EXPECT_TRUE(run->StopRequested());

  run = RunFolder::Open(path_);
  ASSERT_TRUE(run->ClaimGeneration().ok());
  ASSERT_TRUE(run->Begin().ok());
  EXPECT_FALSE(run->StopRequested());
}

TEST_F(RunFolderTest, AVerdictOfAnUnknownCauseIsNoReasonToRestart) {
  absl::StatusOr<RunFolder> run = RunFolder::Create(path_);
  ASSERT_TRUE(WriteFileAtomically(run->verdict_path(), "exit_code: 1\ncause: weather\n").ok());
  EXPECT_EQ(run->ReadVerdict()->cause, EndCause::kFailed);
}

TEST(ParseVerdict, AnExitCodeThatIsNoneOfOursIsAFailure) {
  for (const char* const number : {"4", "256", "-1", "2147483647"}) {
    const absl::StatusOr<Verdict> verdict =
        ParseVerdict(std::string("exit_code: ") + number + "\ncause: finished\n", "f");
    EXPECT_EQ(verdict->exit_code, kExitFailed) << number;
  }
  EXPECT_EQ(ParseVerdict("exit_code: 75\n", "f")->exit_code, kExitContinue);
  EXPECT_EQ(ParseVerdict("exit_code: 0\n", "f")->exit_code, kExitFinished);
}

TEST_F(RunFolderTest, ADamagedVerdictIsAnError) {
  absl::StatusOr<RunFolder> run = RunFolder::Create(path_);
  ASSERT_TRUE(WriteFileAtomically(run->verdict_path(), "rubbish").ok());
  EXPECT_EQ(run->ReadVerdict().status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(RunFolderTest, WhatIsNoRunIsRefused) {
  EXPECT_EQ(RunFolder::Open(path_).status().code(), absl::StatusCode::kNotFound);
  std::ofstream(path_) << "a file";
  const absl::StatusOr<RunFolder> run = RunFolder::Create(path_);
  EXPECT_EQ(run.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(run.status().message()), HasSubstr("a file is where a folder should be"));
  std::filesystem::remove(path_);
}

// A job that is refused leaves nothing that it has made, and everything that was there.
TEST_F(RunFolderTest, WhatARefusedJobHasMadeCanBeDiscarded) {
  {
    absl::StatusOr<RunFolder> run = RunFolder::Create(path_ + "/runs/first/");
    ASSERT_TRUE(run.ok() && run->ClaimGeneration().ok());
    ASSERT_TRUE(run->WriteVerdict({.text = "refused"}).ok());
    run->Discard();
    EXPECT_FALSE(std::filesystem::exists(path_));
  }
  std::filesystem::create_directories(path_ + "/mine");
  {
    absl::StatusOr<RunFolder> run = RunFolder::Create(path_ + "/mine");
    ASSERT_TRUE(run.ok() && run->ClaimGeneration().ok());
    ASSERT_TRUE(WriteFileAtomically(path_ + "/mine/notes", "mine").ok());
    run->Discard();
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(path_ + "/mine"), {}), 1);
  }
  ASSERT_TRUE(RunFolder::Create(path_ + "/run").ok());
  {
    absl::StatusOr<RunFolder> run = RunFolder::Create(path_ + "/run");  // It was one before.
    ASSERT_TRUE(run.ok() && run->ClaimGeneration().ok());
    run->Discard();
    EXPECT_EQ(run->LastGeneration().value(), 1U);
  }
}

}  // namespace
}  // namespace cf::run_folder_test

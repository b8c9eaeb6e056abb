// Goal: between its cut and its commit a snapshot is nobody's: training goes on, links stay, and if it
// fails the next one has its rows. Method: a job of one real member whose answers the test holds back,
// as if its disk were slow, or spoils.

#include "coordinator/snapshot_taker.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/snapshot/partition_writer.h"
#include "common/snapshot/snapshot.h"
#include "coordinator/member.h"
#include "tests/unit/coordinator/tiny_job.h"

namespace cf::snapshot_taker_test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Hears of snapshots.
class Heard final : public JobObserver {
 public:
  absl::Status SnapshotCommitted(const Manifest& manifest, const EpochProgress&) override {
    steps.push_back(manifest.position().step());
    return absl::OkStatus();
  }
  absl::Status Remarked(const std::string& line) override {
    remarks.push_back(line);
    return absl::OkStatus();
  }
  absl::Status SnapshotHindered(const std::string& line) override {
    hindered.push_back(line);
    return absl::OkStatus();
  }
  std::vector<std::uint64_t> steps;
  std::vector<std::string> remarks;
  std::vector<std::string> hindered;
};

/// The row files of all snapshots that are kept, each once.
std::vector<std::set<std::string>> FilesOfKept(const std::string& folder) {
  std::vector<std::set<std::string>> kept;
  const SnapshotStore::Listing listing = SnapshotStore::View(folder).value().List().value();
  for (const Manifest& manifest : listing.snapshots) {
    kept.emplace_back();
    for (const FileEntry& file : manifest.files()) {
      if (file.rows() > 0) kept.back().insert(file.file());
    }
  }
  return kept;
}

class SnapshotTakerTest : public ::testing::Test {
 protected:
  SnapshotTakerTest() {
    job_.mutable_snapshot()->set_copies_mib(16);
    job_.mutable_snapshot()->set_every_steps(1);
    // A test's clock goes faster than its disk.
    job_.mutable_snapshot()->set_give_up_seconds(1'000'000'000);
    job_.mutable_train()->set_batch_size(5);
  }

  void Open() {
    data_.emplace(TrainingData::Open(job_).value());
    placement_.emplace(
        Placement::Make({.partitions = job_.train().partitions(), .threads = {2}, .servers = 0})
            .value());
    state_.emplace(job_, data_->steps_per_epoch(job_));
    member_ = Member::Open({.job = job_,
                            .generation = 1,
                            .snapshots_folder = folder_,
                            .data = &*data_,
                            .placement = &*placement_,
                            .snapshot_copies = copies_})
                  .value();
    taker_.emplace(
        SnapshotTaker::Open({.job = job_,
                             .generation = 1,
                             .folder = folder_,
                             .data = &*data_,
                             .execute = [this](const Command& command) { return Execute(command); },
                             .now = [this] { return now_; },
                             .sleep =
                                 [this](std::chrono::milliseconds time) {
                                   now_ += time;
                                   if (on_sleep_) on_sleep_();
                                 }})
            .value());
  }

  absl::StatusOr<std::vector<Reply>> Execute(const Command& command) {
    commands_.push_back(command);
    if (command.has_write()) now_ += copying_;
    if (command.has_write() && full_) {
      Reply reply;
      reply.mutable_snapshot_trouble()->set_code(
          static_cast<int>(absl::StatusCode::kResourceExhausted));
      reply.mutable_snapshot_trouble()->set_message("no space");
      reply.mutable_snapshot_trouble()->set_is_given_up(true);
      return std::vector<Reply>{reply};
    }
    absl::StatusOr<Reply> reply = member_->Execute(command);
    if (!reply.ok()) return reply.status();
    if (reply->snapshot_written()) {
      // Held back until the disk is done.
      Check(!held_.has_value(), "files are told once");
      held_ = *reply;
      reply->clear_files();
      reply->clear_snapshot_written();
      if (lose_) held_.reset();
    }
    if (held_.has_value() && (!slow_disk_ || command.has_finish_write())) {
      reply->set_snapshot_written(true);
      *reply->mutable_files() = held_->files();
      held_.reset();
      if (spoil_) reply->mutable_files(0)->set_bytes(1);
    }
    return std::vector<Reply>{*std::move(reply)};
  }

  /// Trains a step, as the coordinator does, and hears what came.
  absl::Status Step() {
    Command command;
    command.mutable_train()->set_first_leg(state_->leg);
    command.mutable_train()->set_last_leg(state_->leg + 1);
    command.mutable_train()->set_steps_per_epoch(state_->steps_per_epoch);
    const absl::StatusOr<std::vector<Reply>> replies = Execute(command);
    if (!replies.ok()) return replies.status();
    ++state_->leg;
    return taker_->Hear(*replies, *state_, listener_);
  }
  absl::Status TakeIfDue() { return taker_->TakeIfDue(state_->step() - 1, *state_, listener_); }
  absl::Status Take() { return taker_->Take(*state_, listener_); }
  absl::Status Finish() { return taker_->Finish(*state_, listener_); }

  std::vector<std::string> Kinds() const {
    std::vector<std::string> kinds;
    for (const Command& command : commands_) {
      kinds.push_back(command.has_train()          ? "train"
                      : command.has_write()        ? "write"
                      : command.has_finish_write() ? "finish"
                      : command.has_drop_write()   ? "drop"
                      : command.has_committed()    ? "committed"
                                                   : "other");
    }
    return kinds;
  }

  /// The digest of the model after so many steps of a member that is not disturbed.
  std::string DigestAt(std::uint64_t steps) {
    const std::string folder = tiny_.Beside(absl::StrCat("undisturbed ", steps, "/snapshots"));
    const std::unique_ptr<Member> member = Member::Open({.job = job_,
                                                         .generation = 1,
                                                         .snapshots_folder = folder,
                                                         .data = &*data_,
                                                         .placement = &*placement_})
                                               .value();
    Command train;
    train.mutable_train()->set_last_leg(steps);
    train.mutable_train()->set_steps_per_epoch(state_->steps_per_epoch);
    Check(member->Execute(train).ok(), "the test can train");
    JobState state(job_, state_->steps_per_epoch);
    state.leg = steps;
    SnapshotTaker taker =
        SnapshotTaker::Open(
            {.job = job_,
             .generation = 1,
             .folder = folder,
             .data = &*data_,
             .execute = [&member](const Command& command) -> absl::StatusOr<std::vector<Reply>> {
               return std::vector<Reply>{member->Execute(command).value()};
             }})
            .value();
    Check(taker.Take(state, listener_).ok() && taker.Finish(state, listener_).ok(),
          "the test can take a snapshot");
    heard_.steps.pop_back();
    return Snapshot::Open(folder + "/latest").value().Digest().value();
  }

  /// The disk takes no row file, until they are shown again.
  void HideRows() const { std::filesystem::rename(folder_ + "/rows", folder_ + "/gone"); }
  void ShowRows() const { std::filesystem::rename(folder_ + "/gone", folder_ + "/rows"); }

  bool HasLatest() const { return std::filesystem::exists(folder_ + "/latest"); }
  Snapshot Latest() const { return Snapshot::Open(folder_ + "/latest").value(); }

  TinyData tiny_;
  Job job_ = MakeTinyJob(tiny_, 2);
  std::string folder_ = tiny_.Beside("run/snapshots");
  std::optional<TrainingData> data_;
  std::optional<Placement> placement_;
  std::optional<JobState> state_;
  std::unique_ptr<Member> member_;
  std::vector<Command> commands_;
  std::chrono::steady_clock::time_point now_;
  std::chrono::milliseconds copying_{1};  // What a cut takes.
  bool slow_disk_ = false;
  bool spoil_ = false;  // Tells of files what is not so.
  bool lose_ = false;   // Tells of none.
  bool full_ = false;   // Has no room for any.
  std::uint64_t copies_ = std::uint64_t{16} << 20;
  std::function<void()> on_sleep_;
  std::optional<Reply> held_;
  Heard heard_;
  const EpochProgress progress_;
  const SnapshotTaker::Listener listener_{.progress = progress_, .observer = heard_};
  std::optional<SnapshotTaker> taker_;
};

TEST_F(SnapshotTakerTest, TrainingGoesOnUntilTheFilesAreThere) {
  Open();
  slow_disk_ = true;
  ASSERT_TRUE(Step().ok());
  ASSERT_TRUE(TakeIfDue().ok());
  for (int k = 0; k < 3; ++k) ASSERT_TRUE(Step().ok());
  EXPECT_FALSE(HasLatest());
  EXPECT_THAT(heard_.steps, IsEmpty());
  ASSERT_TRUE(Finish().ok());
  EXPECT_THAT(Kinds(),
              ElementsAre("train", "write", "train", "train", "train", "finish", "committed"));
  EXPECT_THAT(heard_.steps, ElementsAre(1));
  EXPECT_EQ(Latest().manifest().position().step(), 1U);
  EXPECT_EQ(Latest().Digest().value(), DigestAt(1)) << "the rows of the cut, not of the commit";
  EXPECT_GT(taker_->pause().count(), 0);
}

TEST_F(SnapshotTakerTest, OneThatIsDueMeanwhileWaitsForItsTurn) {
  Open();
  slow_disk_ = true;
  for (int k = 0; k < 4; ++k) {
    ASSERT_TRUE(Step().ok());
    ASSERT_TRUE(TakeIfDue().ok());
  }
  EXPECT_THAT(Kinds(), ElementsAre("train", "write", "train", "train", "train"));
  EXPECT_THAT(heard_.remarks, ElementsAre(HasSubstr("it waits for its turn"))) << "said once";
  ASSERT_TRUE(Finish().ok());
  // By its steps none is due now; the one that waited is.
  ASSERT_TRUE(taker_->TakeIfDue(state_->step(), *state_, listener_).ok());
  ASSERT_TRUE(Finish().ok());
  EXPECT_THAT(heard_.steps, ElementsAre(1, 4));
  EXPECT_EQ(Latest().Digest().value(), DigestAt(4));
  ASSERT_TRUE(taker_->TakeIfDue(state_->step(), *state_, listener_).ok());
  EXPECT_EQ(Kinds().back(), "committed") << "none waits any more";
}

TEST_F(SnapshotTakerTest, OneAtTheEndOfAnEpochWaitsForTheOneBefore) {
  Open();
  slow_disk_ = true;
  ASSERT_TRUE(Step().ok());
  ASSERT_TRUE(TakeIfDue().ok());
  ASSERT_TRUE(Step().ok());
  ASSERT_TRUE(Take().ok());
  EXPECT_THAT(Kinds(), ElementsAre("train", "write", "train", "finish", "committed", "write"));
  ASSERT_TRUE(Finish().ok());
  EXPECT_THAT(heard_.steps, ElementsAre(1, 2));
  ASSERT_TRUE(Take().ok());
  EXPECT_THAT(heard_.steps, ElementsAre(1, 2)) << "there is one of this step";
}

// Goal: however much there is to write, training waits a small part of its time. Method: a clock of
// the test's own, and a member that takes two seconds to copy its rows.
TEST_F(SnapshotTakerTest, SnapshotsByTimeAreFartherApartTheLongerTrainingWaitsForThem) {
  job_.mutable_snapshot()->set_every_steps(0);
  job_.mutable_snapshot()->set_every_seconds(30);
  Open();
  const auto due_after = [this](int seconds) {
    now_ += std::chrono::seconds(seconds);
    const std::size_t before = heard_.steps.size();
    Check(Step().ok() && TakeIfDue().ok() && Finish().ok(), "the test can train");
    return heard_.steps.size() > before;
  };
  EXPECT_FALSE(due_after(29));
  copying_ = std::chrono::seconds(2);
  EXPECT_TRUE(due_after(1));
  EXPECT_EQ(taker_->pause(), std::chrono::seconds(2));
  EXPECT_FALSE(due_after(63));
  copying_ = {};
  EXPECT_TRUE(due_after(1));
  EXPECT_FALSE(due_after(29));
  EXPECT_TRUE(due_after(1));
}

// Goal: rows are clean when their manifest is committed, and not before. Method: a second snapshot
// whose files were lost on their way, and a third of other rows.
TEST_F(SnapshotTakerTest, TheRowsOfASnapshotThatFailedAreInTheNext) {
  Open();
  ASSERT_TRUE(Step().ok());
  ASSERT_TRUE(Take().ok());
  ASSERT_TRUE(Finish().ok());
  const std::vector<std::vector<FileEntry>> files = state_->files;
  ASSERT_TRUE(Step().ok());
  spoil_ = true;
  slow_disk_ = true;
  ASSERT_TRUE(Take().ok());
  const absl::Status failed = Finish();
  EXPECT_THAT(std::string(failed.message()), HasSubstr("committing a snapshot: "));
  EXPECT_EQ(Latest().manifest().position().step(), 1U);
  EXPECT_EQ(Kinds().back(), "finish") << "members are not told";
  EXPECT_EQ(state_->files.front().size(), files.front().size());
  spoil_ = false;
  // At the same step under other names, and a step later.
  ASSERT_TRUE(Take().ok());
  ASSERT_TRUE(Finish().ok());
  EXPECT_EQ(Latest().manifest().position().step(), 2U);
  EXPECT_EQ(Latest().Digest().value(), DigestAt(2));
  const Manifest again = Latest().manifest();
  EXPECT_TRUE(std::ranges::any_of(
      again.files(), [](const FileEntry& file) { return file.file().ends_with("-1.sst"); }));
  ASSERT_TRUE(Step().ok());
  ASSERT_TRUE(Take().ok());
  ASSERT_TRUE(Finish().ok());
  EXPECT_EQ(Latest().Digest().value(), DigestAt(3));
}

TEST_F(SnapshotTakerTest, TheRowsOfASnapshotThatFailedAreInTheNextOfALaterStep) {
  Open();
  ASSERT_TRUE(Step().ok());
  ASSERT_TRUE(Take().ok());
  ASSERT_TRUE(Finish().ok());
  ASSERT_TRUE(Step().ok());
  spoil_ = true;
  slow_disk_ = true;
  ASSERT_TRUE(Take().ok());
  EXPECT_FALSE(Finish().ok());
  spoil_ = false;
  ASSERT_TRUE(Step().ok());
  ASSERT_TRUE(Take().ok());
  ASSERT_TRUE(Finish().ok());
  EXPECT_EQ(Latest().Digest().value(), DigestAt(3));
}

// --- A disk that takes nothing -------------------------------------------------------------------

// Goal: training goes on while the disk takes nothing, and the snapshot is of its cut all the same.
TEST_F(SnapshotTakerTest, OneThatTheDiskDoesNotTakeIsTriedAgainWhileTrainingGoesOn) {
  Open();
  ASSERT_TRUE(Step().ok());
  ASSERT_TRUE(Take().ok());
  ASSERT_TRUE(Finish().ok());
  ASSERT_TRUE(Step().ok());
  HideRows();
  ASSERT_TRUE(TakeIfDue().ok());
  for (int k = 0; k < 3; ++k) {
    ASSERT_TRUE(Step().ok());
    // What may wait does not keep training.
    ASSERT_TRUE(taker_->Take(*state_, listener_, SnapshotTaker::Need::kMayWait).ok());
  }
  EXPECT_THAT(heard_.hindered,
              ElementsAre(AllOf(HasSubstr("writing partition "), HasSubstr(folder_))))
      << "told once";
  EXPECT_THAT(heard_.steps, ElementsAre(1));
  ShowRows();
  ASSERT_TRUE(Finish().ok());
  EXPECT_THAT(heard_.steps, ElementsAre(1, 2));
  EXPECT_EQ(Latest().Digest().value(), DigestAt(2));
  EXPECT_THAT(heard_.remarks, ElementsAre("snapshots can be written again"));
  // The one that could wait has its turn, and all rows that changed.
  ASSERT_TRUE(taker_->TakeIfDue(state_->step(), *state_, listener_).ok());
  ASSERT_TRUE(Finish().ok());
  EXPECT_THAT(heard_.steps, ElementsAre(1, 2, 5));
  EXPECT_EQ(Latest().Digest().value(), DigestAt(5));
}

// The same where rows are not copied: it is cut anew, at a later step.
TEST_F(SnapshotTakerTest, OneWithoutCopiesIsCutAnewWhenTheDiskTakesIt) {
  job_.mutable_snapshot()->set_copies_mib(0);
  copies_ = 0;
  Open();
  HideRows();
  ASSERT_TRUE(Step().ok());
  ASSERT_TRUE(TakeIfDue().ok());
  EXPECT_EQ(heard_.hindered.size(), 1U);
  EXPECT_THAT(Kinds(), ElementsAre("train", "write", "drop"));
  ASSERT_TRUE(Step().ok());
  ASSERT_TRUE(TakeIfDue().ok());
  EXPECT_EQ(Kinds().back(), "train") << "not at once";
  ShowRows();
  now_ += std::chrono::minutes(1);
  ASSERT_TRUE(TakeIfDue().ok());
  ASSERT_TRUE(Finish().ok());
  EXPECT_THAT(heard_.steps, ElementsAre(2));
  EXPECT_EQ(Latest().Digest().value(), DigestAt(2));
}

// Training waits for one that it cannot do without, of which there are no copies.
TEST_F(SnapshotTakerTest, OneThatIsNeededNowIsWaitedFor) {
  job_.mutable_snapshot()->set_copies_mib(0);
  copies_ = 0;
  Open();
  HideRows();
  ASSERT_TRUE(Step().ok());
  int sleeps = 0;
  on_sleep_ = [&] {
    if (++sleeps == 20) ShowRows();
  };
  ASSERT_TRUE(Take().ok());
  EXPECT_GE(sleeps, 20);
  EXPECT_THAT(heard_.steps, ElementsAre(1));
  EXPECT_EQ(Latest().Digest().value(), DigestAt(1));
}

TEST_F(SnapshotTakerTest, ADiskThatNeverTakesOneEndsTheJobAfterTheUsersTime) {
  job_.mutable_snapshot()->set_give_up_seconds(60);
  Open();
  HideRows();
  ASSERT_TRUE(Step().ok());
  ASSERT_TRUE(Take().ok());
  const auto begin = now_;
  const absl::Status failed = Finish();
  EXPECT_THAT(std::string(failed.message()),
              AllOf(HasSubstr("no snapshot could be written for 60 s: writing partition"),
                    HasSubstr(folder_)));
  EXPECT_GE(now_ - begin, std::chrono::seconds(60));
  EXPECT_FALSE(HasLatest());
}

TEST_F(SnapshotTakerTest, WhoWaitsForTheEndOfTheJobWaitsHalfAMinuteForTheDisk) {
  Open();
  HideRows();
  ASSERT_TRUE(Step().ok());
  ASSERT_TRUE(Take().ok());
  taker_->Hurry();
  const auto begin = now_;
  EXPECT_FALSE(Finish().ok());
  EXPECT_LE(now_ - begin, std::chrono::seconds(31));
}

TEST_F(SnapshotTakerTest, WithoutAUsersTimeTheFirstErrorCounts) {
  job_.mutable_snapshot()->set_give_up_seconds(0);
  Open();
  HideRows();
  ASSERT_TRUE(Step().ok());
  // Writing goes on beside: the error may be there when the snapshot is asked for, or later.
  absl::Status status = Take();
  if (status.ok()) status = Finish();
  EXPECT_THAT(status.ToString(), HasSubstr("writing partition"));
  EXPECT_THAT(heard_.hindered, IsEmpty());
}

// Goal: where there is no room older snapshots go first, and never the newest.
TEST_F(SnapshotTakerTest, OlderSnapshotsMakeRoom) {
  job_.mutable_snapshot()->set_keep(3);
  Open();
  for (int k = 0; k < 3; ++k) {
    ASSERT_TRUE(Step().ok());
    ASSERT_TRUE(Take().ok());
    ASSERT_TRUE(Finish().ok());
  }
  const auto kept = [this] { return FilesOfKept(folder_).size(); };
  EXPECT_EQ(kept(), 3U);
  ASSERT_TRUE(Step().ok());
  full_ = true;
  ASSERT_TRUE(TakeIfDue().ok());
  for (const std::size_t expected : {2U, 1U, 1U}) {
    EXPECT_EQ(kept(), expected);
    now_ += std::chrono::minutes(1);
    ASSERT_TRUE(taker_->TakeIfDue(state_->step(), *state_, listener_).ok());
  }
  EXPECT_EQ(Latest().Digest().value(), DigestAt(3));
  full_ = false;
  now_ += std::chrono::minutes(1);
  ASSERT_TRUE(taker_->TakeIfDue(state_->step(), *state_, listener_).ok());
  ASSERT_TRUE(Finish().ok());
  EXPECT_EQ(Latest().Digest().value(), DigestAt(4));
}

// Goal: what the last snapshot has made superfluous goes before the job ends, though it could not when
// that was committed. Method: a folder in the place of an old row file, which nobody can remove as one.
TEST_F(SnapshotTakerTest, WhatCouldNotBeCollectedIsAtTheEnd) {
  job_.mutable_snapshot()->set_keep(1);
  Open();
  const std::string stray = RowFilePath(folder_, RowFileName({.time = {0, 0}}));
  std::filesystem::create_directories(stray);
  ASSERT_TRUE(Step().ok());
  ASSERT_TRUE(Take().ok());
  ASSERT_TRUE(Finish().ok());
  EXPECT_THAT(heard_.remarks, ElementsAre(HasSubstr("collecting old snapshots")));
  on_sleep_ = [&stray] {
    std::filesystem::remove(stray);
    std::ofstream file(stray);
  };
  taker_->Tidy();
  EXPECT_FALSE(std::filesystem::exists(stray));
  on_sleep_ = [] { ADD_FAILURE() << "there is nothing left to do"; };
  taker_->Tidy();
}

TEST_F(SnapshotTakerTest, FilesThatARankHasLostAreMissed) {
  Open();
  ASSERT_TRUE(Step().ok());
  lose_ = true;
  ASSERT_TRUE(Take().ok());
  EXPECT_EQ(Finish().code(), absl::StatusCode::kDataLoss);
}

// Goal: chains end before they are much to read, all at once, so that a snapshot that is kept shares
// no file with the newest.
TEST_F(SnapshotTakerTest, BasesComeTogetherBeforeDeltasHaveMoreRows) {
  job_.mutable_train()->set_batch_size(1);
  Open();
  int bases = 0;
  for (int k = 0; k < 80; ++k) {
    ASSERT_TRUE(Step().ok());
    ASSERT_TRUE(Take().ok());
    ASSERT_TRUE(Finish().ok());
    const auto write = std::ranges::find_if(commands_.rbegin(), commands_.rend(),
                                            [](const Command& c) { return c.has_write(); });
    const bool all = write->write().bases();
    std::uint64_t base_rows = 0;
    std::uint64_t delta_rows = 0;
    for (const std::vector<FileEntry>& chain : state_->files) {
      EXPECT_LE(chain.size(), 33U);
      EXPECT_TRUE(!all || chain.size() == 1);
      for (const FileEntry& file : chain) {
        (file.kind() == BASE ? base_rows : delta_rows) += file.rows();
      }
    }
    EXPECT_LE(delta_rows, base_rows + 8) << "a step touches few rows more";
    bases += all ? 1 : 0;
    if (bases == 0) continue;
    const std::vector<std::set<std::string>> kept = FilesOfKept(folder_);
    EXPECT_TRUE(std::ranges::any_of(kept, [&kept](const std::set<std::string>& files) {
      return std::ranges::none_of(
          files, [&kept](const std::string& file) { return kept.back().contains(file); });
    })) << k;
    EXPECT_LE(kept.size(), 3U) << "the last two and one that shares nothing";
  }
  EXPECT_GE(bases, 2);
  EXPECT_EQ(Latest().Digest().value(), DigestAt(80));
}

// Goal: a snapshot costs what changed. Method: steps that touch one in a hundred rows.
TEST_F(SnapshotTakerTest, SnapshotsOfFewChangesCostATwentiethOfTheFirst) {
  constexpr std::uint32_t kRows = 4000;
  const std::string path = tiny_.Beside("wide");
  DatasetWriter writer =
      DatasetWriter::Create({.folder = path, .name = "wide", .threads = 1}).value();
  SampleChunk chunk;
  std::vector<std::int64_t> numbers(kRows);
  for (std::uint32_t k = 0; k < kRows; ++k) {
    chunk.users.push_back(k);
    chunk.items.push_back(k * 7 % kRows);
    chunk.ratings.push_back(static_cast<float>(1 + k % 5));
    numbers[k] = k + 1;
  }
  writer.Append(std::move(chunk));
  writer.SetUsers(Vocabulary(numbers));
  writer.SetItems(Vocabulary(numbers));
  ASSERT_TRUE(writer.Finish().ok());
  job_.mutable_data()->set_path(path);
  job_.clear_split();
  job_.mutable_model()->mutable_matrix_factorization()->set_dim(64);
  job_.mutable_train()->set_batch_size(kRows / 100);
  Open();
  const auto bytes_of_newest = [this] {
    std::uint64_t bytes = 0;
    for (const std::vector<FileEntry>& chain : state_->files) {
      if (TimeOfName(chain.back().file())->step == state_->step()) bytes += chain.back().bytes();
    }
    return static_cast<double>(bytes);
  };
  double first = 0;
  double others = 0;
  for (int k = 0; k <= 20; ++k) {
    ASSERT_TRUE(Step().ok());
    ASSERT_TRUE(Take().ok());
    ASSERT_TRUE(Finish().ok());
    (k == 0 ? first : others) += bytes_of_newest();
  }
  EXPECT_GT(others / 20, 0.01 * first);
  EXPECT_LT(others / 20, 0.05 * first);
}

}  // namespace
}  // namespace cf::snapshot_taker_test

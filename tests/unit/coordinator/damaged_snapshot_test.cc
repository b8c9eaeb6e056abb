// Goal: whatever byte of a run's newest snapshot is changed, cut off or gone, `verify` names the file
// and no rank loads it; the run goes on by itself from the newest snapshot that is whole, to the
// digest of an undisturbed one, and never begins anew. What is asked for by name is that or nothing.
// Method: copies of a run with chains of bases and deltas, each damaged at a place that a seed draws.
// CF_DAMAGES and CF_RESUMES in the environment make it as long as one likes (tests/README.md).

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "common/base/files.h"
#include "common/snapshot/manifest.h"
#include "common/snapshot/snapshot.h"
#include "common/snapshot/snapshot_store.h"
#include "coordinator/preparation.h"
#include "run/run_view.h"
#include "tests/unit/coordinator/local_generation.h"

namespace cf::damaged_snapshot_test {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::HasSubstr;

int NumberFrom(const char* variable, int otherwise) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? otherwise : std::atoi(text);
}

class DamagedSnapshotTest : public GenerationTest {
 protected:
  DamagedSnapshotTest() {
    job_.mutable_train()->set_batch_size(5);
    job_.mutable_snapshot()->set_every_steps(12);
    job_.mutable_snapshot()->set_keep(6);
    FillDefaults(job_);
    longer_ = job_;
    longer_.mutable_train()->set_epochs(2);
    longer_.mutable_snapshot()->set_every_steps(40);
  }

  /// A run of one epoch, as it lies on the disk.
  void MakeRun() {
    DigestOf(job_, 2, "run");
    for (const fs::directory_entry& entry : fs::directory_iterator(tiny_.Beside("run/snapshots"))) {
      const std::string name = entry.path().filename().string();
      if (name.ends_with(".manifest")) manifests_.insert(name);
    }
    ASSERT_GE(manifests_.size(), 4U);
    newest_ = *manifests_.rbegin();
  }

  /// The files of a snapshot, relative to the run.
  std::vector<std::string> FilesOf(const std::string& manifest) const {
    std::vector<std::string> files = {"snapshots/" + manifest};
    const Manifest read = ReadManifest(tiny_.Beside("run/snapshots/" + manifest)).value();
    for (const FileEntry& entry : read.files()) {
      if (entry.rows() > 0) files.push_back("snapshots/rows/" + entry.file());
    }
    return files;
  }

  std::string CopyOfRun(const std::string& name) const {
    fs::remove_all(tiny_.Beside(name));
    fs::copy(tiny_.Beside("run"), tiny_.Beside(name),
             fs::copy_options::recursive | fs::copy_options::copy_symlinks);
    return tiny_.Beside(name);
  }

  static void FlipBit(const std::string& path, std::size_t at) {
    std::string contents = ReadFile(path).value();
    contents[at] = static_cast<char>(contents[at] ^ 4);
    ASSERT_TRUE(ReplaceFile(path, contents).ok());
  }

  /// What was done, in words.
  static std::string DamageAnyhow(const std::string& path, std::mt19937_64& random) {
    const std::uint64_t bytes = fs::file_size(path);
    const std::uint64_t at = random() % bytes;
    switch (random() % 3) {
      case 0: {
        std::string contents = ReadFile(path).value();
        contents[at] = static_cast<char>(contents[at] ^ (1 + random() % 255));
        EXPECT_TRUE(ReplaceFile(path, contents).ok());
        return absl::StrCat("byte ", at, " of ", path);
      }
      case 1:
        fs::resize_file(path, at);
        return absl::StrCat(path, " cut to ", at);
      default:
        fs::remove(path);
        return path + " deleted";
    }
  }

  absl::StatusOr<Preparation> Prepare(const Job& job, const std::string& run,
                                      const std::string& resume = "auto") const {
    return PrepareGeneration({.job = job, .run = tiny_.Beside(run), .resume = resume});
  }

  /// How the run ends that goes on by itself for an epoch more.
  std::vector<GenerationEnd> GoOn(const std::string& run, const std::string& resume = "auto") {
    absl::StatusOr<Preparation> preparation = Prepare(longer_, run, resume);
    if (!preparation.ok()) return {FailedBy(preparation.status(), 0)};
    EXPECT_TRUE(BeginLife(*preparation).ok());
    LocalGeneration generation(*std::move(preparation), 2);
    return generation.Run(2);
  }

  Job job_ = MakeTinyJob(tiny_, 1);
  Job longer_;
  std::set<std::string> manifests_;
  std::string newest_;
};

TEST_F(DamagedSnapshotTest, IsNamedAndRefusedAndTheRunGoesOnFromAnOlderOne) {
  MakeRun();
  const std::string expected = DigestOf(longer_, 1, "straight");
  const std::vector<std::string> files = FilesOf(newest_);
  const int damages = NumberFrom("CF_DAMAGES", 40);
  const int resumes = NumberFrom("CF_RESUMES", 6);
  int resumed = 0;
  for (int k = 0; k < damages; ++k) {
    std::mt19937_64 random(static_cast<std::uint64_t>(k));
    const std::string run = CopyOfRun("damaged");
    // The manifest as often as all others together.
    const std::string& file = files[random() % 2 == 0 ? 0 : random() % files.size()];
    SCOPED_TRACE(absl::StrCat("seed ", k, ": ", DamageAnyhow(run + "/" + file, random)));
    for (const std::string& name : {newest_, std::string("latest")}) {
      const absl::StatusOr<Snapshot> opened = Snapshot::Open(run + "/snapshots/" + name);
      const absl::Status whole = opened.ok() ? opened->Verify() : opened.status();
      EXPECT_THAT(std::string(whole.message()), HasSubstr(fs::path(file).filename().string()));
      EXPECT_TRUE(IsSnapshotDamage(whole)) << whole;
      // Nobody gets all of its rows.
      EXPECT_FALSE(opened.ok() && opened->Digest().ok());
    }
    if (k % std::max(1, damages / resumes) != 0 || resumed == resumes) continue;
    ++resumed;
    for (const GenerationEnd& end : GoOn("damaged")) EXPECT_TRUE(end.has_finished()) << TextOf(end);
    const absl::StatusOr<Snapshot> last = Snapshot::Open(run + "/snapshots/latest");
    ASSERT_TRUE(last.ok()) << last.status();
    EXPECT_EQ(last->Digest().value(), expected);
    EXPECT_EQ(last->manifest().generation(), 2U);
    const RunView view = ViewRun(run).value();
    EXPECT_THAT(view.status->notices(), Contains(HasSubstr(newest_ + " is not whole")));
    EXPECT_EQ(view.history.size(), 2U);
    // What is not whole does not stay for ever, nor stop others from going.
    EXPECT_FALSE(fs::exists(run + "/snapshots/" + newest_));
  }
  EXPECT_EQ(resumed, resumes);
}

// The rows of a finished job are loaded by nobody.
TEST_F(DamagedSnapshotTest, OfAFinishedRunIsTrainedAgain) {
  MakeRun();
  const std::string expected =
      Snapshot::Open(tiny_.Beside("run/snapshots/latest"))->Digest().value();
  EXPECT_TRUE(Prepare(job_, "run")->finished.has_value());
  const std::string run = CopyOfRun("finished");
  FlipBit(run + "/" + FilesOf(newest_).back(), 100);
  absl::StatusOr<Preparation> preparation = Prepare(job_, "finished");
  ASSERT_TRUE(preparation.ok()) << preparation.status();
  EXPECT_FALSE(preparation->finished.has_value());
  ASSERT_EQ(preparation->note.passed_over_size(), 1);
  EXPECT_EQ(preparation->note.passed_over(0).name(), newest_);
  LocalGeneration generation(*std::move(preparation), 1);
  EXPECT_TRUE(generation.Run(1)[0].has_finished());
  EXPECT_EQ(generation.Digest(), expected);
}

TEST_F(DamagedSnapshotTest, ThatTheUserNamesIsThatOrNone) {
  MakeRun();
  const std::string run = CopyOfRun("named");
  const std::string file = FilesOf(newest_).back();
  FlipBit(run + "/" + file, 100);
  for (const std::string& name : {newest_, std::string("latest")}) {
    for (const GenerationEnd& end : GoOn("named", run + "/snapshots/" + name)) {
      ASSERT_TRUE(end.has_failed());
      EXPECT_THAT(TextOf(end), HasSubstr(fs::path(file).filename().string()));
    }
  }
  FlipBit(run + "/snapshots/" + newest_, 100);
  for (const std::string& name : {newest_, std::string("latest")}) {
    EXPECT_THAT(TextOf(GoOn("named", run + "/snapshots/" + name)[0]),
                HasSubstr("/" + newest_ + ": the manifest is damaged"));
  }
}

TEST_F(DamagedSnapshotTest, WhereNoneIsWholeNothingBeginsAnew) {
  MakeRun();
  const std::string run = CopyOfRun("none");
  // Of each another file, so that all are tried.
  std::set<std::string> damaged;
  for (const std::string& manifest : manifests_) {
    const std::string file = FilesOf(manifest).back();
    if (damaged.insert(file).second) FlipBit(run + "/" + file, 100);
  }
  for (int again = 0; again < 2; ++again) {
    for (const GenerationEnd& end : GoOn("none")) {
      ASSERT_TRUE(end.has_failed());
      EXPECT_THAT(TextOf(end), HasSubstr("no snapshot is whole"));
      for (const std::string& manifest : manifests_) EXPECT_THAT(TextOf(end), HasSubstr(manifest));
    }
  }
  for (const std::string& manifest : manifests_) FlipBit(run + "/snapshots/" + manifest, 100);
  const absl::Status refused = Prepare(longer_, "none").status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss) << refused;
  for (const std::string& manifest : manifests_) {
    EXPECT_THAT(std::string(refused.message()), HasSubstr(manifest));
    EXPECT_TRUE(fs::exists(run + "/snapshots/" + manifest));
  }
}

// What cannot be read, though it may be whole, is no reason to lose what was trained since.
TEST_F(DamagedSnapshotTest, IsNotOneThatNobodyMayRead) {
  EXPECT_FALSE(IsSnapshotDamage(SnapshotReadError(absl::PermissionDeniedError("rights"))));
  EXPECT_FALSE(IsSnapshotDamage(SnapshotReadError(absl::ResourceExhaustedError("descriptors"))));
  EXPECT_TRUE(IsSnapshotDamage(SnapshotReadError(absl::NotFoundError("gone"))));
}

// Goal: a run whose best snapshot is lost goes on all the same, and says so.
TEST_F(DamagedSnapshotTest, ThatWasTheBestOfARunInItsNextEpochIsSaid) {
  MakeRun();
  const std::string expected = DigestOf(longer_, 1, "straight");
  const std::string run = CopyOfRun("best");
  for (const GenerationEnd& end : GoOn("best")) ASSERT_TRUE(end.has_finished()) << TextOf(end);
  const std::string snapshots = run + "/snapshots/";
  fs::remove(snapshots + Snapshot::Open(snapshots + "latest")->manifest().name());
  fs::remove(snapshots + newest_);
  const SnapshotStore::Listing left = SnapshotStore::View(snapshots)->List().value();
  ASSERT_EQ(left.snapshots.back().best_snapshot(), newest_);
  ASSERT_TRUE(InMidEpoch(left.snapshots.back().position()));

  for (const GenerationEnd& end : GoOn("best")) EXPECT_TRUE(end.has_finished()) << TextOf(end);
  EXPECT_EQ(Snapshot::Open(snapshots + "latest")->Digest().value(), expected);
  EXPECT_THAT(ViewRun(run)->status->notices(),
              Contains(HasSubstr("the best snapshot so far, " + newest_ + ", is not whole")));
}

// --- The data set --------------------------------------------------------------------------------

/// A job on a data set of which a byte changed since it was made.
class DamagedDataTest : public GenerationTest {
 protected:
  /// How the ranks of a job end.
  std::vector<GenerationEnd> Train(const std::string& run, const std::string& snapshot = "") {
    LocalGeneration generation(MakeTinyJob(tiny_, 2), tiny_, run, 3, snapshot);
    return generation.Run(3);
  }
  void ChangeAByteOf(const std::string& column) const {
    const std::string path = tiny_.path() + "/" + column;
    std::string contents = ReadFile(path).value();
    contents[contents.size() / 2] = static_cast<char>(contents[contents.size() / 2] ^ 1);
    ASSERT_TRUE(ReplaceFile(path, contents).ok());
  }
};

TEST_F(DamagedDataTest, IsNotTrainedOn) {
  DigestOf(MakeTinyJob(tiny_, 1), 1, "before");
  // One that no figure would tell of.
  ChangeAByteOf("timestamps.i64");
  for (const std::string& snapshot : {std::string(), tiny_.Beside("before/snapshots/latest")}) {
    for (const GenerationEnd& end : Train("damaged", snapshot)) {
      ASSERT_TRUE(end.has_failed());
      EXPECT_THAT(TextOf(end), HasSubstr("timestamps.i64: damaged: its bytes 0 to "));
    }
  }
}

TEST_F(DamagedDataTest, OfAnOlderFormatIsReadWholeByOneRank) {
  const std::string path = tiny_.path() + "/manifest.textproto";
  DatasetManifest manifest = Dataset::Open(tiny_.path())->manifest();
  manifest.clear_checksums();
  std::string text;
  google::protobuf::TextFormat::PrintToString(manifest, &text);
  ASSERT_TRUE(ReplaceFile(path, text).ok());
  for (const GenerationEnd& end : Train("whole")) EXPECT_TRUE(end.has_finished()) << TextOf(end);
  ChangeAByteOf("ratings.f32");
  for (const GenerationEnd& end : Train("damaged")) {
    ASSERT_TRUE(end.has_failed());
    EXPECT_THAT(TextOf(end), HasSubstr(tiny_.path() + ": the columns' digest is "));
  }
}

}  // namespace
}  // namespace cf::damaged_snapshot_test

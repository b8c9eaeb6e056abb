#include "common/snapshot/snapshot_store.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/files.h"
#include "common/snapshot/checksum.h"
#include "common/snapshot/snapshot.h"
#include "tests/unit/snapshot/test_run.h"

namespace cf::snapshot_store_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

SnapshotTime At(std::uint64_t generation, std::uint64_t step) {
  return {.generation = generation, .step = step};
}

class Store : public testing::Test {
 protected:
  void SetUp() override { Reopen(); }
  void Reopen() { store_.emplace(SnapshotStore::Open(folder_.path()).value()); }

  /// Writes and commits a whole base; returns its files.
  std::vector<FileEntry> CommitBase(SnapshotTime time, const std::string& best = "") {
    std::vector<FileEntry> base = model_.WriteBase(folder_.path(), time);
    CommitFiles(time, {base}, best);
    return base;
  }

  void CommitFiles(SnapshotTime time, const std::vector<std::vector<FileEntry>>& layers,
                   const std::string& best = "") {
    Manifest manifest = model_.MakeManifest(time, layers);
    manifest.set_best_snapshot(best);
    const absl::Status committed = store_->Commit(manifest);
    ASSERT_TRUE(committed.ok()) << committed;
  }

  std::vector<std::string> Snapshots() const {
    const SnapshotStore::Listing listing = store_->List().value();
    std::vector<std::string> names;
    for (const Manifest& manifest : listing.snapshots) names.push_back(manifest.name());
    return names;
  }

  std::set<std::string> FilesIn(const std::string& path) const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path)) {
      names.insert(entry.path().filename().string());
    }
    return names;
  }
  std::set<std::string> RowFiles() const { return FilesIn(RowsFolder(folder_.path())); }

  std::string LinkOf(const std::string& link) const {
    return std::filesystem::read_symlink(folder_.path() + "/" + link).string();
  }

  void Leave(const std::string& path) const { std::ofstream(path) << "left by a crash"; }

  TestFolder folder_;
  TestModel model_{2};
  std::optional<SnapshotStore> store_;
};

TEST_F(Store, LinksFollowTheManifests) {
  EXPECT_EQ(store_->Latest().status().code(), absl::StatusCode::kNotFound);
  CommitBase(At(1, 10), SnapshotName(At(1, 10)));
  CommitBase(At(1, 20), SnapshotName(At(1, 10)));
  EXPECT_EQ(LinkOf("latest"), SnapshotName(At(1, 20)));
  EXPECT_EQ(LinkOf("best"), SnapshotName(At(1, 10)));
  EXPECT_EQ(store_->Latest()->name(), SnapshotName(At(1, 20)));
  EXPECT_EQ(store_->Best()->name(), SnapshotName(At(1, 10)));
  CommitBase(At(2, 15), SnapshotName(At(2, 15)));
  EXPECT_THAT(Snapshots(), ElementsAre(SnapshotName(At(1, 10)), SnapshotName(At(1, 20)),
                                       SnapshotName(At(2, 15))));
  EXPECT_EQ(LinkOf("latest"), SnapshotName(At(2, 15)));
  EXPECT_EQ(LinkOf("best"), SnapshotName(At(2, 15)));
}

// A crash between the manifest's rename and the links' leaves links that are old or not there.
TEST_F(Store, OpenMendsTheLinks) {
  CommitBase(At(1, 10), SnapshotName(At(1, 10)));
  CommitBase(At(1, 20), SnapshotName(At(1, 20)));
  std::filesystem::remove(folder_.path() + "/latest");
  std::filesystem::remove(folder_.path() + "/best");
  std::filesystem::create_symlink(SnapshotName(At(1, 10)), folder_.path() + "/best");
  // Whoever only looks goes by the manifests and changes nothing.
  ASSERT_TRUE(SnapshotStore::View(folder_.path()).ok());
  EXPECT_EQ(LinkOf("best"), SnapshotName(At(1, 10)));
  for (const std::string link : {"latest", "best"}) {
    absl::StatusOr<Snapshot> snapshot = Snapshot::Open(folder_.path() + "/" + link);
    ASSERT_TRUE(snapshot.ok()) << snapshot.status();
    EXPECT_EQ(snapshot->manifest().name(), SnapshotName(At(1, 20)));
  }
  Reopen();
  EXPECT_EQ(LinkOf("latest"), SnapshotName(At(1, 20)));
  EXPECT_EQ(LinkOf("best"), SnapshotName(At(1, 20)));
}

TEST_F(Store, LeftoversOfCrashesAreNoSnapshots) {
  CommitBase(At(1, 10));
  Leave(store_->PathOf(SnapshotName(At(1, 20)) + ".tmp.4711"));
  Leave(store_->PathOf("notes.txt"));
  model_.WriteBase(folder_.path(), At(1, 20));  // Row files without a manifest.
  Reopen();
  EXPECT_THAT(Snapshots(), ElementsAre(SnapshotName(At(1, 10))));
  EXPECT_THAT(store_->List()->damaged, IsEmpty());
  EXPECT_EQ(store_->Latest()->name(), SnapshotName(At(1, 10)));
  EXPECT_TRUE(Snapshot::Open(folder_.path() + "/latest")->Verify().ok());
}

TEST_F(Store, ADamagedManifestIsNamedAndNoOlderOneAnswersForIt) {
  CommitBase(At(1, 10));
  CommitBase(At(1, 20));
  FlipBit(store_->PathOf(SnapshotName(At(1, 20))), 100);
  std::filesystem::copy_file(store_->PathOf(SnapshotName(At(1, 10))),
                             store_->PathOf(SnapshotName(At(1, 30))));
  Reopen();
  EXPECT_THAT(Snapshots(), ElementsAre(SnapshotName(At(1, 10))));
  const std::vector<SnapshotStore::Damaged> damaged = store_->List()->damaged;
  ASSERT_EQ(damaged.size(), 2U);
  EXPECT_EQ(damaged[0].name, SnapshotName(At(1, 20)));
  EXPECT_EQ(std::string(damaged[0].why.message()),
            store_->PathOf(SnapshotName(At(1, 20))) +
                ": the manifest is damaged: its checksum does not match");
  EXPECT_EQ(
      std::string(damaged[1].why.message()),
      store_->PathOf(SnapshotName(At(1, 30))) + ": is the manifest of " + SnapshotName(At(1, 10)));
  for (const absl::Status& refused : {store_->Latest().status(), store_->Best().status()}) {
    EXPECT_EQ(std::string(refused.message()), std::string(damaged[1].why.message()) +
                                                  "; the newest that can be read is " +
                                                  store_->PathOf(SnapshotName(At(1, 10))));
  }
  EXPECT_EQ(LinkOf("latest"), SnapshotName(At(1, 20))) << "nor does the link lead elsewhere";
  // While it is the newest, what it names is not known, so nothing may be deleted.
  const std::set<std::string> before = RowFiles();
  EXPECT_EQ(store_->Collect({.keep = 1, .generation = 1}).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(RowFiles(), before);
}

TEST_F(Store, OneThatLatestLeadsToAndThatIsGoneIsMissing) {
  CommitBase(At(1, 10));
  CommitBase(At(1, 20));
  std::filesystem::remove(store_->PathOf(SnapshotName(At(1, 20))));
  Reopen();
  EXPECT_EQ(LinkOf("latest"), SnapshotName(At(1, 20)));
  EXPECT_EQ(store_->Latest().status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(store_->Latest().status().ToString(), HasSubstr(SnapshotName(At(1, 20))));
  CommitBase(At(2, 15));
  EXPECT_EQ(store_->Latest()->name(), SnapshotName(At(2, 15)));
}

// Goal: a manifest that nobody will ever read does not keep old files for ever; one that may be sound
// does; and of the best not even its name goes.
TEST_F(Store, CollectSetsADamagedManifestAside) {
  for (const std::uint64_t step : {10U, 20U, 30U}) CommitBase(At(1, step));
  const std::string best = SnapshotName(At(1, 20));
  CommitBase(At(2, 40), best);
  const std::string victim = SnapshotName(At(1, 30));
  FlipBit(store_->PathOf(victim), 100);
  FlipBit(store_->PathOf(best), 100);
  ASSERT_TRUE(store_->Collect({.keep = 1, .generation = 2}).ok());
  EXPECT_THAT(Snapshots(), ElementsAre(SnapshotName(At(1, 10)), SnapshotName(At(2, 40))))
      << "the spare and the newest";
  EXPECT_TRUE(std::filesystem::exists(store_->PathOf("damaged-" + victim)));
  EXPECT_EQ(RowFiles().size(), 2U * 2U) << "what only they named is gone";
  EXPECT_THAT(store_->Best().status().ToString(), HasSubstr(best + ": the manifest is damaged"));

  const std::string later = SnapshotName(At(2, 40));
  CommitBase(At(2, 50));
  // A program to come may have written it.
  std::string text = "# cf snapshot manifest\nformat_version: 9\n";
  Checksum checksum;
  checksum.Update(text.data(), text.size());
  text += "# checksum: " + checksum.Hex() + "\n";
  ASSERT_TRUE(ReplaceFile(store_->PathOf(later), text).ok());
  EXPECT_FALSE(store_->Collect({.keep = 1, .generation = 2}).ok());
  EXPECT_TRUE(std::filesystem::exists(store_->PathOf(later)));
}

TEST_F(Store, CollectTakesWhatIsKnownNotToBeWholeBeforeAnyOther) {
  for (const std::uint64_t step : {10U, 20U, 30U}) CommitBase(At(1, step));
  CommitBase(At(2, 15));
  ASSERT_TRUE(store_
                  ->Collect({.keep = 2,
                             .generation = 2,
                             .damaged = {SnapshotName(At(1, 30)), SnapshotName(At(1, 20))}})
                  .ok());
  EXPECT_THAT(Snapshots(), ElementsAre(SnapshotName(At(1, 10)), SnapshotName(At(2, 15))));
}

// Whoever goes on from one that is kept has its best, too.
TEST_F(Store, CollectKeepsTheBestOfEachThatItKeeps) {
  CommitBase(At(1, 10), SnapshotName(At(1, 10)));
  CommitBase(At(1, 20), SnapshotName(At(1, 10)));
  CommitBase(At(1, 30), SnapshotName(At(1, 30)));
  ASSERT_TRUE(store_->Collect({.keep = 2, .generation = 1}).ok());
  EXPECT_THAT(Snapshots(), ElementsAre(SnapshotName(At(1, 10)), SnapshotName(At(1, 20)),
                                       SnapshotName(At(1, 30))));
}

TEST_F(Store, NothingIsOverwritten) {
  const std::vector<FileEntry> base = CommitBase(At(1, 10));
  const std::string contents = ReadFile(store_->PathOf(SnapshotName(At(1, 10)))).value();
  Manifest again = model_.MakeManifest(At(1, 10), {base});
  again.set_created_seconds(1);
  EXPECT_EQ(store_->Commit(again).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ReadFile(store_->PathOf(SnapshotName(At(1, 10)))).value(), contents);

  CommitBase(At(2, 5));
  const auto late = model_.WriteBase(folder_.path(), At(1, 99));
  const absl::Status status = store_->Commit(model_.MakeManifest(At(1, 99), {late}));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("the newer snapshot"));
}

TEST_F(Store, CommitRefusesWhatWouldNotOpen) {
  const auto base = model_.WriteBase(folder_.path(), At(1, 10));
  Manifest manifest = model_.MakeManifest(At(1, 10), {base});
  manifest.set_best_snapshot(SnapshotName(At(1, 5)));
  EXPECT_THAT(store_->Commit(manifest).ToString(), HasSubstr("is not there"));
  manifest.clear_best_snapshot();
  manifest.set_format_version(7);
  EXPECT_EQ(store_->Commit(manifest).code(), absl::StatusCode::kFailedPrecondition);
  manifest.set_format_version(kManifestFormat);
  std::filesystem::remove(RowFilePath(folder_.path(), base[1].file()));
  EXPECT_THAT(store_->Commit(manifest).ToString(), HasSubstr(base[1].file()));
  EXPECT_THAT(Snapshots(), IsEmpty());
  EXPECT_FALSE(
      std::filesystem::exists(std::filesystem::symlink_status(folder_.path() + "/latest")));
}

TEST_F(Store, CollectKeepsTheLastAndTheBestAndWhatTheyShare) {
  const auto filter = [](TableId, RowId id) { return Index(id) % 3 == 0; };
  const auto old_base = CommitBase(At(1, 10));
  const auto base = model_.WriteBase(folder_.path(), At(1, 20));
  const std::string best = SnapshotName(At(1, 20));
  CommitFiles(At(1, 20), {base}, best);
  std::vector<std::vector<FileEntry>> layers = {base};
  for (const std::uint64_t step : {30U, 40U, 50U}) {
    layers.push_back(model_.Write(folder_.path(), At(1, step), DELTA, filter));
    CommitFiles(At(1, step), layers, best);
  }
  // A later base makes the chain of the best alone refer to the older one.
  CommitBase(At(1, 60), best);
  ASSERT_TRUE(store_->Collect({.keep = 2, .generation = 1}).ok());
  EXPECT_THAT(Snapshots(), ElementsAre(best, SnapshotName(At(1, 50)), SnapshotName(At(1, 60))));
  for (const std::string& name : Snapshots()) {
    absl::StatusOr<Snapshot> snapshot = Snapshot::Open(store_->PathOf(name));
    ASSERT_TRUE(snapshot.ok()) << snapshot.status();
    EXPECT_TRUE(snapshot->Verify().ok()) << snapshot->Verify();
  }
  EXPECT_FALSE(RowFiles().contains(old_base[0].file()));

  ASSERT_TRUE(store_->Collect({.keep = 1, .generation = 1}).ok());
  EXPECT_THAT(Snapshots(), ElementsAre(best, SnapshotName(At(1, 60))));
  EXPECT_EQ(RowFiles().size(), 2U * 2U) << "the deltas are gone, both bases stay";
  EXPECT_TRUE(Snapshot::Open(folder_.path() + "/best")->Verify().ok());
}

// Goal: no file is named by every snapshot that is kept. Method: chains, of which only the newest
// snapshots and the best would be kept; then a byte of every file of the newest is damaged.
TEST_F(Store, CollectKeepsASnapshotThatSharesNoFileWithTheNewest) {
  const auto filter = [](TableId, RowId id) { return Index(id) % 3 == 0; };
  CommitBase(At(1, 10));
  const auto first = model_.WriteBase(folder_.path(), At(1, 20));
  CommitFiles(At(1, 20), {first});
  CommitFiles(At(1, 30), {first, model_.Write(folder_.path(), At(1, 30), DELTA, filter)});
  const auto second = model_.WriteBase(folder_.path(), At(1, 40));
  const std::string best = SnapshotName(At(1, 40));
  std::vector<std::vector<FileEntry>> layers = {second};
  CommitFiles(At(1, 40), layers, best);
  for (const std::uint64_t step : {50U, 60U}) {
    layers.push_back(model_.Write(folder_.path(), At(1, step), DELTA, filter));
    CommitFiles(At(1, step), layers, best);
  }
  const std::string spare = SnapshotName(At(1, 30));
  for (int again = 0; again < 2; ++again) {
    ASSERT_TRUE(store_->Collect({.keep = 2, .generation = 1}).ok());
    EXPECT_THAT(Snapshots(),
                ElementsAre(spare, best, SnapshotName(At(1, 50)), SnapshotName(At(1, 60))));
  }
  const Manifest newest = store_->Latest().value();
  for (const FileEntry& file : newest.files()) {
    FlipBit(RowFilePath(folder_.path(), file.file()), file.bytes() / 2);
  }
  for (const std::string& name : Snapshots()) {
    EXPECT_EQ(Snapshot::Open(store_->PathOf(name))->Verify().ok(), name == spare) << name;
  }
}

// The best, or one of the last, may do.
TEST_F(Store, CollectKeepsNoMoreWhereOneThatIsKeptSharesNoFile) {
  const std::string best = SnapshotName(At(1, 20));
  for (const std::uint64_t step : {10U, 20U, 30U, 40U}) {
    CommitBase(At(1, step), step >= 20 ? best : "");
  }
  ASSERT_TRUE(store_->Collect({.keep = 1, .generation = 1}).ok());
  EXPECT_THAT(Snapshots(), ElementsAre(best, SnapshotName(At(1, 40))));
}

TEST_F(Store, CollectKeepsSnapshotsInUse) {
  for (const std::uint64_t step : {10U, 20U, 30U}) CommitBase(At(1, step));
  const std::string used = SnapshotName(At(1, 10));
  ASSERT_TRUE(store_->Collect({.keep = 1, .generation = 1, .also_keep = {used}}).ok());
  EXPECT_THAT(Snapshots(), ElementsAre(used, SnapshotName(At(1, 30))));
  EXPECT_TRUE(Snapshot::Open(store_->PathOf(used))->Verify().ok());
}

TEST_F(Store, SaysWhatWouldBeCollectedAndHowMuchThatIs) {
  for (const std::uint64_t step : {10U, 20U, 30U, 40U}) CommitBase(At(1, step));
  Leave(store_->PathOf(SnapshotName(At(1, 20)) + ".tmp.4711"));
  const std::set<std::string> before = RowFiles();
  const CollectOptions options = {.keep = 1, .generation = 1};
  const absl::StatusOr<Collectable> found = store_->ToCollect(options);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(found->snapshots, ElementsAre(SnapshotName(At(1, 10)), SnapshotName(At(1, 20))));
  EXPECT_EQ(found->files.size(), 1U + 2U * 2U);
  EXPECT_EQ(RowFiles(), before) << "nothing has gone yet";
  std::uint64_t bytes = 0;
  for (const std::vector<std::string>* names : {&found->snapshots, &found->files}) {
    for (const std::string& name : *names) {
      bytes += std::filesystem::file_size(store_->PathOf(name));
    }
  }
  EXPECT_EQ(found->bytes, bytes);
  ASSERT_TRUE(store_->Collect(options).ok());
  EXPECT_EQ(RowFiles().size(), 2U * 2U) << "of the last, and of one that shares none of its files";
  EXPECT_EQ(store_->ToCollect(options)->bytes, 0U);
}

TEST_F(Store, CollectCleansLeftoversButNotWhatIsBeingWritten) {
  const auto committed = CommitBase(At(1, 10));
  const auto crashed = model_.WriteBase(folder_.path(), At(1, 20));
  Leave(store_->PathOf(SnapshotName(At(1, 20)) + ".tmp.4711"));
  Leave(store_->PathOf("notes.txt"));
  Leave(RowsFolder(folder_.path()) + "/notes.txt");

  // In its own generation, rows after the newest snapshot may be the next one's.
  ASSERT_TRUE(store_->Collect({.keep = 2, .generation = 1}).ok());
  EXPECT_TRUE(RowFiles().contains(crashed[0].file()));

  // The next generation has begun to write its first snapshot.
  const auto current = model_.WriteBase(folder_.path(), At(2, 15));
  ASSERT_TRUE(store_->Collect({.keep = 2, .generation = 2}).ok());
  EXPECT_EQ(RowFiles(), (std::set<std::string>{committed[0].file(), committed[1].file(),
                                               current[0].file(), current[1].file(), "notes.txt"}));
  EXPECT_EQ(FilesIn(folder_.path()),
            (std::set<std::string>{"rows", "latest", "notes.txt", SnapshotName(At(1, 10))}));

  // An evicted coordinator deletes nothing more.
  const absl::Status evicted = store_->Collect({.keep = 1, .generation = 1});
  EXPECT_EQ(evicted.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(evicted.message()), HasSubstr("generation 2 has taken over"));
}

TEST_F(Store, ViewNeedsAFolderAndCreatesNone) {
  const std::string nowhere = folder_.run() + "/nowhere";
  EXPECT_EQ(SnapshotStore::View(nowhere).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(nowhere));
}

}  // namespace
}  // namespace cf::snapshot_store_test

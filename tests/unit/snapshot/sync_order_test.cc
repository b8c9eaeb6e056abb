// Goal: a crash of the machine at any time leaves a snapshot whole or leaves the one before it.
// Method: the calls that a disk keeps by, in their order; what a disk forgets without them no test
// on a running machine can see. And a disk in memory, to which they are done, and which crashes after
// each of them.

#include <algorithm>
#include <cstddef>
#include <string>

#include <gtest/gtest.h>

#include "common/snapshot/snapshot.h"
#include "tests/support/file_calls.h"
#include "tests/support/forgetful_disk.h"
#include "tests/unit/snapshot/test_run.h"

namespace cf::sync_order_test {
namespace {

using Kind = FileCall::Kind;

/// The place of the first such call from `from` on; all where there is none.
std::size_t Find(const std::vector<FileCall>& calls, Kind kind, const std::string& path,
                 std::size_t from = 0) {
  const std::string place = std::filesystem::weakly_canonical(path).string();
  for (std::size_t k = from; k < calls.size(); ++k) {
    if (calls[k].kind == kind && calls[k].path == place) return k;
  }
  return calls.size();
}

TEST(SyncOrder, ARowFileIsSyncedWholeAndThenItsFolder) {
  const TestFolder folder;
  SnapshotStore store = SnapshotStore::Open(folder.path()).value();
  const TestModel model(2);
  const FileCalls noted;
  const std::vector<FileEntry> files = model.WriteBase(folder.path(), {.generation = 1, .step = 5});
  const std::vector<FileCall> calls = noted.calls();
  for (const FileEntry& file : files) {
    const std::size_t synced = Find(calls, Kind::kSync, RowFilePath(folder.path(), file.file()));
    ASSERT_LT(synced, calls.size()) << file.file();
    EXPECT_EQ(calls[synced].bytes, file.bytes()) << "synced before its last byte";
    EXPECT_LT(Find(calls, Kind::kSync, RowsFolder(folder.path()), synced), calls.size());
  }
}

TEST(SyncOrder, AManifestIsPublishedAfterItsRowFilesAndForGood) {
  const TestFolder folder;
  SnapshotStore store = SnapshotStore::Open(folder.path()).value();
  const TestModel model(4);
  const SnapshotTime time = {.generation = 1, .step = 5};
  const FileCalls noted;
  const Manifest manifest = model.MakeManifest(time, {model.WriteBase(folder.path(), time)});
  ASSERT_TRUE(store.Commit(manifest).ok());
  EXPECT_EQ(WhyNotDurable(noted.calls(), store.PathOf(manifest.name())), "");
  // The link follows the manifest that it names.
  const std::vector<FileCall> calls = noted.calls();
  const auto renamed_to = [&](const std::string& name) {
    const std::string place = (std::filesystem::canonical(folder.path()) / name).string();
    return std::find_if(calls.begin(), calls.end(), [&](const FileCall& call) {
      return call.kind == Kind::kRename && call.to == place;
    });
  };
  ASSERT_NE(renamed_to("latest"), calls.end());
  EXPECT_LT(renamed_to(manifest.name()), renamed_to("latest"));
}

// After a power cut a manifest must not be back whose row files are gone.
TEST(SyncOrder, RowFilesAreRemovedWhenTheirManifestIsGoneForGood) {
  const TestFolder folder;
  SnapshotStore store = SnapshotStore::Open(folder.path()).value();
  const TestModel model(2);
  std::vector<Manifest> manifests;
  for (const std::uint64_t step : {5U, 6U, 7U}) {
    const SnapshotTime time = {.generation = 1, .step = step};
    manifests.push_back(model.MakeManifest(time, {model.WriteBase(folder.path(), time)}));
    ASSERT_TRUE(store.Commit(manifests.back()).ok());
  }
  const FileCalls noted;
  ASSERT_TRUE(store.Collect({.keep = 1, .generation = 1, .also_keep = {}}).ok());
  const std::vector<FileCall> calls = noted.calls();
  const std::size_t manifest = Find(calls, Kind::kRemove, store.PathOf(manifests.front().name()));
  ASSERT_LT(manifest, calls.size());
  const std::size_t synced = Find(calls, Kind::kSync, folder.path(), manifest);
  ASSERT_LT(synced, calls.size());
  for (const FileEntry& file : manifests.front().files()) {
    const std::string path = RowFilePath(folder.path(), file.file());
    EXPECT_EQ(Find(calls, Kind::kRemove, path), Find(calls, Kind::kRemove, path, synced));
    EXPECT_LT(Find(calls, Kind::kRemove, path), calls.size()) << file.file();
  }
}

/// A run's snapshots after a crash: the newest of `folder` is whole and is `older` or `newer`.
void CheckAfterCrash(const std::string& folder, const std::string& older,
                     const std::string& newer) {
  SnapshotStore store = SnapshotStore::Open(folder).value();
  const absl::StatusOr<std::optional<std::string>> newest = store.NewestName();
  ASSERT_TRUE(newest.ok()) << newest.status();
  const std::string name = newest->value_or("");
  EXPECT_TRUE(name == older || name == newer)
      << name << " is neither " << older << " nor " << newer;
  if (!name.empty()) {
    const absl::StatusOr<Snapshot> snapshot = Snapshot::Open(store.PathOf(name));
    ASSERT_TRUE(snapshot.ok()) << snapshot.status();
    EXPECT_TRUE(snapshot->Verify().ok()) << snapshot->Verify();
  }
  // Nor is there one without its row files.
  const SnapshotStore::Listing listing = store.List().value();
  EXPECT_TRUE(listing.damaged.empty());
  for (const Manifest& manifest : listing.snapshots) {
    EXPECT_TRUE(Snapshot::Open(store.PathOf(manifest.name())).ok()) << manifest.name();
  }
}

/// A job goes on from there.
void GoOn(const std::string& folder) {
  SnapshotStore store = SnapshotStore::Open(folder).value();
  const TestModel model(2);
  const SnapshotTime time = {.generation = 2, .step = 99};
  const Manifest next = model.MakeManifest(time, {model.WriteBase(folder, time)});
  const absl::Status committed = store.Commit(next);
  ASSERT_TRUE(committed.ok()) << committed;
  ASSERT_TRUE(store.Collect({.keep = 1, .generation = 2, .also_keep = {}}).ok());
  EXPECT_EQ(store.Latest()->name(), next.name());
}

// A base, what changed since, and another base, with what that lets go of.
TEST(SyncOrder, ACrashAfterAnyCallLeavesTheSnapshotBeforeOrTheNewOne) {
  const TestFolder folder;
  SnapshotStore store = SnapshotStore::Open(folder.path()).value();
  ForgetfulDisk disk(folder.path());
  const FileCalls noted;
  TestModel model(2);
  // What is committed, and by which call.
  std::vector<std::pair<std::size_t, std::string>> committed = {{0, ""}};
  std::vector<FileEntry> base;
  for (const std::uint64_t step : {5U, 6U, 7U}) {
    const SnapshotTime time = {.generation = 1, .step = step};
    std::vector<std::vector<FileEntry>> layers = {base};
    if (step == 6) {
      model.Touch(kUsers, RowId{3});
      const auto touched = [](TableId table, RowId id) {
        return table == kUsers && id == RowId{3};
      };
      layers.push_back(model.Write(folder.path(), time, DELTA, touched));
    } else {
      base = model.WriteBase(folder.path(), time);
      layers = {base};
    }
    Manifest manifest = model.MakeManifest(time, layers);
    manifest.set_best_snapshot(manifest.name());
    ASSERT_TRUE(store.Commit(manifest).ok());
    committed.emplace_back(noted.calls().size(), manifest.name());
    ASSERT_TRUE(store.Collect({.keep = 1, .generation = 1, .also_keep = {}}).ok());
  }
  const std::vector<FileCall> calls = noted.calls();
  ASSERT_GT(std::ranges::count(calls, Kind::kRemove, &FileCall::kind), 0)
      << "nothing was let go of";
  std::size_t last = 0;  // The last that was committed before the crash.
  for (std::size_t k = 0; k <= calls.size(); ++k) {
    if (k > 0) disk.Do(calls[k - 1]);
    while (last + 1 < committed.size() && committed[last + 1].first <= k) ++last;
    const std::string& older = committed[last].second;
    const std::string& newer = committed[std::min(last + 1, committed.size() - 1)].second;
    for (const auto& [loss, draw] : {std::pair(DiskLoss::kAll, 0U),
                                     {DiskLoss::kContents, 0U},
                                     {DiskLoss::kSome, 1U},
                                     {DiskLoss::kSome, 2U}}) {
      SCOPED_TRACE("after call " + std::to_string(k) + " of " + std::to_string(calls.size()) +
                   ", loss " + std::to_string(static_cast<int>(loss)) + ", draw " +
                   std::to_string(draw));
      const std::string crashed = folder.run() + "/crashed";
      disk.CrashInto(crashed, loss, draw + k);
      CheckAfterCrash(crashed, older, newer);
      if (k % 4 == 0) GoOn(crashed);  // Seldom, as it waits for the real disk.
      std::filesystem::remove_all(crashed);
    }
  }
}

// Were the manifest not synced before its rename, the test above would find it empty.
TEST(ForgetfulDisk, LosesWhatWasNotSynced) {
  const TestFolder folder;
  std::filesystem::create_directories(folder.path());
  ForgetfulDisk disk(folder.path());
  const std::string root = std::filesystem::canonical(folder.path()).string();
  const auto left = [&](DiskLoss loss) {
    const std::string crashed = folder.run() + "/crashed";
    disk.CrashInto(crashed, loss);
    std::string files;
    for (const auto& entry : std::filesystem::directory_iterator(crashed)) {
      files += entry.path().filename().string() + " " + std::to_string(entry.file_size()) + "; ";
    }
    std::filesystem::remove_all(crashed);
    return files;
  };
  disk.Do({.kind = Kind::kCreate, .path = root + "/a.tmp", .to = {}});
  disk.Do({.kind = Kind::kRename, .path = root + "/a.tmp", .to = root + "/a"});
  EXPECT_EQ(left(DiskLoss::kAll), "");
  EXPECT_EQ(left(DiskLoss::kContents), "a 0; ");
  disk.Do({.kind = Kind::kSync, .path = root + "/a", .to = {}, .bytes = 3, .contents = "abc"});
  EXPECT_EQ(left(DiskLoss::kAll), "") << "its name was not kept";
  EXPECT_EQ(left(DiskLoss::kContents), "a 3; ");
  disk.Do({.kind = Kind::kSync, .path = root, .to = {}});
  EXPECT_EQ(left(DiskLoss::kAll), "a 3; ");
  disk.Do({.kind = Kind::kRemove, .path = root + "/a", .to = {}});
  EXPECT_EQ(left(DiskLoss::kAll), "a 3; ") << "the folder was not synced";
}

}  // namespace
}  // namespace cf::sync_order_test

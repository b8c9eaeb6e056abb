// Goal: a crash of the machine at any time leaves a snapshot whole or leaves the one before it.
// Method: the calls that a disk keeps by, in their order; what a disk forgets without them no test
// on a running machine can see.

#include <algorithm>
#include <cstddef>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/file_calls.h"
#include "tests/unit/snapshot/test_run.h"

namespace cf {
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

}  // namespace
}  // namespace cf

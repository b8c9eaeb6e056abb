#include "common/snapshot/snapshot.h"

#include <filesystem>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <vector>

#include <absl/cleanup/cleanup.h>
#include <absl/strings/str_format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <xxhash.h>

#include "common/base/files.h"
#include "tests/unit/snapshot/test_run.h"

namespace cf::snapshot_test {
namespace {

using testing::HasSubstr;

constexpr SnapshotTime kBaseTime{.generation = 1, .step = 10};
constexpr SnapshotTime kFirstDelta{.generation = 1, .step = 20};
constexpr SnapshotTime kSecondDelta{.generation = 2, .step = 30};

absl::Status Ignore(TableId, RowId, std::span<const float>) {
  return absl::OkStatus();
}

void CommitLayers(SnapshotStore& store, const TestModel& model, SnapshotTime time,
                  const std::vector<std::vector<FileEntry>>& layers) {
  const absl::Status committed = store.Commit(model.MakeManifest(time, layers));
  ASSERT_TRUE(committed.ok()) << committed;
}

/// Every row of every partition is the model's, in order, and there is none besides.
void ExpectHolds(const Snapshot& snapshot, const TestModel& model) {
  for (std::uint32_t p = 0; p < model.partitioning().count(); ++p) {
    std::vector<std::pair<TableId, RowId>> expected;
    model.ForRows(PartitionId{p}, [&](TableId t, RowId id) { expected.emplace_back(t, id); });
    std::size_t next = 0;
    const absl::Status read = snapshot.ReadPartition(
        PartitionId{p}, [&](TableId table, RowId id, std::span<const float> record) {
          EXPECT_LT(next, expected.size());
          EXPECT_EQ(expected[next++], std::pair(table, id));
          const std::vector<float> truth = model.Record(table, id);
          EXPECT_EQ(std::vector<float>(record.begin(), record.end()), truth);
          return absl::OkStatus();
        });
    EXPECT_TRUE(read.ok()) << read;
    EXPECT_EQ(next, expected.size());
  }
}

/// The digest as docs/snapshot_format.md defines it, from the model and in one go.
std::string DigestOf(const TestModel& model) {
  std::string bytes;
  const auto append = [&bytes](const void* data, std::size_t size) {
    bytes.append(static_cast<const char*>(data), size);
  };
  for (std::uint32_t t = 0; t < model.tables().size(); ++t) {
    for (std::uint32_t id = 0; id < model.tables()[t].rows(); ++id) {
      append(&t, sizeof t);
      append(&id, sizeof id);
      const std::vector<float> record = model.Record(TableId{t}, RowId{id});
      append(record.data(), record.size() * sizeof(float));
    }
  }
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return absl::StrFormat("%016x%016x", hash.high64, hash.low64);
}

/// Touches every `every`-th row and writes those as a delta.
std::vector<FileEntry> TouchAndWriteDelta(TestModel& model, const std::string& folder,
                                          SnapshotTime time, std::uint32_t every) {
  const auto chosen = [every](TableId, RowId id) { return Index(id) % every == 1; };
  for (std::uint32_t p = 0; p < model.partitioning().count(); ++p) {
    model.ForRows(PartitionId{p}, [&](TableId table, RowId id) {
      if (chosen(table, id)) model.Touch(table, id);
    });
  }
  return model.Write(folder, time, DELTA, chosen);
}

// Goal: some rows of a partition come as the whole would have them, however far they are apart.
TEST(Snapshot, SomeRowsComeBackOfBaseAndDelta) {
  const TestFolder folder;
  absl::StatusOr<SnapshotStore> store = SnapshotStore::Open(folder.path());
  ASSERT_TRUE(store.ok()) << store.status();
  TestModel model(2, 3001, 900);
  const auto base = model.WriteBase(folder.path(), kBaseTime);
  const auto delta = TouchAndWriteDelta(model, folder.path(), kFirstDelta, 7);
  CommitLayers(*store, model, kFirstDelta, {base, delta});
  const Snapshot snapshot = Snapshot::Open(store->PathOf(SnapshotName(kFirstDelta))).value();
  for (const std::uint32_t every : {1U, 2U, 63U, 64U, 65U, 400U, 1'000'000U}) {
    for (std::uint32_t p = 0; p < 2; ++p) {
      std::vector<std::vector<std::uint64_t>> wanted(2, std::vector<std::uint64_t>(24));
      std::vector<std::pair<TableId, RowId>> expected;
      std::uint32_t number = 0;
      model.ForRows(PartitionId{p}, [&](TableId table, RowId id) {
        if (++number % every != 0) return;
        expected.emplace_back(table, id);
        const std::uint32_t slot = model.partitioning().SlotOf(id);
        wanted[Index(table)][slot / 64] |= std::uint64_t{1} << (slot % 64);
      });
      std::vector<std::pair<TableId, RowId>> read;
      const absl::Status done = snapshot.ReadRows(
          PartitionId{p}, wanted, [&](TableId table, RowId id, std::span<const float> record) {
            read.emplace_back(table, id);
            EXPECT_EQ(std::vector<float>(record.begin(), record.end()), model.Record(table, id));
            return absl::OkStatus();
          });
      EXPECT_TRUE(done.ok()) << done;
      EXPECT_EQ(read, expected) << every;
    }
  }
}

TEST(Snapshot, BaseAndTwoDeltasComeBack) {
  const TestFolder folder;
  absl::StatusOr<SnapshotStore> store = SnapshotStore::Open(folder.path());
  ASSERT_TRUE(store.ok()) << store.status();
  TestModel model(4);
  const TestModel at_base = model;
  const auto base = model.WriteBase(folder.path(), kBaseTime);
  CommitLayers(*store, model, kBaseTime, {base});
  const auto first = TouchAndWriteDelta(model, folder.path(), kFirstDelta, 3);
  const TestModel at_first = model;
  CommitLayers(*store, model, kFirstDelta, {base, first});
  const auto second = TouchAndWriteDelta(model, folder.path(), kSecondDelta, 2);
  CommitLayers(*store, model, kSecondDelta, {base, first, second});

  // Every one of the three still holds what it held.
  const std::vector<std::pair<SnapshotTime, const TestModel*>> expected = {
      {kBaseTime, &at_base}, {kFirstDelta, &at_first}, {kSecondDelta, &model}};
  for (const auto& [time, truth] : expected) {
    absl::StatusOr<Snapshot> snapshot = Snapshot::Open(store->PathOf(SnapshotName(time)));
    ASSERT_TRUE(snapshot.ok()) << snapshot.status();
    ExpectHolds(*snapshot, *truth);
    EXPECT_TRUE(snapshot->Verify().ok()) << snapshot->Verify();
    EXPECT_EQ(snapshot->Digest().value(), DigestOf(*truth));
  }
  EXPECT_NE(DigestOf(at_first), DigestOf(model));
}

TEST(Snapshot, DigestDependsOnRowsAloneAndIsGolden) {
  std::vector<std::string> digests;
  for (const std::uint32_t partitions : {1U, 4U, 16U}) {
    for (const bool with_deltas : {false, true}) {
      const TestFolder folder;
      absl::StatusOr<SnapshotStore> store = SnapshotStore::Open(folder.path());
      ASSERT_TRUE(store.ok()) << store.status();
      TestModel model(partitions);
      std::vector<std::vector<FileEntry>> layers = {model.WriteBase(folder.path(), kBaseTime)};
      layers.push_back(TouchAndWriteDelta(model, folder.path(), kFirstDelta, 2));
      if (!with_deltas) layers = {model.WriteBase(folder.path(), kSecondDelta)};
      CommitLayers(*store, model, kSecondDelta, layers);
      absl::StatusOr<Snapshot> snapshot = Snapshot::Open(folder.path() + "/latest");
      ASSERT_TRUE(snapshot.ok()) << snapshot.status();
      digests.push_back(snapshot->Digest().value());
    }
  }
  EXPECT_THAT(digests, testing::Each(std::string("1659bab04feddcebde3beaf4d90740cb")));
}

TEST(Snapshot, ReadsAllRowsInOrderOfTheirIds) {
  const TestFolder folder;
  absl::StatusOr<SnapshotStore> store = SnapshotStore::Open(folder.path());
  const TestModel model(8);
  CommitLayers(*store, model, kBaseTime, {model.WriteBase(folder.path(), kBaseTime)});
  absl::StatusOr<Snapshot> snapshot = Snapshot::Open(folder.path() + "/latest");
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  std::vector<std::uint32_t> ids;
  ASSERT_TRUE(snapshot
                  ->ReadAll([&ids](TableId, RowId id, std::span<const float>) {
                    ids.push_back(static_cast<std::uint32_t>(id));
                    return absl::OkStatus();
                  })
                  .ok());
  ASSERT_EQ(ids.size(), 37U + 21U);
  for (std::uint32_t k = 0; k < ids.size(); ++k) EXPECT_EQ(ids[k], k < 37 ? k : k - 37);
}

// Goal: long chains of many partitions are read where a process may have few files open at first.
TEST(Snapshot, ReadsMoreFilesThanAProcessHasByItself) {
  const TestFolder folder;
  SnapshotStore store = SnapshotStore::Open(folder.path()).value();
  TestModel model(8);
  std::vector<std::vector<FileEntry>> layers = {
      model.WriteBase(folder.path(), {.generation = 1, .step = 1})};
  const auto touched = [](TableId table, RowId id) {
    return table == TableId{0} && Index(id) < 16;
  };
  for (std::uint64_t step = 2; step < 12; ++step) {
    layers.push_back(model.Write(folder.path(), {.generation = 1, .step = step}, DELTA, touched));
  }
  const Manifest manifest = model.MakeManifest({.generation = 1, .step = 11}, layers);
  ASSERT_TRUE(store.Commit(manifest).ok());
  const Snapshot snapshot = Snapshot::Open(store.PathOf(manifest.name())).value();
  const std::string digest = snapshot.Digest().value();
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few = {.rlim_cur = 64, .rlim_max = before.rlim_max};
  ASSERT_GT(manifest.files_size(), 80);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  const absl::Cleanup restore = [&before] { ::setrlimit(RLIMIT_NOFILE, &before); };
  EXPECT_EQ(snapshot.Digest().value_or("too many files"), digest);
}

TEST(Snapshot, AVisitorsErrorEndsTheReading) {
  const TestFolder folder;
  absl::StatusOr<SnapshotStore> store = SnapshotStore::Open(folder.path());
  const TestModel model(1);
  CommitLayers(*store, model, kBaseTime, {model.WriteBase(folder.path(), kBaseTime)});
  absl::StatusOr<Snapshot> snapshot = Snapshot::Open(folder.path() + "/latest");
  int calls = 0;
  const RowVisitor stop = [&calls](TableId, RowId, std::span<const float>) {
    return ++calls == 3 ? absl::CancelledError("enough") : absl::OkStatus();
  };
  EXPECT_EQ(snapshot->ReadPartition(PartitionId{0}, stop), absl::CancelledError("enough"));
  EXPECT_EQ(calls, 3);
}

TEST(Snapshot, AMovedRunStillOpens) {
  const TestFolder folder;
  const TestModel model(2);
  {
    absl::StatusOr<SnapshotStore> store = SnapshotStore::Open(folder.path());
    Manifest manifest = model.MakeManifest(kBaseTime, {model.WriteBase(folder.path(), kBaseTime)});
    manifest.set_best_snapshot(manifest.name());
    ASSERT_TRUE(store->Commit(manifest).ok());
  }
  const std::string moved = folder.run() + "_moved";
  std::filesystem::remove_all(moved);
  std::filesystem::rename(folder.run(), moved);
  for (const std::string& name :
       {std::string("latest"), std::string("best"), SnapshotName(kBaseTime)}) {
    absl::StatusOr<Snapshot> snapshot = Snapshot::Open(moved + "/snapshots/" + name);
    ASSERT_TRUE(snapshot.ok()) << snapshot.status();
    EXPECT_TRUE(snapshot->Verify().ok()) << snapshot->Verify();
    // The links themselves lead there too, for other programs.
    EXPECT_TRUE(std::filesystem::exists(moved + "/snapshots/" + name));
  }
  std::filesystem::remove_all(moved);
}

TEST(Snapshot, OpenNamesWhatItCannotOpen) {
  const TestFolder folder;
  absl::StatusOr<SnapshotStore> store = SnapshotStore::Open(folder.path());
  EXPECT_THAT(Snapshot::Open(folder.path()).status().ToString(), HasSubstr("a folder; expected"));
  EXPECT_EQ(Snapshot::Open(folder.path() + "/nothing").status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_THAT(Snapshot::Open(folder.path() + "/latest").status().ToString(),
              HasSubstr("no snapshot yet"));
  const TestModel model(2);
  CommitLayers(*store, model, kBaseTime, {model.WriteBase(folder.path(), kBaseTime)});
  EXPECT_THAT(Snapshot::Open(folder.path() + "/best").status().ToString(),
              HasSubstr("no best snapshot yet"));
  EXPECT_EQ(Snapshot::Open(folder.run() + "/no_such/latest").status().code(),
            absl::StatusCode::kNotFound);
}

/// A committed snapshot whose files a test then spoils.
class DamagedSnapshot : public testing::Test {
 protected:
  void SetUp() override {
    store_.emplace(SnapshotStore::Open(folder_.path()).value());
    base_ = model_.WriteBase(folder_.path(), kBaseTime);
    CommitLayers(*store_, model_, kBaseTime, {base_});
    delta_ = TouchAndWriteDelta(model_, folder_.path(), kFirstDelta, 2);
    CommitLayers(*store_, model_, kFirstDelta, {base_, delta_});
    victim_ = RowFilePath(folder_.path(), delta_[1].file());
  }

  absl::StatusOr<Snapshot> OpenLatest() const { return Snapshot::Open(folder_.path() + "/latest"); }

  /// The message is one line that names the file, and the store is not disturbed.
  void ExpectNamesVictim(const absl::Status& status) const {
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(status.message()), HasSubstr(delta_[1].file()));
    EXPECT_EQ(status.message().find('\n'), std::string::npos) << status;
    const absl::StatusOr<SnapshotStore::Listing> listing = store_->List();
    ASSERT_TRUE(listing.ok());
    EXPECT_EQ(listing->snapshots.size(), 2U);
    EXPECT_EQ(store_->Latest()->name(), SnapshotName(kFirstDelta));
    absl::StatusOr<Snapshot> older = Snapshot::Open(store_->PathOf(SnapshotName(kBaseTime)));
    ASSERT_TRUE(older.ok());
    EXPECT_TRUE(older->Verify().ok());
  }

  TestFolder folder_;
  TestModel model_{4};
  std::optional<SnapshotStore> store_;
  std::vector<FileEntry> base_;
  std::vector<FileEntry> delta_;
  std::string victim_;
};

TEST_F(DamagedSnapshot, MissingFile) {
  absl::StatusOr<Snapshot> opened_before = OpenLatest();
  std::filesystem::remove(victim_);
  ExpectNamesVictim(OpenLatest().status());
  ExpectNamesVictim(opened_before->Verify());
  ExpectNamesVictim(opened_before->ReadPartition(PartitionId{1}, Ignore));
}

TEST_F(DamagedSnapshot, TruncatedFile) {
  absl::StatusOr<Snapshot> opened_before = OpenLatest();
  std::filesystem::resize_file(victim_, delta_[1].bytes() / 2);
  ExpectNamesVictim(OpenLatest().status());
  ExpectNamesVictim(opened_before->Verify());
  ExpectNamesVictim(opened_before->ReadPartition(PartitionId{1}, Ignore));
}

TEST_F(DamagedSnapshot, AnyFlippedBit) {
  for (std::size_t at = 0; at < delta_[1].bytes(); at += 41) {
    FlipBit(victim_, at);
    absl::StatusOr<Snapshot> snapshot = OpenLatest();
    ASSERT_TRUE(snapshot.ok()) << "Open does not read the rows";
    ExpectNamesVictim(snapshot->Verify());
    FlipBit(victim_, at);
  }
  EXPECT_TRUE(OpenLatest()->Verify().ok());
}

TEST_F(DamagedSnapshot, FlippedBitInARowIsNoticedByReading) {
  FlipBit(victim_, 20);
  absl::StatusOr<Snapshot> snapshot = OpenLatest();
  ExpectNamesVictim(snapshot->ReadPartition(PartitionId{1}, Ignore));
  ExpectNamesVictim(snapshot->Digest().status());
  EXPECT_TRUE(snapshot->ReadPartition(PartitionId{0}, Ignore).ok());
}

// RocksDB stops the process where the footer says that blocks have no checksums, and where the
// properties before it end in other bytes.
TEST_F(DamagedSnapshot, AnEndOfAnyBytesIsNoticedByReading) {
  const std::string whole = *ReadFile(victim_);
  const absl::StatusOr<Snapshot> snapshot = OpenLatest();
  constexpr std::size_t kFooterAndMore = 53 + 300;
  for (std::size_t at = whole.size() - kFooterAndMore; at < whole.size(); ++at) {
    for (const int value : {0, 0x80, 0xFF}) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(value);
      if (damaged == whole) continue;
      ASSERT_TRUE(ReplaceFile(victim_, damaged).ok());
      const absl::Status read = snapshot->ReadPartition(PartitionId{1}, Ignore);
      EXPECT_EQ(read.code(), absl::StatusCode::kDataLoss);
      EXPECT_THAT(std::string(read.message()), HasSubstr(delta_[1].file()));
    }
  }
}

/// Writes one partition's base by hand and tells what reading says to it.
std::string ReadErrorOf(const TestFolder& folder,
                        const std::function<void(PartitionWriter&, const TestModel&)>& write) {
  absl::StatusOr<SnapshotStore> store = SnapshotStore::Open(folder.path());
  const TestModel model(1, 5, 3);
  absl::StatusOr<PartitionWriter> writer = PartitionWriter::Create(
      folder.path(), {.time = kBaseTime, .partition = PartitionId{0}, .kind = BASE});
  write(*writer, model);
  FileEntry entry = writer->Finish().value();
  entry.set_rows(8);  // What the manifest of a sound snapshot would say.
  EXPECT_TRUE(store->Commit(model.MakeManifest(kBaseTime, {{entry}})).ok());
  absl::StatusOr<Snapshot> snapshot = Snapshot::Open(folder.path() + "/latest");
  const absl::Status verified = snapshot->Verify();
  EXPECT_EQ(snapshot->ReadPartition(PartitionId{0}, Ignore), verified);
  EXPECT_EQ(snapshot->Digest().status(), verified);
  return std::string(verified.message());
}

TEST(Snapshot, AMissingRowIsNamed) {
  const TestFolder folder;
  EXPECT_EQ(ReadErrorOf(folder,
                        [](PartitionWriter& writer, const TestModel& model) {
                          model.ForRows(PartitionId{0}, [&](TableId table, RowId id) {
                            if (table == kItems && id == RowId{1}) return;
                            ASSERT_TRUE(writer.Add(table, id, model.Record(table, id)).ok());
                          });
                        }),
            "table 1, id 1: the row is missing");
}

TEST(Snapshot, AnUnexpectedRowIsNamed) {
  const TestFolder folder;
  EXPECT_THAT(ReadErrorOf(folder,
                          [](PartitionWriter& writer, const TestModel& model) {
                            model.ForRows(PartitionId{0}, [&](TableId table, RowId id) {
                              ASSERT_TRUE(writer.Add(table, id, model.Record(table, id)).ok());
                            });
                            ASSERT_TRUE(writer.Add(kItems, RowId{3}, std::vector<float>(8)).ok());
                          }),
              HasSubstr("table 1, id 3 does not belong to its partition"));
}

TEST(Snapshot, ARowOfTheWrongLengthIsNamed) {
  const TestFolder folder;
  EXPECT_THAT(ReadErrorOf(folder,
                          [](PartitionWriter& writer, const TestModel& model) {
                            model.ForRows(PartitionId{0}, [&](TableId table, RowId id) {
                              std::vector<float> record = model.Record(table, id);
                              if (id == RowId{4}) record.pop_back();
                              ASSERT_TRUE(writer.Add(table, id, record).ok());
                            });
                          }),
              HasSubstr("table 0, id 4 has 68 bytes, not 72"));
}

TEST(FirstDifference, FindsTheFirstFloatAcrossDifferentCuts) {
  const TestFolder folder;
  std::vector<Snapshot> snapshots;
  TestModel model(4);
  for (const std::uint64_t step : {1U, 2U}) {
    const std::string path = folder.path() + std::to_string(step);
    absl::StatusOr<SnapshotStore> store = SnapshotStore::Open(path);
    const SnapshotTime time{.generation = 1, .step = step};
    CommitLayers(*store, model, time, {model.WriteBase(path, time)});
    snapshots.push_back(Snapshot::Open(path + "/latest").value());
  }
  EXPECT_EQ(FirstDifference(snapshots[0], snapshots[1]).value(), std::nullopt);

  TestModel other(2);
  other.Touch(kUsers, RowId{7});
  other.Touch(kItems, RowId{0});
  const std::string path = folder.path() + "3";
  absl::StatusOr<SnapshotStore> store = SnapshotStore::Open(path);
  CommitLayers(*store, other, kBaseTime, {other.WriteBase(path, kBaseTime)});
  const Snapshot changed = Snapshot::Open(path + "/latest").value();
  const std::optional<std::string> difference = FirstDifference(snapshots[0], changed).value();
  ASSERT_TRUE(difference.has_value());
  EXPECT_THAT(*difference, testing::StartsWith("table users, id 7, float 0 of 18: "));

  const TestModel larger(2, 38);
  const std::string larger_path = folder.path() + "4";
  store = SnapshotStore::Open(larger_path);
  CommitLayers(*store, larger, kBaseTime, {larger.WriteBase(larger_path, kBaseTime)});
  const Snapshot grown = Snapshot::Open(larger_path + "/latest").value();
  EXPECT_EQ(FirstDifference(changed, grown).value(),
            "table users (37 rows, dim 5, biases, 2 optimizer moments) and "
            "users (38 rows, dim 5, biases, 2 optimizer moments)");
}

// docs/snapshot_format.md shows these bytes. Between them RocksDB has 8 of its own: no sequence
// number, and that it is a value.
TEST(PartitionWriter, GoldenBytes) {
  const TestFolder folder;
  ASSERT_TRUE(SnapshotStore::Open(folder.path()).ok());
  absl::StatusOr<PartitionWriter> writer = PartitionWriter::Create(
      folder.path(), {.time = kBaseTime, .partition = PartitionId{0}, .kind = BASE});
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE(writer->Add(kItems, RowId{258}, std::vector<float>{1, -2, 0.5F}).ok());
  const FileEntry entry = writer->Finish().value();
  EXPECT_EQ(entry.file(), "g000001-s000000000010-p00000-base.sst");
  const std::string contents = ReadFile(RowFilePath(folder.path(), entry.file())).value();
  const std::string_view golden(
      "\x00\x00\x00\x01\x00\x00\x01\x02"
      "\x01\x00\x00\x00\x00\x00\x00\x00"
      "\x00\x00\x80\x3f\x00\x00\x00\xc0\x00\x00\x00\x3f",
      28);
  EXPECT_NE(contents.find(golden), std::string::npos);
}

TEST(PartitionWriter, NeverOpensAFileThatExists) {
  const TestFolder folder;
  ASSERT_TRUE(SnapshotStore::Open(folder.path()).ok());
  const TestModel model(1);
  const FileEntry entry = model.WriteBase(folder.path(), kBaseTime)[0];
  const RowFileId id{.time = kBaseTime, .partition = PartitionId{0}, .kind = BASE};
  EXPECT_EQ(PartitionWriter::Create(folder.path(), id).status().code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(std::filesystem::file_size(RowFilePath(folder.path(), entry.file())), entry.bytes());
}

TEST(PartitionWriter, LeavesNoFileWithoutFinishOrRows) {
  const TestFolder folder;
  ASSERT_TRUE(SnapshotStore::Open(folder.path()).ok());
  const RowFileId id{.time = kBaseTime, .partition = PartitionId{0}, .kind = DELTA};
  {
    absl::StatusOr<PartitionWriter> writer = PartitionWriter::Create(folder.path(), id);
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE(writer->Add(kUsers, RowId{0}, std::vector<float>(18)).ok());
  }
  EXPECT_TRUE(std::filesystem::is_empty(RowsFolder(folder.path())));
  {
    absl::StatusOr<PartitionWriter> writer = PartitionWriter::Create(folder.path(), id);
    ASSERT_TRUE(writer.ok());
    const absl::StatusOr<FileEntry> entry = writer->Finish();
    ASSERT_TRUE(entry.ok());
    EXPECT_EQ(entry->rows(), 0U);
    EXPECT_EQ(entry->file(), "");
  }
  EXPECT_TRUE(std::filesystem::is_empty(RowsFolder(folder.path())));
}

TEST(PartitionWriter, ErrorsNameTheFile) {
  const TestFolder folder;
  const RowFileId id{.time = kBaseTime, .partition = PartitionId{0}, .kind = DELTA};
  const absl::Status status = PartitionWriter::Create(folder.path(), id).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr(RowFileName(id)));
}

TEST(PartitionWriterDeathTest, RowsAscend) {
  const TestFolder folder;
  ASSERT_TRUE(SnapshotStore::Open(folder.path()).ok());
  const RowFileId id{.time = kBaseTime, .partition = PartitionId{0}, .kind = DELTA};
  absl::StatusOr<PartitionWriter> writer = PartitionWriter::Create(folder.path(), id);
  ASSERT_TRUE(writer->Add(kItems, RowId{2}, std::vector<float>(8)).ok());
  EXPECT_DEATH((void)writer->Add(kUsers, RowId{9}, std::vector<float>(18)), "ascending");
}

}  // namespace
}  // namespace cf::snapshot_test

// cfsnapshot info, diff and prune as a user calls them.

#include <algorithm>
#include <filesystem>
#include <string>

#include <gmock/gmock.h>

#include "common/config/config.h"
#include "common/snapshot/snapshot.h"
#include "common/text/csv.h"
#include "run/run_folder.h"
#include "tests/cluster/cfsnapshot_fixture.h"

namespace cf::cfsnapshot_inspect_test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class InspectTest : public CfsnapshotTest {
 protected:
  /// A snapshot of the same model at another step; `best` is its own or the older one's name.
  void AddSnapshot(std::uint64_t step, const std::string& best = "g000001-s000000000100.manifest") {
    SnapshotStore store = SnapshotStore::Open(Folder()).value();
    const SnapshotTime time = {.generation = 1, .step = step};
    Manifest manifest = store.List()->snapshots.front();
    manifest.set_name(SnapshotName(time));
    manifest.mutable_position()->set_step(step);
    manifest.set_best_snapshot(best);
    manifest.clear_files();
    const Partitioning partitioning(manifest.partitions());
    for (std::uint32_t p = 0; p < manifest.partitions(); ++p) {
      PartitionWriter writer =
          PartitionWriter::Create(Folder(),
                                  {.time = time, .partition = PartitionId{p}, .kind = BASE})
              .value();
      for (std::uint32_t t = 0; t < 2; ++t) {
        const std::uint32_t rows = manifest.tables(static_cast<int>(t)).rows();
        for (std::uint32_t s = 0; s < partitioning.RowsIn(PartitionId{p}, rows); ++s) {
          const RowId id = partitioning.IdAt(PartitionId{p}, s);
          std::vector<float> record = TestRecord(TableId{t}, id, 10);
          if (TableId{t} == kItems && id == RowId{5}) record[0] += static_cast<float>(step);
          EXPECT_TRUE(writer.Add(TableId{t}, id, record).ok());
        }
      }
      *manifest.add_files() = writer.Finish().value();
    }
    const absl::Status committed = store.Commit(manifest);
    EXPECT_TRUE(committed.ok()) << committed;
  }

  std::string Folder() const { return folder_.At("run") + "/snapshots"; }
  std::string At(const std::string& step) const {
    return Folder() + "/g000001-s000000000" + step + ".manifest";
  }
  std::size_t Manifests() const { return SnapshotStore::View(Folder())->List()->snapshots.size(); }
  /// The value of a line of `cfsnapshot info --format csv`.
  static std::string Fact(const std::string& csv, const std::string& name) {
    const std::size_t line = csv.find("\n" + name + ",");
    if (line == std::string::npos) return "no " + name;
    const std::size_t value = line + name.size() + 2;
    return csv.substr(value, csv.find('\n', value) - value);
  }
};

TEST_F(InspectTest, InfoTellsPositionSizesFiguresAndConfiguration) {
  const std::string info = Call("info " + best_ + " --format csv").out;
  EXPECT_EQ(Fact(info, "snapshot"), "g000001-s000000000100.manifest");
  EXPECT_EQ(Fact(info, "position.step"), "100");
  EXPECT_EQ(Fact(info, "data.name"), "toy");
  EXPECT_EQ(Fact(info, "tables.users.rows"), "60");
  EXPECT_EQ(Fact(info, "tables.users.row_bytes"), "132");
  EXPECT_EQ(Fact(info, "tables.items.bytes"), "12600");
  EXPECT_EQ(Fact(info, "files.base.count"), "4");
  EXPECT_EQ(Fact(info, "files.base.rows"), "150");
  EXPECT_EQ(Fact(info, "files.deltas.count"), "0");
  EXPECT_EQ(Fact(info, "files.shared_with_others.bytes"), "0");
  EXPECT_EQ(Fact(info, "last.val_rmse"), "0.875");
  EXPECT_EQ(Fact(info, "job.model"), "matrix_factorization");
  EXPECT_EQ(Fact(info, "job.train.partitions"), "4");
  EXPECT_THAT(info, Not(HasSubstr("run_job.")));
  std::uint64_t bytes = 0;
  for (const auto& file : std::filesystem::directory_iterator(Folder() + "/rows")) {
    bytes += file.file_size();
  }
  EXPECT_EQ(Fact(info, "files.bytes"), std::to_string(bytes));
  EXPECT_THAT(Call("info " + best_).out, HasSubstr("12,600"));
}

TEST_F(InspectTest, InfoTellsWhereTheRunsJobHasChanged) {
  Job job = Snapshot::Open(best_)->manifest().job();
  job.mutable_train()->set_epochs(77);
  ASSERT_TRUE(WriteFileAtomically(folder_.At("run") + "/job.textproto", PrintJob(job)).ok());
  EXPECT_EQ(Fact(Call("info " + best_ + " --format csv").out, "run_job.train.epochs"), "77");
}

TEST_F(InspectTest, DiffNamesTheRowThatChanged) {
  AddSnapshot(200);
  const std::string pair = "diff " + At("100") + " " + At("200");
  const Result text = Call(pair);
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, AllOf(HasSubstr("a: g000001-s000000000100.manifest (epoch 1, step 100)"),
                              HasSubstr("The largest changes of weights:")));
  EXPECT_THAT(Call(pair + " --format csv").out,
              AllOf(StartsWith("table,part,changed,rows,norm_difference,norm_a,norm_b\n"
                               "users,record,0,60,"),
                    HasSubstr("items,record,1,90,"), HasSubstr("items,weights,1,90,200.0"),
                    HasSubstr("items,moment_2,0,90,0,")));
  const std::string raw_id = data_->item_raw_id(RowId{5});
  EXPECT_THAT(Call(pair + " --top 3 --format csv").out,
              HasSubstr("items,5," + raw_id + "," + CsvField(data_->title(RowId{5})) + ",200.0"));
}

TEST_F(InspectTest, DiffDoesWithoutTheDataSet) {
  AddSnapshot(200);
  std::filesystem::rename(folder_.At("data"), folder_.At("moved"));
  const std::string pair = "diff " + At("100") + " " + At("200") + " --top 1 --format csv";
  const Result without = Call(pair);
  EXPECT_EQ(without.code, 0) << without.err;
  EXPECT_THAT(without.out, HasSubstr("items,5,,,200.0"));
  EXPECT_THAT(without.err, HasSubstr("--data DIR"));
  EXPECT_EQ(Call(pair + " --data " + folder_.At("moved")).err, "");
  EXPECT_EQ(Call(pair + " --data " + folder_.At("nowhere")).code, 2);
}

TEST_F(InspectTest, DiffRefusesOtherShapesInALine) {
  const std::string other = WriteTestSnapshot(folder_.At("other"), *data_, {.dim = 11});
  const Result refused = Call("diff " + best_ + " " + other);
  EXPECT_EQ(refused.code, 2);
  EXPECT_EQ(refused.out, "");
  EXPECT_THAT(refused.err, HasSubstr("the snapshots have different shapes: table users"));
  EXPECT_EQ(std::count(refused.err.begin(), refused.err.end(), '\n'), 1);
}

TEST_F(InspectTest, PruneKeepsTheNewestAndTheBest) {
  for (const std::uint64_t step : {200U, 300U, 400U}) AddSnapshot(step);
  const Result would = Call("prune " + folder_.At("run") + " --keep 1 --dry-run");
  EXPECT_EQ(would.code, 0) << would.err;
  EXPECT_THAT(would.out, AllOf(HasSubstr("would remove g000001-s000000000200.manifest\n"),
                               HasSubstr("would remove 2 of 4 snapshots and 8 files")));
  EXPECT_EQ(Manifests(), 4U);
  const Result pruned = Call("prune " + folder_.At("run") + " --keep 1");
  EXPECT_EQ(pruned.code, 0) << pruned.err;
  EXPECT_EQ(Manifests(), 2U);
  EXPECT_EQ(Call("verify " + best_).code, 0);
  EXPECT_EQ(Call("verify " + At("400")).code, 0);
  EXPECT_THAT(Call("prune " + Folder() + " --keep 1").out, HasSubstr("removed 0 of 2 snapshots"));
  EXPECT_EQ(Call("prune " + Folder() + " --keep 0").code, 2);
}

// The newest snapshots have lost a file: the one that can still be opened is worth most.
TEST_F(InspectTest, PruneNeverRemovesTheLastWholeOne) {
  AddSnapshot(200);
  AddSnapshot(300, "g000001-s000000000300.manifest");
  const SnapshotStore store = SnapshotStore::View(Folder()).value();
  std::filesystem::remove(RowFilePath(Folder(), store.Latest()->files(0).file()));
  const Result pruned = Call("prune " + folder_.At("run") + " --keep 1");
  EXPECT_EQ(pruned.code, 0) << pruned.err;
  EXPECT_THAT(pruned.err, HasSubstr("g000001-s000000000200.manifest stays"));
  EXPECT_EQ(Call("verify " + At("200")).code, 0);
  EXPECT_EQ(Manifests(), 3U) << "and the best of that one, which whoever goes on from it needs";
}

TEST_F(InspectTest, PruneIsRefusedWhileAJobIsAlive) {
  AddSnapshot(200, "g000001-s000000000200.manifest");
  RunFolder job = RunFolder::Create(folder_.At("run")).value();
  ASSERT_TRUE(job.ClaimGeneration().ok());
  for (const std::string& place : {folder_.At("run"), Folder()}) {
    for (const char* flag : {"", " --dry-run"}) {
      const Result refused = Call("prune " + place + " --keep 1" + flag);
      EXPECT_EQ(refused.code, 2) << place;
      EXPECT_THAT(refused.err, HasSubstr("is in use by process"));
    }
  }
  EXPECT_EQ(Manifests(), 2U);
}

TEST_F(InspectTest, PruneRemovesNothingWhereAManifestIsDamaged) {
  AddSnapshot(200, "g000001-s000000000200.manifest");
  ASSERT_TRUE(WriteFileAtomically(At("100"), "no manifest").ok());
  const Result refused = Call("prune " + folder_.At("run") + " --keep 1");
  EXPECT_NE(refused.code, 0);
  EXPECT_THAT(refused.err, HasSubstr("g000001-s000000000100.manifest"));
  EXPECT_EQ(Call("verify " + At("200")).code, 0);
}

}  // namespace
}  // namespace cf::cfsnapshot_inspect_test

#include "paramserver/shard.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/snapshot/snapshot_store.h"
#include "tests/unit/kernels/slow_kernels.h"
#include "tests/unit/paramserver/local_shards.h"

namespace cf {
namespace {

using slow::BitsOf;
using ::testing::Each;
using ::testing::HasSubstr;

constexpr std::uint32_t kPartitions = 8;
constexpr std::uint32_t kUserRows = 53;
constexpr std::uint32_t kItemRows = 19;
constexpr std::uint32_t kDim = 5;
constexpr std::size_t kWireFloats = 17;

std::vector<TableSpec> MakeTables(std::uint32_t slots = 2) {
  std::vector<TableSpec> tables = {MakeTable("users", kUserRows, kDim, slots),
                                   MakeTable("items", kItemRows, kDim, slots)};
  tables[1].biases.mutable_normal()->set_mean(0);
  tables[1].biases.mutable_normal()->set_deviation(0.05);
  return tables;
}

LocalShards::Options MakeOptions(const std::string& optimizer, std::uint32_t seats) {
  const Optimizer parsed = MakeOptimizer(optimizer);
  return {.partitions = kPartitions,
          .seats = seats,
          .tables = MakeTables(SlotsOf(parsed)),
          .optimizer = parsed};
}

/// The records of all rows, by table and id.
std::vector<float> AllRecords(LocalShards& shards) {
  std::vector<float> all;
  for (std::uint32_t t = 0; t < 2; ++t) {
    for (std::uint32_t id = 0; id < (t == 0 ? kUserRows : kItemRows); ++id) {
      const std::vector<float> record = shards.Record(TableId{t}, RowId{id});
      all.insert(all.end(), record.begin(), record.end());
    }
  }
  return all;
}

TEST(Shard, InitialValuesDoNotDependOnTheSeats) {
  LocalShards one(MakeOptions("adam {}", 1));
  one.Initialize();
  for (const std::uint32_t seats : {2U, 3U, 8U}) {
    LocalShards several(MakeOptions("adam {}", seats));
    several.Initialize();
    EXPECT_EQ(BitsOf(AllRecords(several)), BitsOf(AllRecords(one))) << seats;
  }
}

TEST(Shard, InitialValuesDependOnSeedTableAndId) {
  LocalShards::Options options = MakeOptions("adam {}", 1);
  LocalShards shards(options);
  shards.Initialize();
  options.seed = 43;
  LocalShards other(options);
  other.Initialize();
  const auto first = [](LocalShards& from, TableId table, std::uint32_t id) {
    return from.Record(table, RowId{id})[0];
  };
  EXPECT_NE(first(shards, kUsers, 3), first(other, kUsers, 3));
  EXPECT_NE(first(shards, kUsers, 3), first(shards, kItems, 3));
  EXPECT_NE(first(shards, kUsers, 3), first(shards, kUsers, 4));
}

// A data set that grows at its end must not change the rows that it had (uniform and normal values;
// he_normal's deviation follows the number of rows).
TEST(Shard, InitialValuesDoNotDependOnTheNumberOfRows) {
  LocalShards::Options options = MakeOptions("adam {}", 1);
  LocalShards shards(options);
  shards.Initialize();
  options.tables[0].shape.rows = 1000;
  LocalShards larger(options);
  larger.Initialize();
  for (std::uint32_t id = 0; id < kUserRows; ++id)
    EXPECT_EQ(shards.Record(kUsers, RowId{id}), larger.Record(kUsers, RowId{id}));
}

/// The record of a dense layer that starts as `kernel` and `bias` say.
std::vector<float> LayerRecord(const LayerShape& layer, const Initial& kernel,
                               const Initial& bias) {
  TableSpec table;
  table.shape = {.name = "dense_0",
                 .rows = 1,
                 .dim = static_cast<std::uint32_t>(layer.weights()),
                 .biases = false,
                 .slots = 0};
  table.layer = layer;
  table.vectors = kernel;
  table.biases = bias;
  LocalShards shards({.partitions = 2, .seats = 1, .tables = {table}});
  shards.Initialize();
  return shards.Record(TableId{0}, RowId{0});
}

// Goal: kernels start as Keras's Dense has them. Method: the limits of a uniform distribution, the
// variance of a cut normal one, for a layer that is far from square.
TEST(Shard, LayersStartWithTheirFans) {
  const LayerShape layer{.inputs = 400, .units = 25};
  const std::size_t count = std::size_t{400} * 25;
  Initial glorot;
  glorot.mutable_glorot_uniform();
  Initial he;
  he.mutable_he_normal();
  Initial zeros;
  zeros.mutable_zeros();

  const std::vector<float> uniform = LayerRecord(layer, glorot, zeros);
  ASSERT_EQ(uniform.size(), count + 25);
  const auto [least, most] =
      std::minmax_element(uniform.begin(), uniform.begin() + std::ptrdiff_t{count});
  const double limit = std::sqrt(6.0 / 425);
  EXPECT_NEAR(static_cast<double>(*least), -limit, 0.001 * limit);
  EXPECT_NEAR(static_cast<double>(*most), limit, 0.001 * limit);
  for (std::size_t u = 0; u < 25; ++u) EXPECT_EQ(uniform[count + u], 0.0F);

  const std::vector<float> normal = LayerRecord(layer, he, glorot);
  double squares = 0;
  for (std::size_t k = 0; k < count; ++k) {
    squares += static_cast<double>(normal[k]) * static_cast<double>(normal[k]);
  }
  EXPECT_NEAR(squares / static_cast<double>(count), 2.0 / 400, 0.05 * 2.0 / 400);
  for (std::size_t u = 0; u < 25; ++u) {
    EXPECT_LE(std::abs(static_cast<double>(normal[count + u])), std::sqrt(6.0 / 50)) << u;
    EXPECT_NE(normal[count + u], 0.0F) << u;
  }
}

TEST(Shard, InitialStateIsTheOptimizers) {
  LocalShards adagrad(MakeOptions("adagrad { initial_accumulator: 0.25 }", 1));
  adagrad.Initialize();
  const std::vector<float> record = adagrad.Record(kUsers, RowId{7});
  ASSERT_EQ(record.size(), 2U * (kDim + 1));
  EXPECT_THAT(std::span(record).subspan(kDim + 1), Each(0.25F));
  EXPECT_EQ(record[kDim], 0.0F) << "the bias is a weight";
  // The padding of a vector's accumulators is zero: its updates must not be.
  EXPECT_EQ(adagrad.Row(kUsers, RowId{7})[16 + 16 + kDim], 0.0F);

  LocalShards adam(MakeOptions("adam {}", 1));
  adam.Initialize();
  const std::vector<float> zeros = adam.Record(kUsers, RowId{7});
  EXPECT_THAT(std::span(zeros).subspan(kDim + 1), Each(0.0F));
}

// 0 / sqrt(0 + epsilon), and with epsilon 0 a NaN: padding must survive every optimizer.
TEST(Shard, PaddingStaysZero) {
  for (const char* optimizer : {"adam {}", "adagrad {}", "sgd {}"}) {
    LocalShards shards(MakeOptions(optimizer, 1));
    shards.Initialize();
    std::vector<float> gradient(kWireFloats, 0.0F);
    std::fill_n(gradient.begin(), kDim, 0.5F);
    for (std::uint64_t step = 0; step < 5; ++step) shards.Apply(kUsers, step, RowId{7}, gradient);
    EXPECT_THAT(std::span(shards.Row(kUsers, RowId{7}) + kDim, 16 - kDim), Each(0.0F)) << optimizer;
  }
}

TEST(Shard, ApplyOwnTouchesItsRowsAndNoOthers) {
  LocalShards shards(MakeOptions("adam {}", 2));
  shards.Initialize();
  const RowId touched{11};
  const OptimizerStep step = shards.rule().At(4, MakeTables()[0]);
  const RowLayout layout(MakeTables()[0].shape);
  std::vector<float> expected(layout.stride());
  layout.FromRecord(shards.Record(kUsers, touched).data(), expected.data());
  std::vector<float> gradient(kWireFloats, 0.25F);
  slow::UpdateRow(step, expected.data(), gradient.data());
  LocalShards untouched(MakeOptions("adam {}", 2));
  untouched.Initialize();

  shards.Apply(kUsers, 4, touched, gradient);
  std::vector<float> record(layout.record_floats());
  layout.ToRecord(expected.data(), record.data());
  EXPECT_EQ(BitsOf(shards.Record(kUsers, touched)), BitsOf(record));
  for (std::uint32_t id = 0; id < kUserRows; ++id) {
    if (RowId{id} == touched) continue;
    ASSERT_EQ(shards.Record(kUsers, RowId{id}), untouched.Record(kUsers, RowId{id}));
  }
}

TEST(Shard, CountsChangedRows) {
  LocalShards shards(MakeOptions("sgd {}", 1));
  Shard& shard = shards.shard();
  const Partitioning partitioning(kPartitions);
  shards.Initialize();
  std::uint64_t rows = 0;
  for (std::uint32_t p = 0; p < kPartitions; ++p) {
    EXPECT_EQ(shard.ChangedRows(PartitionId{p}), shard.Rows(PartitionId{p})) << "all are new";
    rows += shard.Rows(PartitionId{p});
  }
  EXPECT_EQ(rows, kUserRows + kItemRows);

  shard.MarkClean();
  const std::vector<float> gradient(kWireFloats);
  for (const std::uint32_t id : {11U, 11U, 27U}) shards.Apply(kUsers, 0, RowId{id}, gradient);
  shards.Apply(kItems, 0, RowId{11}, gradient);
  std::uint64_t changed = 0;
  for (std::uint32_t p = 0; p < kPartitions; ++p) changed += shard.ChangedRows(PartitionId{p});
  EXPECT_EQ(changed, 3U);
  EXPECT_EQ(shard.ChangedRows(partitioning.Of(RowId{11})),
            partitioning.Of(RowId{11}) == partitioning.Of(RowId{27}) ? 3U : 2U);
}

TEST(Shard, L2PenaltyIsOfAllRowsOfThePartition) {
  LocalShards::Options options = MakeOptions("sgd {}", 1);
  options.tables[0].l2_vectors = 0.5;
  options.tables[1].l2_vectors = 0.25;
  options.tables[1].l2_biases = 2;
  LocalShards shards(options);
  shards.Initialize();
  const Partitioning partitioning(kPartitions);
  double all = 0;
  for (std::uint32_t p = 0; p < kPartitions; ++p) {
    double expected = 0;
    for (std::uint32_t t = 0; t < 2; ++t) {
      const TableSpec& table = options.tables[t];
      for (std::uint32_t id = 0; id < table.shape.rows; ++id) {
        if (partitioning.Of(RowId{id}) != PartitionId{p}) continue;
        const std::vector<float> record = shards.Record(TableId{t}, RowId{id});
        for (std::uint32_t k = 0; k <= kDim; ++k) {
          expected += (k < kDim ? table.l2_vectors : table.l2_biases) *
                      static_cast<double>(record[k]) * static_cast<double>(record[k]);
        }
      }
    }
    EXPECT_NEAR(shards.shard().L2Penalty(PartitionId{p}), expected, 1e-12);
    all += expected;
  }
  EXPECT_GT(all, 0);
}

TEST(Shard, RowsBytesIsOneStrideARow) {
  const std::vector<TableSpec> tables = MakeTables();
  EXPECT_EQ(Shard::RowsBytes(tables, Partitioning(kPartitions), {0, kPartitions}),
            (kUserRows + kItemRows) * RowLayout(tables[0].shape).stride() * sizeof(float));
}

/// A snapshots folder with the rows of all shards, written in two snapshots: a base, and then what
/// has changed since.
class ShardSnapshotTest : public ::testing::Test {
 protected:
  void SetUp() override {
    run_ = ::testing::TempDir() + "cf_shard_" + std::to_string(::getpid());
    std::filesystem::remove_all(run_);
    store_.emplace(SnapshotStore::Open(run_ + "/snapshots").value());
  }
  void TearDown() override { std::filesystem::remove_all(run_); }

  void Write(LocalShards& shards, FileKind kind, std::uint64_t step) {
    for (std::uint32_t p = 0; p < kPartitions; ++p) {
      const RowFileId file{.time = {1, step}, .partition = PartitionId{p}, .kind = kind};
      PartitionWriter writer = PartitionWriter::Create(store_->folder(), file).value();
      Shard& shard = shards.shard(shards.placement().servers().SeatOf(PartitionId{p}));
      ASSERT_TRUE(shard.Write(PartitionId{p}, kind == DELTA, writer).ok());
      files_[p].push_back(writer.Finish().value());
    }
    for (std::uint32_t seat = 0; seat < shards.placement().servers().size(); ++seat)
      shards.shard(seat).MarkClean();
  }

  Snapshot Commit(const std::vector<TableSpec>& tables, std::uint64_t step) {
    Manifest manifest;
    manifest.set_format_version(kManifestFormat);
    manifest.set_arithmetic_version(kArithmeticVersion);
    manifest.set_name(SnapshotName({1, step}));
    manifest.set_generation(1);
    manifest.mutable_position()->set_step(step);
    manifest.set_partitions(kPartitions);
    for (const TableSpec& table : tables) {
      SnapshotTable& entry = *manifest.add_tables();
      entry.set_name(table.shape.name);
      entry.set_rows(table.shape.rows);
      entry.set_dim(table.shape.dim);
      entry.set_bias(table.shape.biases);
      entry.set_slots(table.shape.slots);
    }
    for (const std::vector<FileEntry>& chain : files_) {
      for (const FileEntry& file : chain) *manifest.add_files() = file;
    }
    const absl::Status committed = store_->Commit(manifest);
    EXPECT_TRUE(committed.ok()) << committed;
    return Snapshot::Open(store_->PathOf(manifest.name())).value();
  }

  std::string run_;
  std::optional<SnapshotStore> store_;
  std::vector<std::vector<FileEntry>> files_{kPartitions};
};

TEST_F(ShardSnapshotTest, RowsComeBackFromDiskToAnyNumberOfSeats) {
  LocalShards written(MakeOptions("adam {}", 3));
  written.Initialize();
  const std::vector<float> gradient(kWireFloats, 0.125F);
  written.Apply(kUsers, 0, RowId{3}, gradient);
  Write(written, BASE, 1);
  written.Apply(kUsers, 1, RowId{3}, gradient);
  written.Apply(kItems, 1, RowId{18}, gradient);
  Write(written, DELTA, 2);
  std::uint64_t rows = 0;
  for (const std::vector<FileEntry>& chain : files_) rows += chain[1].rows();
  EXPECT_EQ(rows, 2U) << "a delta holds what has changed";

  const Snapshot snapshot = Commit(MakeTables(), 2);
  for (const std::uint32_t seats : {1U, 2U, 8U}) {
    LocalShards read(MakeOptions("adam {}", seats));
    for (std::uint32_t seat = 0; seat < seats; ++seat) {
      const absl::Status loaded = read.shard(seat).Load(snapshot);
      ASSERT_TRUE(loaded.ok()) << loaded;
    }
    EXPECT_EQ(BitsOf(AllRecords(read)), BitsOf(AllRecords(written)));
    for (std::uint32_t seat = 0; seat < seats; ++seat) {
      const SeatRange range = read.shard(seat).range();
      for (std::uint32_t p = range.first; p < range.last; ++p)
        EXPECT_EQ(read.shard(seat).ChangedRows(PartitionId{p}), 0U) << "the snapshot has them";
    }
  }
}

TEST_F(ShardSnapshotTest, AnotherShapeIsRefused) {
  LocalShards written(MakeOptions("adam {}", 1));
  written.Initialize();
  Write(written, BASE, 1);
  const Snapshot snapshot = Commit(MakeTables(), 1);
  LocalShards::Options options = MakeOptions("adam {}", 1);
  options.tables[1].shape.dim = kDim + 1;
  LocalShards read(options);
  EXPECT_EQ(read.shard().Load(snapshot).code(), absl::StatusCode::kFailedPrecondition);
}

/// Server seat 0 of two, and what worker seat 1 pushes to it.
class ServedShard {
 public:
  enum class Peer { kOtherThread, kOtherRank };
  explicit ServedShard(Peer peer)
      : placement_(
            Placement::Make({.partitions = 4,
                             .threads = peer == Peer::kOtherRank ? std::vector<std::uint32_t>{1, 1}
                                                                 : std::vector<std::uint32_t>{2},
                             .servers = 0})
                .value()),
        rule_(MakeOptimizer("sgd { learning_rate: 1 }"), 20),
        exchange_(placement_, 0, LayoutsOf(tables_), nullptr),
        shard_(Shard::Open({.seat = 0,
                            .tables = tables_,
                            .optimizer = &rule_,
                            .kernels = KernelsFor(KernelTarget::kBest).value(),
                            .exchange = &exchange_,
                            .seed = 42})
                   .value()) {
    shard_->Initialize();
  }

  struct Partial {
    RowId id{};
    TreeNode node = 0;
    float value = 0;  ///< Of the bias; the vector's gradient is zero.
  };
  /// Serves a turn in which the peer brings `partials` of users and wants the users `wanted`.
  absl::Status Serve(const std::vector<Partial>& partials, const std::vector<RowId>& wanted = {},
                     std::vector<OwnPartials> own = std::vector<OwnPartials>(2)) {
    ParcelShape shape{.from_seat = 1, .to_seat = 0};
    shape.tables.push_back({.partials = static_cast<std::uint32_t>(partials.size()),
                            .wanted = static_cast<std::uint32_t>(wanted.size())});
    shape.tables.emplace_back();
    Parcel parcel = exchange_.MakePush(shape);
    Parcel::Table& users = parcel.tables[0];
    std::ranges::fill(users.gradients, 0.0F);
    for (std::size_t k = 0; k < partials.size(); ++k) {
      users.partial_ids[k] = partials[k].id;
      users.partial_nodes[k] = partials[k].node;
      users.gradients[k * kWireFloats + 16] = partials[k].value;
    }
    std::ranges::copy(wanted, users.wanted.begin());
    exchange_.PushesTo(0).Deliver(std::move(parcel));
    return shard_->Serve(0, true, 0, own);
  }

  float BiasOf(RowId id) const {
    const float* row = nullptr;
    shard_->Resolve(kUsers, std::span(&id, 1), std::span(&row, 1));
    return row[16];
  }

 private:
  std::vector<TableSpec> tables_ = MakeTables(0);
  Placement placement_;
  OptimizerRule rule_;
  Exchange exchange_;
  std::unique_ptr<Shard> shard_;
};

// Rows 0, 7 and 8 of 4 partitions are in partition 0, rows 1 and 6 in partition 1: both are seat
// 0's.
TEST(ShardServe, SumsThePartsOfAllWorkersAlongTheTree) {
  ServedShard served(ServedShard::Peer::kOtherThread);
  std::vector<float> own_gradient(kWireFloats);
  own_gradient[16] = 0.5F;
  std::vector<OwnPartials> own(2);
  own[0].ids = {RowId{7}};
  own[0].parts = {{2, own_gradient.data()}};  // Partitions 0 and 1.
  const absl::Status done =
      served.Serve({{RowId{7}, 6, 0.25F}, {RowId{7}, 7, 0.125F}, {RowId{1}, 7, 1.0F}}, {}, own);
  ASSERT_TRUE(done.ok()) << done;
  EXPECT_EQ(served.BiasOf(RowId{7}), -0.875F);
  EXPECT_EQ(served.BiasOf(RowId{1}), -1.0F);
  EXPECT_EQ(served.BiasOf(RowId{6}), 0.0F);
}

void ExpectRefused(const std::vector<ServedShard::Partial>& partials,
                   const std::vector<RowId>& wanted, const std::string& what) {
  ServedShard served(ServedShard::Peer::kOtherRank);
  const absl::Status status = served.Serve(partials, wanted);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(what));
}

TEST(ShardServe, RefusesRowsThatAreNotHere) {
  ExpectRefused({{RowId{2}, 6, 1.0F}}, {}, "row 2 of table users, which is not hosted here");
  ExpectRefused({{RowId{1000000}, 6, 1.0F}}, {}, "row 1000000 of table users");
  ExpectRefused({}, {RowId{1}, RowId{3}}, "seat 1 wants row 3 of table users");
  ExpectRefused({}, {RowId{~0U}}, "seat 1 wants row 4294967295");
}

// They used to reach the sum, which trusts its parts.
TEST(ShardServe, RefusesPartsThatHaveNoPlaceInTheTree) {
  ExpectRefused({{RowId{7}, 0, 1.0F}}, {}, "node 0");
  ExpectRefused({{RowId{7}, 8, 1.0F}}, {}, "node 8");
  ExpectRefused({{RowId{7}, 65535, 1.0F}}, {}, "node 65535");
  ExpectRefused({{RowId{7}, 3, 1.0F}, {RowId{7}, 7, 1.0F}}, {}, "node 7");  // Below 3.
  ExpectRefused({{RowId{7}, 7, 1.0F}, {RowId{7}, 6, 1.0F}}, {}, "node 6");  // Not ascending.
  ExpectRefused({{RowId{7}, 6, 1.0F}, {RowId{7}, 6, 1.0F}}, {}, "node 6");  // Twice.
}

}  // namespace
}  // namespace cf

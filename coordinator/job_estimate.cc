#include "coordinator/job_estimate.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "common/model/layout.h"
#include "common/rows/shared_channel.h"

namespace cf {
namespace {

// Of a row in a row file beside its record: the key with RocksDB's own 8 bytes, whose beginning the
// keys of a block share, lengths, and its share of the index and the checksums; and of a file its
// properties and its footer. Measured, of records of 256 to 780 bytes.
constexpr std::uint64_t kRowFileOverhead = 14;
constexpr std::uint64_t kFileOverhead = 950;

// Identities and nodes of the tree that go with each row of a parcel.
constexpr std::uint64_t kIdBytes = sizeof(RowId);
constexpr std::uint64_t kNodeBytes = sizeof(TreeNode);

// RocksDB writes row files, with their checksums, at about this rate of one core; the disk may be
// slower.
constexpr double kRowFileBytesPerSecond = 400e6;

// What ranks of a host take for what they send each other: to wake up twice a step, and to copy.
constexpr double kTurnSeconds = 100e-6;
constexpr double kTrafficBytesPerSecond = 1e9;

// Rows that go to a disk and come back, most of them with others (docs/results.md, beyond memory).
constexpr double kRowsMovedPerSecond = 130e3;

std::uint64_t RecordBytes(const TableShape& shape) {
  const std::uint64_t part = shape.dim + (shape.biases ? 1 : 0);
  return sizeof(float) * (part * (1 + shape.moments) + (shape.last_step ? 1 : 0));
}

/// How many different rows `samples` are expected to have, of rows that have `counts` of `total`.
double ExpectedRows(const std::vector<std::uint64_t>& counts, std::uint64_t total, double samples) {
  double expected = 0;
  for (const std::uint64_t count : counts) {
    const double share = static_cast<double>(count) / static_cast<double>(total);
    expected += -std::expm1(samples * std::log1p(-std::min(share, 1 - 1e-12)));
  }
  return expected;
}

std::vector<std::uint64_t> ItemCounts(const Dataset& data) {
  std::vector<std::uint64_t> counts(data.items());
  for (const RowId item : data.item_column()) ++counts[Index(item)];
  return counts;
}

std::vector<std::uint64_t> UserCounts(const Dataset& data) {
  std::vector<std::uint64_t> counts(data.users());
  for (std::size_t user = 0; user < counts.size(); ++user) {
    counts[user] = data.user_offsets()[user + 1] - data.user_offsets()[user];
  }
  return counts;
}

/// A row that is pulled, and its gradient that is pushed.
double RoundTripBytes(const TableShape& shape) {
  const std::uint64_t floats = RowLayout(shape).wire_floats() * sizeof(float);
  return static_cast<double>(2 * (kIdBytes + floats) + kNodeBytes);
}

double TrafficOfBlocks(const Job& job, const TableSpec& items, const Placement& placement) {
  const double ranks = placement.ranks();
  const double table =
      static_cast<double>(items.shape.rows * RowLayout(items.shape).stride() * sizeof(float));
  // In each round every item partition passes every rank, and once an epoch they leave and come
  // home.
  return ranks * job.train().rounds() * table + 2 * table * (ranks - 1) / ranks;
}

}  // namespace

std::vector<TableBytes> BytesOfTables(const TrainingData& data) {
  std::vector<TableBytes> tables;
  for (const TableSpec& table : data.Tables()) {
    const std::uint64_t row_bytes = RowLayout(table.shape).stride() * sizeof(float);
    tables.push_back({.name = table.shape.name,
                      .rows = table.shape.rows,
                      .row_bytes = row_bytes,
                      .bytes = table.shape.rows * row_bytes});
  }
  return tables;
}

std::uint64_t SnapshotBytes(const Job& job, const TrainingData& data) {
  std::uint64_t bytes = job.train().partitions() * kFileOverhead;
  for (const TableSpec& table : data.Tables()) {
    bytes += table.shape.rows * (RecordBytes(table.shape) + kRowFileOverhead);
  }
  return bytes;
}

double TrafficBytes(const Job& job, const TrainingData& data, const Placement& placement) {
  if (placement.ranks() == 1) return 0;
  const std::vector<TableSpec> tables = data.Tables();
  if (job.train().schedule() == Train::BLOCKS) {
    return TrafficOfBlocks(job, tables[Index(kItems)], placement);
  }
  const double steps = static_cast<double>(data.steps_per_epoch(job));
  const double working = placement.ranks() - static_cast<int>(job.cluster().servers());
  const double samples = static_cast<double>(job.train().batch_size()) / working *
                         (1 + job.model().matrix_factorization().negatives());
  const double serving = placement.combined() ? placement.ranks() : job.cluster().servers();
  // A worker that serves, too, has its share of other rows at home, and all of its users.
  const double away = placement.combined() ? 1 - 1 / serving : 1;
  const std::uint64_t n = data.data.samples();
  double bytes = away * ExpectedRows(ItemCounts(data.data), n, samples) *
                 RoundTripBytes(tables[Index(kItems)].shape);
  if (!placement.combined()) {
    bytes += ExpectedRows(UserCounts(data.data), n, samples) *
             RoundTripBytes(tables[Index(kUsers)].shape);
  }
  for (const TableSpec& table : tables) {
    if (table.layer.has_value()) bytes += away * RoundTripBytes(table.shape);
  }
  return bytes * working * steps;
}

std::uint64_t RingBytes(const Job& job, const TrainingData& data, std::uint32_t ranks_on_host) {
  const bool rings = ranks_on_host > 1 && job.cluster().shared_memory();
  if (!rings || job.train().schedule() != Train::BLOCKS) return 0;
  return 2 * std::min<std::uint64_t>(SharedChannel::kRingBytes,
                                     BytesOfTables(data)[Index(kItems)].bytes);
}

double RowsMoved(const Job& job, const TrainingData& data, const StoragePlan& plan, int ranks) {
  if (plan.row_bytes == 0) return 0;
  const std::vector<TableBytes> tables = BytesOfTables(data);
  struct Row {
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;
  };
  std::vector<Row> rows;
  for (const std::uint64_t count : UserCounts(data.data)) {
    rows.push_back({count, tables[Index(kUsers)].row_bytes});
  }
  for (const std::uint64_t count : ItemCounts(data.data)) {
    rows.push_back({count, tables[Index(kItems)].row_bytes});
  }
  std::ranges::sort(rows, std::greater<>(), &Row::count);
  std::uint64_t room = plan.row_bytes * static_cast<std::uint64_t>(ranks);
  std::vector<std::uint64_t> away;
  for (const Row& row : rows) {
    if (room >= row.bytes) {
      room -= row.bytes;
    } else {
      away.push_back(row.count);
    }
  }
  return ExpectedRows(away, data.data.samples(), job.train().batch_size()) *
         static_cast<double>(data.steps_per_epoch(job)) / ranks;
}

double DiskBytes(const Job& job, const StoragePlan& plan, int ranks) {
  if (plan.row_bytes > 0) return 0;
  return static_cast<double>(plan.disk) * (static_cast<double>(job.train().rounds()) * ranks + 1);
}

double SampleReads(const Job& job, const StoragePlan& plan, int ranks) {
  const double times = plan.samples_on_disk ? 1 : static_cast<double>(job.train().rounds()) * ranks;
  return static_cast<double>(plan.sample_disk) * times;
}

double SampleWrites(const StoragePlan& plan) {
  return plan.samples_on_disk ? static_cast<double>(plan.sample_disk) / 2 : 0;
}

EpochSeconds SecondsOf(const JobSize& size, const TrialFigures& trial, std::uint64_t trial_rows,
                       const DiskSpeed& disk) {
  const auto ratio = [](std::uint64_t of_job, std::uint64_t of_trial) {
    return of_trial == 0 ? 0 : static_cast<double>(of_job) / static_cast<double>(of_trial);
  };
  const double samples = ratio(size.training_samples, trial.training_samples);
  const double computing = (static_cast<double>(size.training_samples) / trial.samples_per_second +
                            samples * trial.epoch_begin_seconds) /
                               size.ranks_at_once +
                           size.turns * kTurnSeconds +
                           size.traffic_of_rank / kTrafficBytesPerSecond;
  EpochSeconds seconds;
  if (disk.read > 0) {
    seconds.of_disk = (size.disk_bytes + size.sample_reads) / disk.read +
                      (size.disk_bytes + size.sample_writes) / disk.write;
  }
  seconds.of_disk += size.rows_moved / kRowsMovedPerSecond;
  seconds.training =
      std::max(computing, seconds.of_disk) + std::min(computing, seconds.of_disk) / 2;
  seconds.validation =
      (ratio(size.validation_samples, trial.validation_samples) * trial.validation_seconds +
       ratio(size.rows, trial_rows) * trial.penalty_seconds) /
      size.ranks_at_once;
  const double file_rate =
      disk.write > 0 ? std::min(disk.write, kRowFileBytesPerSecond) : kRowFileBytesPerSecond;
  seconds.snapshot = static_cast<double>(size.snapshot_bytes) / file_rate;
  return seconds;
}

}  // namespace cf

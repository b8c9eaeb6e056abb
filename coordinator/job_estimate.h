#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/config/job.pb.h"
#include "common/rows/placement.h"
#include "coordinator/storage_plan.h"
#include "coordinator/training_data.h"
#include "coordinator/trial.h"

namespace cf {

/// What a table takes.
struct TableBytes {
  std::string name;
  std::uint64_t rows = 0;
  std::uint64_t row_bytes = 0;  ///< In memory, with optimizer state.
  std::uint64_t bytes = 0;
};

/// In the order of TableId.
std::vector<TableBytes> BytesOfTables(const TrainingData& data);

/// Bytes of a snapshot with all rows: records, their keys, and what row files add to them.
std::uint64_t SnapshotBytes(const Job& job, const TrainingData& data);

/// Bytes that go between ranks in an epoch, all ranks together: with SYNC the rows of users, items
/// and layers that batches need from other ranks and their gradients; with BLOCKS item partitions
/// on their way. Rows of features besides layers are left out. The rows of a batch are expected by
/// how often each item has samples.
double TrafficBytes(const Job& job, const TrainingData& data, const Placement& placement);

/// Bytes of shared memory that a rank's exchange with others of its host touches: with BLOCKS the
/// rings from one neighbour and to the other, which item partitions go round; with SYNC little.
std::uint64_t RingBytes(const Job& job, const TrainingData& data, std::uint32_t ranks_on_host);

/// With BLOCKS: bytes of users that a rank reads from its disk in an epoch, and as many that it
/// writes; 0 where rows come and go one by one. Each round visits each partition as often as there
/// are ranks, and the end of the epoch once more.
double DiskBytes(const Job& job, const StoragePlan& plan, int ranks);

/// Bytes of samples that a rank reads from its disk in an epoch, and that it writes: with BLOCKS each
/// visit reads those of its users; else an epoch's order is made of the canonical one, and read.
double SampleReads(const Job& job, const StoragePlan& plan, int ranks);
double SampleWrites(const StoragePlan& plan);

/// How many rows a rank brings from its disk in an epoch, and writes, where rows come and go one by
/// one: those of users and items that batches are expected to have beside the most frequent ones,
/// which stay in memory; else 0.
double RowsMoved(const Job& job, const TrainingData& data, const StoragePlan& plan, int ranks);

/// How fast a disk is, in bytes a second; 0: not measured.
struct DiskSpeed {
  double read = 0;
  double write = 0;
};

/// What a measurement is scaled to.
struct JobSize {
  std::uint64_t training_samples = 0;
  std::uint64_t validation_samples = 0;
  std::uint64_t rows = 0;      ///< Of all tables.
  double ranks_at_once = 1;    ///< As many ranks as this really work at the same time.
  double turns = 0;            ///< Steps of an epoch of SYNC between ranks; 0 where there is one.
  double traffic_of_rank = 0;  ///< TrafficBytes, over the ranks.
  double disk_bytes = 0;       ///< DiskBytes of a rank,
  double sample_reads = 0;     ///< SampleReads,
  double sample_writes = 0;    ///< SampleWrites,
  double rows_moved = 0;       ///< and RowsMoved.
  std::uint64_t snapshot_bytes = 0;
};

/// Seconds of an epoch and its parts.
struct EpochSeconds {
  double training = 0;
  double validation = 0;  ///< And the penalty.
  double snapshot = 0;
  double of_disk = 0;  ///< Of the training: what the disk takes alone.

  double sum() const { return training + validation + snapshot; }
};

/// By a trial of `trial_rows` rows. Computing and the disk work at the same time, on the same
/// cores: of the faster of the two half is hidden. What goes between ranks does so within a host: a
/// network may be slower.
EpochSeconds SecondsOf(const JobSize& size, const TrialFigures& trial, std::uint64_t trial_rows,
                       const DiskSpeed& disk);

}  // namespace cf

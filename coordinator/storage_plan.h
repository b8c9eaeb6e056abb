#pragma once

#include <cstdint>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/config/job.pb.h"
#include "common/rows/placement.h"
#include "coordinator/member.h"
#include "coordinator/training_data.h"

namespace cf {

/// What a rank keeps in memory, and what of its rows it has on disk.
struct StoragePlan {
  std::uint32_t partitions = 0;  ///< Of users, that the rank hosts;
  std::uint32_t frames = 0;      ///< so many of them are in memory at once.
  std::uint64_t memory = 0;      ///< Bytes of rows, samples and copies then.
  /// Of these for copies of rows that snapshots are written from.
  std::uint64_t snapshot_copies = 0;
  std::uint64_t disk = 0;         ///< Bytes on disk for rows that are not in memory at once.
  std::uint64_t sample_disk = 0;  ///< Bytes of samples on disk.
  /// Where users' and items' rows come and go one by one: bytes of memory for those; else 0.
  std::uint64_t row_bytes = 0;
  /// Bytes of the process beside all these, about: the program, and the gradients, rows and messages
  /// of a batch.
  std::uint64_t beside = 0;

  /// Where samples are on disk with any schedule but BLOCKS, where they go with their users.
  bool samples_on_disk = false;

  bool keeps_all() const { return frames == partitions && row_bytes == 0; }
};

/// What a rank's process may use, by its machine, a container or the batch system.
struct ProcessRoom {
  std::uint64_t bytes = 0;          ///< 0: unknown.
  std::uint32_t ranks_on_host = 1;  ///< Which share the program's pages.
};

/// The plan for `rank` within the job's budget, which is for rows and samples, or within the `room` of
/// its process. Where the job has a budget, what it has no
/// room for is on disk, partitions of users, with their samples, with BLOCKS and else rows of users and items;
/// FailedPrecondition says how much would do where there is too little. Meant to be asked before
/// anybody takes memory.
absl::StatusOr<StoragePlan> PlanStorage(const Job& job, const TrainingData& data,
                                        const Placement& placement, int rank, ProcessRoom room);

/// Makes the store of a rank as planned: with room for `frames` partitions of users, or for
/// `row_bytes` of rows that come and go.
struct StoreOptions {
  std::uint32_t frames = 0;
  std::uint32_t threads = 1;
  std::string directory;  ///< For what is not in memory.
  std::uint64_t row_bytes = 0;
};
MakeRowStore StoreOf(StoreOptions options);

/// The job's budget of memory for a rank in bytes; 0 for none.
std::uint64_t MemoryBudget(const Job& job);

}  // namespace cf

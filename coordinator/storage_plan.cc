#include "coordinator/storage_plan.h"

#include <algorithm>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <absl/strings/str_cat.h>

#include "common/rpc/frame.h"
#include "paramserver/disk_store.h"
#include "paramserver/frozen_rows.h"
#include "paramserver/item_places.h"
#include "paramserver/slab_store.h"
#include "worker/block_samples.h"
#include "worker/models/batch_items.h"
#include "worker/samples.h"

namespace cf {
namespace {

/// The partitions of all seats of `rank`, which follow each other.
SeatRange RangeOfRank(const Placement::Role& role, int rank) {
  const std::vector<std::uint32_t> seats = role.OnRank(rank);
  if (seats.empty()) return {};
  return {role.range(seats.front()).first, role.range(seats.back()).last};
}

/// The rank's share of the samples, as they would be if all partitions had the same number.
std::uint64_t SamplesBytes(const Job& job, const TrainingData& data, const Placement& placement,
                           int rank) {
  const Placement::Role& workers = placement.workers();
  const std::uint64_t samples = data.split.training_count();
  std::size_t each = PartitionSamples::kBytesPerTrainingSample;
  if (job.train().schedule() == Train::BLOCKS) {
    each = PartitionSamples::kBytesPerSample + BlockSamples::kBytesPerSample;
  } else if (job.train().user_group() > 1) {
    each += PartitionSamples::kBytesPerGroupedSample;
  }
  std::uint64_t bytes =
      samples * each * RangeOfRank(workers, rank).size() / job.train().partitions();
  if (data.model->batch_is_candidates()) {
    bytes += samples * BatchItems::kBytesPerSample * workers.OnRank(rank).size();
  }
  for (const FeatureLists& lists : data.features) {
    if (lists.side() == FeatureSide::kUser)
      bytes += samples * FeatureLists::kBytesPerTrainingSample;
  }
  return bytes;
}

/// Memory for copies of `rows` bytes of rows in `partitions`, where `left` bytes are left: as much as
/// the job allows, but never what would keep a job from fitting.
std::uint64_t SnapshotCopies(const Job& job, std::uint64_t rows, std::uint32_t partitions,
                             std::uint64_t left) {
  const std::uint64_t all = rows + partitions * FrozenMemory::kChunkBytes;
  return std::min({job.snapshot().copies_mib() << 20, all, left});
}

std::uint64_t Mib(std::uint64_t bytes) {
  return (bytes >> 20) + 1;
}

}  // namespace

std::uint64_t MemoryBudget(const Job& job) {
  const std::uint64_t named = job.storage().memory_budget_mib();
  return (named > 0 ? named : job.cluster().memory_mib()) << 20;
}

absl::StatusOr<StoragePlan> PlanStorage(const Job& job, const TrainingData& data,
                                        const Placement& placement, int rank,
                                        std::uint64_t memory) {
  const std::vector<TableSpec> specs = data.Tables();
  const std::vector<RowStore::Table> tables = StoredTables(specs, job);
  const Partitioning partitioning = placement.partitioning();
  const SeatRange range = RangeOfRank(placement.servers(), rank);
  const std::uint64_t rows = SlabStore::BytesFor(tables, partitioning, range);
  const std::uint64_t samples = SamplesBytes(job, data, placement, rank);
  const bool blocks = job.train().schedule() == Train::BLOCKS;
  std::uint64_t item_partition = 0;
  if (blocks) {
    const TableSpec& items = specs[Index(kItems)];
    item_partition = ItemPlaces::TransferBytes(items, partitioning.RowsMax(items.shape.rows));
    if (item_partition > FrameLimits().payload_bytes_max) {
      return absl::FailedPreconditionError(absl::StrCat(
          "a partition of items takes ", item_partition >> 20, " MiB, and at most ",
          FrameLimits().payload_bytes_max >> 20,
          " MiB can move with train.schedule BLOCKS: raise train.partitions (another model)"));
    }
  }
  StoragePlan plan = {.partitions = range.size(), .frames = range.size()};
  // Between ranks items are in the store and on their way.
  const std::uint64_t under_way = placement.ranks() > 1 ? item_partition * range.size() : 0;
  plan.memory = rows + under_way + samples;
  const std::uint64_t budget = MemoryBudget(job);
  const std::uint64_t limit = budget > 0 ? budget : memory;
  if (limit == 0 || plan.memory < limit) {
    // Of a machine's memory half of what is left stays free for everything else.
    const std::uint64_t left = limit == 0   ? ~std::uint64_t{0}
                               : budget > 0 ? limit - plan.memory
                                            : (limit - plan.memory) / 2;
    plan.snapshot_copies = SnapshotCopies(job, rows, range.size(), left);
    plan.memory += plan.snapshot_copies;
    return plan;
  }
  if (budget == 0 || !blocks) {
    return absl::FailedPreconditionError(absl::StrCat(
        "rank ", rank, " needs ", Mib(rows + under_way), " MiB for its rows and ", Mib(samples),
        " MiB for its samples, and may use ", limit >> 20,
        " MiB: start ranks on more hosts, ask for more memory, choose smaller vectors, or ",
        blocks ? "give a budget (--memory), so that users can be on disk"
               : "train.schedule BLOCKS (another model), whose users can be on disk"));
  }
  const auto threads = static_cast<std::uint32_t>(placement.servers().OnRank(rank).size());
  const std::uint64_t frame = DiskStore::FrameBytes(tables[Index(kUsers)], partitioning);
  // All items of the others may wait at a slow rank, and while a block lasts, places for one more
  // stand empty for each thread.
  const std::uint64_t waiting =
      placement.ranks() > 1 ? item_partition * (partitioning.count() - range.size() + threads) : 0;
  const std::uint64_t fixed =
      DiskStore::OtherBytes(tables, partitioning, range) + samples + waiting;
  const std::uint64_t least = fixed + DiskStore::FramesMin(threads) * frame;
  if (least > budget) {
    return absl::FailedPreconditionError(absl::StrCat(
        "rank ", rank, " needs at least ", Mib(least), " MiB, ", Mib(samples),
        " of them for its samples, with all users on disk but ", DiskStore::FramesMin(threads),
        " partitions, and may use ", budget >> 20, " MiB: give it ", Mib(least),
        " (--memory), start more ranks, or raise train.partitions (another model)"));
  }
  // Copies spare waiting for the disk at a snapshot, frames in every round.
  plan.snapshot_copies = SnapshotCopies(job, rows, range.size(), (budget - least) / 4);
  plan.frames = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(plan.partitions, (budget - fixed - plan.snapshot_copies) / frame));
  plan.memory = fixed + plan.snapshot_copies + plan.frames * frame;
  plan.disk = (plan.partitions - std::min(plan.frames, plan.partitions)) * frame;
  return plan;
}

MakeRowStore StoreOf(StoreOptions options) {
  return [options = std::move(options)](
             std::span<const RowStore::Table> tables, Partitioning partitioning,
             SeatRange range) -> absl::StatusOr<std::unique_ptr<RowStore>> {
    if (options.frames >= range.size()) return MakeSlabStore(tables, partitioning, range);
    return DiskStore::Open({.tables = {tables.begin(), tables.end()},
                            .partitioning = partitioning,
                            .range = range,
                            .threads = options.threads,
                            .frames = options.frames,
                            .directory = options.directory});
  };
}

}  // namespace cf

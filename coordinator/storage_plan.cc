#include "coordinator/storage_plan.h"

#include <algorithm>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <absl/strings/str_cat.h>

#include "common/base/piece_file.h"
#include "common/model/layout.h"
#include "common/rpc/frame.h"
#include "paramserver/cached_store.h"
#include "paramserver/disk_store.h"
#include "paramserver/frozen_rows.h"
#include "paramserver/item_places.h"
#include "paramserver/slab_store.h"
#include "worker/block_samples.h"
#include "worker/evaluator.h"
#include "worker/models/batch_items.h"
#include "worker/moving_samples.h"
#include "worker/next_uses.h"
#include "worker/samples.h"

namespace cf {
namespace {

/// A training sample that stays in memory.
std::size_t BytesPerSample(const Job& job, const TrainingData& data) {
  if (job.train().schedule() == Train::BLOCKS) {
    const std::uint64_t blocks = std::uint64_t{job.train().partitions()} * job.train().partitions();
    // Some blocks are larger than the mean.
    return data.split.training_count() / blocks < BlockSamples::kSmallMax / 2
               ? BlockSamples::kBytesPerSample
               : BlockSamples::kBytesPerSampleOfLarge;
  }
  return PartitionSamples::kBytesPerSample +
         (job.train().user_group() > 1 ? PartitionSamples::kBytesPerGroupedSample : 0);
}

/// What the rank takes for samples beside the samples themselves.
std::uint64_t AboutSamplesBytes(const Job& job, const TrainingData& data,
                                const Placement& placement, int rank) {
  const Placement::Role& workers = placement.workers();
  const std::uint64_t partitions = job.train().partitions();
  std::uint64_t bytes = data.split.samples() / 8;  // Which of them are of validation.
  if (job.train().schedule() == Train::BLOCKS) {
    bytes += workers.RangeOnRank(rank).size() * partitions * BlockSamples::kBytesPerBlock;
  }
  const std::uint64_t samples = data.split.training_count();
  if (data.model->batch_is_candidates()) {
    bytes += samples * BatchItems::kBytesPerSample * workers.OnRank(rank).size();
  }
  for (const FeatureLists& lists : data.features) {
    if (lists.side() == FeatureSide::kUser)
      bytes += samples * FeatureLists::kBytesPerTrainingSample;
  }
  return bytes;
}

/// The rank's share of `bytes` for all samples, as if all partitions had the same number.
std::uint64_t ShareOf(std::uint64_t bytes, const Placement& placement, int rank) {
  return bytes * placement.workers().RangeOnRank(rank).size() / placement.partitioning().count();
}

/// What is in memory of `bytes` of samples that are on disk, in a section for each partition.
std::uint64_t PiecesBytes(std::uint64_t bytes, const SeatRange& range) {
  return std::min<std::uint64_t>(bytes, range.size() * PieceFile::PieceBytesFor(range.size()));
}

/// Memory for copies of `rows` bytes of rows in `partitions`, where `left` bytes are left: as much as
/// the job allows, but never what would keep a job from fitting.
std::uint64_t SnapshotCopies(const Job& job, std::uint64_t rows, std::uint32_t partitions,
                             std::uint64_t left) {
  const std::uint64_t all = rows + partitions * FrozenMemory::kChunkBytes;
  return std::min({job.snapshot().copies_mib() << 20, all, left});
}

// Of a rank of a tiny job: what it has for itself, and pages of the program and its libraries, and
// beside other ranks of Open MPI's, which ranks of a host share.
constexpr std::uint64_t kOwnBytes = std::uint64_t{9} << 20;
constexpr std::uint64_t kProgramBytes = std::uint64_t{16} << 20;
constexpr std::uint64_t kOpenMpiBytes = std::uint64_t{6} << 20;

/// What the process takes beside rows and samples: of a batch the gradients, for which there is twice
/// the room, and of items of other ranks what is sent and what has come, of gradients and of rows.
std::uint64_t BesideBytes(const Job& job, const TrainingData& data, const Placement& placement,
                          int rank, std::uint32_t ranks_on_host) {
  const std::vector<TableSpec> tables = data.Tables();
  const auto ranks = static_cast<std::uint64_t>(placement.ranks());
  const std::uint64_t partitions = job.train().partitions();
  const bool blocks = job.train().schedule() == Train::BLOCKS;
  std::uint64_t bytes =
      kOwnBytes + (kProgramBytes + (ranks > 1 ? kOpenMpiBytes : 0)) / ranks_on_host;
  for (const std::uint32_t seat : placement.workers().OnRank(rank)) {
    const std::uint64_t worked = blocks ? 1 : placement.workers().range(seat).size();
    const std::uint64_t samples = std::uint64_t{job.train().batch_size()} * worked / partitions;
    const TableShape& users = tables[Index(kUsers)].shape;
    const TableShape& items = tables[Index(kItems)].shape;
    // A user is of one partition; an item has a gradient for each.
    const std::uint64_t user_parts = std::min(samples, users.rows * worked / partitions);
    const std::uint64_t item_parts =
        std::min(samples * (1 + data.model->negatives()), items.rows * worked);
    bytes += 2 * sizeof(float) *
             (user_parts * RowLayout(users).gradient_stride() +
              item_parts * RowLayout(items).gradient_stride());
    if (blocks) continue;  // Rows travel instead, which are counted as such.
    bytes += 4 * sizeof(float) * std::min<std::uint64_t>(item_parts, items.rows) *
             RowLayout(items).wire_floats() * (ranks - 1) / ranks;
  }
  return bytes;
}

std::uint64_t Mib(std::uint64_t bytes) {
  return (bytes >> 20) + 1;
}

/// What a plan is made for.
struct RankShape {
  const std::vector<RowStore::Table>& tables;
  SeatRange range{};
  int rank = 0;
  std::uint64_t in_memory = 0;       ///< Bytes that keep all in memory,
  std::uint64_t rows = 0;            ///< of them of its rows,
  std::uint64_t training = 0;        ///< of its training samples,
  std::uint64_t validation = 0;      ///< of its validation samples,
  std::uint64_t about_samples = 0;   ///< of what else is known of samples,
  std::uint64_t item_partition = 0;  ///< and of a partition of items on its way.

  std::uint64_t samples() const { return training + validation + about_samples; }
};

/// What rows are made with that do not fit, while they are made.
std::uint64_t MakerBytes(const TrainingData& data, const RankShape& shape) {
  if (!data.model->counts_items() && !data.model->starts_from_baseline()) return 0;
  return sizeof(float) *
         (std::uint64_t{shape.tables[Index(kUsers)].rows} + shape.tables[Index(kItems)].rows);
}

/// With BLOCKS, where some partitions of users come and go: what so many frames take.
class MovingPartitions {
 public:
  MovingPartitions(const Job& job, const TrainingData& data, const Placement& placement,
                   const RankShape& shape)
      : threads_(static_cast<std::uint32_t>(placement.servers().OnRank(shape.rank).size())),
        partitions_(shape.range.size()),
        rows_(DiskStore::FrameBytes(shape.tables[Index(kUsers)], placement.partitioning())) {
    const std::vector<std::uint64_t> samples = CountSamples(
        data.data, data.split, placement.partitioning(), shape.range, SampleKind::kTraining);
    const std::uint64_t most = std::ranges::max(samples);
    staying_samples_ = most * BytesPerSample(job, data);
    moving_samples_ = MovingSamples::FrameBytes(most, placement.partitioning(), data.data.users(),
                                                data.data.items());
  }

  std::uint32_t frames_min() const { return DiskStore::FramesMin(threads_); }

  /// Of users that are not in memory at once.
  std::uint64_t RowsOnDisk(std::uint32_t frames) const { return (partitions_ - frames) * rows_; }
  std::uint64_t SamplesOnDisk(std::uint32_t frames) const {
    return (partitions_ - Staying(frames)) * moving_samples_;
  }
  std::uint64_t SamplesInMemory(std::uint32_t frames) const {
    return Staying(frames) * staying_samples_ +
           MovingSamples::FramesFor(threads_) * moving_samples_;
  }
  std::uint64_t InMemory(std::uint32_t frames) const {
    return frames * rows_ + SamplesInMemory(frames);
  }
  /// The most frames that `bytes` have room for, if one less than all partitions do.
  std::uint32_t FramesFor(std::uint64_t bytes) const {
    std::uint32_t frames = partitions_ - 1;
    while (frames > frames_min() && InMemory(frames) > bytes) --frames;
    return frames;
  }

 private:
  std::uint32_t Staying(std::uint32_t frames) const {
    return frames - DiskStore::FramesThatMove(frames, threads_);
  }

  const std::uint32_t threads_;
  const std::uint32_t partitions_;
  const std::uint64_t rows_;           // Of a partition, as the next, of the one with the most.
  std::uint64_t staying_samples_ = 0;  // Where they stay in memory,
  std::uint64_t moving_samples_ = 0;   // and where they come and go.
};

/// With BLOCKS: how many partitions of users are in memory at once.
absl::StatusOr<StoragePlan> PlanPartitions(const Job& job, const TrainingData& data,
                                           const Placement& placement, const RankShape& shape,
                                           std::uint64_t budget) {
  const Partitioning partitioning = placement.partitioning();
  const MovingPartitions moving(job, data, placement, shape);
  const auto threads = placement.servers().OnRank(shape.rank).size();
  // All items of the others may wait at a slow rank, and while a block lasts, places for one more
  // stand empty for each thread.
  const std::uint64_t waiting =
      placement.ranks() > 1
          ? shape.item_partition * (partitioning.count() - shape.range.size() + threads)
          : 0;
  // All but the samples that come with their users are read piece by piece.
  const std::uint64_t samples = shape.about_samples + PiecesBytes(shape.validation, shape.range);
  const std::uint64_t fixed = DiskStore::OtherBytes(shape.tables, partitioning, shape.range) +
                              samples + waiting + MakerBytes(data, shape);
  const std::uint64_t least = fixed + moving.InMemory(moving.frames_min());
  if (least > budget || shape.range.size() <= moving.frames_min()) {
    // Few partitions are all in memory, or not at all.
    const std::uint64_t enough = shape.range.size() <= moving.frames_min()
                                     ? shape.in_memory
                                     : std::min(least, shape.in_memory);
    return absl::FailedPreconditionError(
        absl::StrCat("rank ", shape.rank, " needs at least ", Mib(enough), " MiB, ",
                     Mib(samples + moving.SamplesInMemory(moving.frames_min())),
                     " of them for samples, with all users on disk but ", moving.frames_min(),
                     " partitions, and may use ", budget >> 20, " MiB: give it ", Mib(enough),
                     " (--memory), start more ranks, or raise train.partitions (another model)"));
  }
  StoragePlan plan = {.partitions = shape.range.size(), .frames = shape.range.size()};
  // Copies spare waiting for the disk at a snapshot, frames in every round.
  plan.snapshot_copies = SnapshotCopies(job, shape.rows, shape.range.size(), (budget - least) / 4);
  plan.frames = moving.FramesFor(budget - fixed - plan.snapshot_copies);
  plan.memory = fixed + plan.snapshot_copies + moving.InMemory(plan.frames);
  plan.disk = moving.RowsOnDisk(plan.frames);
  plan.sample_disk = moving.SamplesOnDisk(plan.frames);
  return plan;
}

/// How many rows a thread that hosts `thread` has in memory at once: those of a step, and as many of
/// the next on their way, or what ranking looks at.
CachedStore::RowsAtOnce NeededAtOnce(const Job& job, const TrainingData& data,
                                     const Placement& placement, SeatRange thread) {
  // Every partition gives a batch its share, rounded to whole groups.
  const std::uint64_t partitions = job.train().partitions();
  const std::uint64_t rounding = job.train().user_group();
  const std::uint64_t samples = job.train().batch_size() + partitions * rounding;
  const std::uint64_t own =
      (std::uint64_t{job.train().batch_size()} / partitions + 1 + rounding) * thread.size();
  return {.users = std::max<std::uint64_t>(2 * own, Evaluator::kUsersMax),
          .items = std::max<std::uint64_t>(
              2 * samples * (1 + data.model->negatives()),
              std::uint64_t{Evaluator::kItemsMax} * placement.workers().size())};
}

/// What is on disk of when the users of `training` bytes of samples come again.
std::uint64_t NextUsesBytes(std::uint64_t training) {
  return training / PartitionSamples::kBytesPerSample * NextUses::kBytesPerSample;
}

/// What samples take where they are on disk with any schedule but BLOCKS.
std::uint64_t DiskSamplesBytes(const Job& job, const TrainingData& data, const Placement& placement,
                               const RankShape& shape) {
  const std::uint64_t samples = std::max(shape.training, shape.validation);
  const bool groups = job.train().user_group() > 1;
  // The seats take their orders of an epoch at the same time, each of one partition after the other.
  const std::uint64_t most = std::ranges::max(CountSamples(
      data.data, data.split, placement.partitioning(), shape.range, SampleKind::kTraining));
  const std::uint64_t of_partition = most * (groups ? PartitionSamples::kBytesPerSampleInGrouping
                                                    : PartitionSamples::kBytesPerSample);
  const std::uint64_t batch_ends =
      groups ? shape.range.size() * data.steps_per_epoch(job) * sizeof(std::uint32_t) : 0;
  const std::uint64_t next_uses =
      most * NextUses::kBytesPerSample +
      placement.partitioning().RowsMax(shape.tables[Index(kUsers)].rows) * NextUses::kBytesPerUser;
  return shape.about_samples + PiecesBytes(samples, shape.range) +
         std::min<std::uint64_t>(NextUsesBytes(shape.training),
                                 shape.range.size() * PieceFile::kPieceUnit) +
         batch_ends + (of_partition + next_uses) * placement.workers().OnRank(shape.rank).size();
}

/// Of any other schedule: how many rows are in memory at once, where the process has `beside` bytes
/// for all else.
absl::StatusOr<StoragePlan> PlanRows(const Job& job, const TrainingData& data,
                                     const Placement& placement, const RankShape& shape,
                                     std::uint64_t budget, std::uint64_t beside) {
  const Partitioning partitioning = placement.partitioning();
  std::vector<SeatRange> threads;
  for (const std::uint32_t seat : placement.servers().OnRank(shape.rank)) {
    threads.push_back(placement.servers().range(seat));
  }
  const std::uint64_t samples = DiskSamplesBytes(job, data, placement, shape);
  const std::uint64_t fixed = CachedStore::FixedBytes(shape.tables, partitioning, threads) +
                              samples + MakerBytes(data, shape);
  std::uint64_t row_bytes = 0;
  for (const SeatRange& thread : threads) {
    row_bytes = std::max<std::uint64_t>(
        row_bytes, CachedStore::LeastBytes(shape.tables, partitioning, threads,
                                           NeededAtOnce(job, data, placement, thread)));
  }
  StoragePlan plan = {.partitions = shape.range.size(),
                      .frames = shape.range.size(),
                      // In canonical order and in an epoch's.
                      .sample_disk = 2 * shape.training + NextUsesBytes(shape.training),
                      .samples_on_disk = true};
  if (shape.rows + samples <= budget) {
    plan.snapshot_copies =
        SnapshotCopies(job, shape.rows, shape.range.size(), budget - shape.rows - samples);
    plan.memory = shape.rows + samples + plan.snapshot_copies;
    return plan;
  }
  if (fixed + row_bytes > budget) {
    // Small tables take less than what a cache of them would.
    const std::uint64_t least =
        Mib(std::min({fixed + row_bytes, shape.rows + samples, shape.in_memory}));
    return absl::FailedPreconditionError(absl::StrCat(
        "rank ", shape.rank, " needs at least ", least, " MiB, ", Mib(samples),
        " of them for its samples, with rows of users and items on disk but for those of a step, "
        "and may use ",
        budget >> 20, " MiB: give it ", least, " (--memory), or start more ranks"));
  }
  // Between two snapshots many more rows change than copies would have room for, so that memory is
  // worth more for rows.
  plan.snapshot_copies =
      SnapshotCopies(job, shape.rows, shape.range.size(), (budget - fixed - row_bytes) / 16);
  plan.row_bytes = budget - fixed - plan.snapshot_copies;
  // What the process has beside rows and samples counts where there is more than the least.
  plan.row_bytes -= std::min(beside, (plan.row_bytes - row_bytes) / 2);
  plan.memory = fixed + plan.snapshot_copies + plan.row_bytes;
  plan.disk = CachedStore::DiskBytes(shape.tables, partitioning, shape.range);
  return plan;
}

}  // namespace

std::uint64_t MemoryBudget(const Job& job) {
  const std::uint64_t named = job.storage().memory_budget_mib();
  return (named > 0 ? named : job.cluster().memory_mib()) << 20;
}

absl::StatusOr<StoragePlan> PlanStorage(const Job& job, const TrainingData& data,
                                        const Placement& placement, int rank, ProcessRoom room) {
  const std::vector<TableSpec> specs = data.Tables();
  const std::vector<RowStore::Table> tables = StoredTables(specs, job);
  const Partitioning partitioning = placement.partitioning();
  const SeatRange range = placement.servers().RangeOnRank(rank);
  const std::uint64_t rows = SlabStore::BytesFor(tables, partitioning, range);
  RankShape shape = {
      .tables = tables,
      .range = range,
      .rank = rank,
      .rows = rows,
      .training = ShareOf(data.split.training_count() * BytesPerSample(job, data), placement, rank),
      .validation = ShareOf(data.split.validation_count() * PartitionSamples::kBytesPerSample,
                            placement, rank),
      .about_samples = AboutSamplesBytes(job, data, placement, rank)};
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
  const std::uint64_t beside = BesideBytes(job, data, placement, rank, room.ranks_on_host);
  StoragePlan plan = {.partitions = range.size(), .frames = range.size(), .beside = beside};
  // Between ranks items are in the store and on their way.
  const std::uint64_t under_way = placement.ranks() > 1 ? item_partition * range.size() : 0;
  plan.memory = rows + under_way + shape.samples();
  const std::uint64_t budget = MemoryBudget(job);
  const std::uint64_t limit = budget > 0 ? budget : room.bytes;
  const std::uint64_t needed = plan.memory + (budget > 0 ? 0 : beside);
  if (limit == 0 || needed < limit) {
    // Of a machine's memory half of what is left stays free for everything else.
    const std::uint64_t left = limit == 0   ? ~std::uint64_t{0}
                               : budget > 0 ? limit - needed
                                            : (limit - needed) / 2;
    plan.snapshot_copies = SnapshotCopies(job, rows, range.size(), left);
    plan.memory += plan.snapshot_copies;
    return plan;
  }
  if (budget == 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "rank ", rank, " needs ", Mib(needed), " MiB, ", Mib(rows + under_way),
        " of them for its rows, ", Mib(shape.samples()), " for its samples and ", Mib(beside),
        " for all else, and may use ", limit >> 20,
        " MiB: start ranks on more hosts, ask for more memory, choose smaller vectors, or give a "
        "budget (--memory), so that rows can be on disk"));
  }
  shape.in_memory = plan.memory;
  shape.item_partition = item_partition;
  absl::StatusOr<StoragePlan> on_disk = blocks
                                            ? PlanPartitions(job, data, placement, shape, budget)
                                            : PlanRows(job, data, placement, shape, budget, beside);
  if (on_disk.ok()) on_disk->beside = beside;
  return on_disk;
}

MakeRowStore StoreOf(StoreOptions options) {
  return [options = std::move(options)](
             std::span<const RowStore::Table> tables, Partitioning partitioning,
             SeatRange range) -> absl::StatusOr<std::unique_ptr<RowStore>> {
    if (options.row_bytes > 0) {
      return CachedStore::Open({.tables = {tables.begin(), tables.end()},
                                .partitioning = partitioning,
                                .range = range,
                                .bytes = options.row_bytes,
                                .directory = options.directory});
    }
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

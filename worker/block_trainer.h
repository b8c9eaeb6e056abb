#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <absl/status/status.h>

#include "common/base/profile.h"
#include "common/kernels/kernels.h"
#include "common/kernels/objective.h"
#include "common/model/block_schedule.h"
#include "common/model/layout.h"
#include "common/rows/block_rows.h"
#include "worker/block_samples.h"
#include "worker/minibatch.h"

namespace cf {

/// Works through the samples of one worker seat by the schedule BLOCKS: block after block, in
/// conflict-free sub-batches of B / P samples whose steps it applies at once. While a block lasts,
/// its rows stay in the caches.
///
/// The block of user partition p in sub-epoch s needs that of p in s - 1 and that of p + 1 in s - 1,
/// whose items it goes on with, round the ring of partitions. In whichever order blocks are taken
/// that keeps to that, the bits are the same.
///
/// No deadlock, whichever order each seat has: of all user partitions of the job take one that is
/// least far ahead. Nothing that its next block needs is still to do, and what its seat waits for is
/// never more than that: with kSubEpochs a seat waits for the block of a partition that is least far
/// ahead in it, with kWave only when none of its partitions can go on. Nobody waits to send.
///
/// Owner:   the seat's process, one for each compute thread.
/// Threads: the seat's compute thread.
/// Bounds:  the seat's samples, 8 bytes for each row of its largest partition, and the gradients of
///          a sub-batch; no allocation and no system call a sample.
class BlockTrainer {
 public:
  enum class Order : std::uint8_t {
    kSubEpochs,  ///< All partitions of the range in one sub-epoch, ascending, then in the next.
    /// Partition after partition, descending, each in as many sub-epochs as its neighbour allows: a
    /// whole round where one seat has all of them. A partition then comes into memory once for so
    /// many blocks.
    kWave,
  };
  struct Options {
    SeatRange range;  ///< Of the seat's partitions.
    BlockSchedule schedule;
    Order order = Order::kSubEpochs;
    std::uint32_t batch_size = 0;  ///< B.
    std::uint32_t users = 0;
    std::uint32_t items = 0;
    RowLayout layout;  ///< Of users and of items.
    Objective objective;
    std::uint64_t shuffle_seed = 0;
    const KernelSet* kernels = nullptr;  ///< Borrowed, as are the next.
    BlockRows* rows = nullptr;
    Profile* profile = nullptr;  ///< Of the same thread; null for none.
  };

  /// `samples`: by partition of the range; not looked at afterwards.
  BlockTrainer(const Options& options, std::span<const PartitionSamples> samples);

  /// Sub-epochs `first` to `last` - 1 of `epoch` (both counted from 0). `first_step` is the global
  /// step before the epoch's first; `sums`, by partition of the range, are added to. The exchange's
  /// error if a peer is lost.
  struct Segment {
    std::uint64_t epoch = 0;
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::uint64_t first_step = 0;
  };
  absl::Status Train(const Segment& segment, std::span<ObjectiveSums> sums);

 private:
  // The rows of one table that a sub-batch touches, each once, in the order of their first use.
  class Side {
   public:
    // Room for `entries` rows of a table whose partitions have at most `slots`.
    Side(std::uint32_t slots, std::size_t entries, const RowLayout& layout);

    void Clear();
    // The entry of the row in `slot`, and whether it is new.
    struct Touched {
      std::uint32_t entry = 0;
      bool is_first = false;
    };
    Touched Touch(std::uint32_t slot, const SlabRows& from);
    void Prefetch(std::uint32_t slot) const { __builtin_prefetch(&places_[slot], 1); }

    std::span<const std::uint32_t> slots() const { return slots_; }
    const float* const* rows() const { return rows_.data(); }
    const std::uint8_t* has_one() const { return has_one_.data(); }
    float* sums() { return sums_; }
    RowGradient* gradients() { return gradients_.data(); }
    SlotGradients ToApply() const { return {.slots = slots_, .gradients = gradients_}; }

   private:
    struct Place {
      std::uint32_t batch = 0;  // In which the entry is valid.
      std::uint32_t entry = 0;
    };
    RowLayout layout_;
    std::vector<Place> places_;  // By slot.
    std::uint32_t batch_ = 0;
    std::vector<std::uint32_t> slots_;    // By entry, as the next.
    std::vector<const float*> rows_;      // Weights.
    std::vector<std::uint8_t> has_one_;   // Whether only one sample has touched it.
    std::vector<RowGradient> gradients_;  // All of them sums before the kernel has run.
    std::vector<float> memory_;
    float* sums_ = nullptr;  // Aligned in memory_: gradient_stride floats an entry.
  };

  absl::Status TrainSubEpochs(const Segment& segment, std::span<ObjectiveSums> sums);
  absl::Status TrainWave(const Segment& segment, std::span<ObjectiveSums> sums);
  // The blocks of partition `k` of the range that can be worked on now, from sub-epoch next[k] on,
  // which is then the first of those that cannot.
  absl::Status Visit(const Segment& segment, std::uint32_t k, std::vector<std::uint64_t>& next,
                     ObjectiveSums& sums);
  std::uint64_t SubEpochAt(const Segment& segment, std::uint64_t j) const {
    return segment.epoch * options_.schedule.sub_epochs() + j;
  }
  PartitionId PartitionAt(std::uint32_t k) const { return PartitionId{options_.range.first + k}; }
  absl::StatusOr<SlabRows> TakeUsers(PartitionId p);
  absl::StatusOr<SlabRows> TakeItems(PartitionId q, std::uint64_t sub_epoch);
  void PassItems(PartitionId q, std::uint64_t sub_epoch);
  std::span<const BlockSample> SamplesOf(const Segment& segment, std::uint64_t j, PartitionId p,
                                         PartitionId q);
  // Takes the items of the block, works through it, and passes them on.
  absl::Status TrainBlock(const Segment& segment, std::uint64_t j, PartitionId p,
                          const SlabRows& user_rows, ObjectiveSums& sums);
  void Make(std::span<const BlockSample> samples, const SlabRows& user_rows,
            const SlabRows& item_rows);

  std::uint32_t SlotsMax(std::uint32_t rows) const;
  std::size_t EntriesMax(std::span<const PartitionSamples> samples) const;

  const Options options_;
  const std::uint32_t sub_batch_;      // Samples at most.
  std::vector<BlockSamples> samples_;  // By partition of the range.
  Side users_;
  Side items_;
  std::vector<PairSample> pairs_;  // Of the sub-batch.
};

}  // namespace cf

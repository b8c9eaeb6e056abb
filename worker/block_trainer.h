#pragma once

#include <cstdint>
#include <functional>
#include <optional>
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
#include "worker/moving_samples.h"
#include "worker/wave.h"

namespace cf {

/// Works through blocks of samples of a rank's users by the schedule BLOCKS, in conflict-free
/// sub-batches of B / P samples whose steps it applies at once. While a block lasts, its rows stay in
/// the caches; while a visit lasts, so do its users' where they fit.
///
/// The block of user partition p in sub-epoch s needs that of p in s - 1 and that of p + 1 in s - 1,
/// whose items it goes on with, round the ring of partitions. In whichever order blocks are taken
/// that keeps to that, the bits are the same. The order is Wave's, which has the visits; a block waits
/// for its items.
///
/// Owner:   Member, one for each compute thread.
/// Threads: the compute thread.
/// Bounds:  8 bytes for each row of the largest partition, and the gradients of a sub-batch; no
///          allocation and no system call a sample.
class BlockTrainer {
 public:
  using Clock = BlockRows::Clock;
  struct Options {
    BlockSchedule schedule;
    std::uint32_t batch_size = 0;  ///< B.
    std::uint32_t users = 0;
    std::uint32_t items = 0;
    RowLayout layout;  ///< Of users and of items.
    Objective objective;
    std::uint64_t shuffle_seed = 0;
    const KernelSet* kernels = nullptr;  ///< Borrowed, as are the next.
    Wave* wave = nullptr;                ///< Shared with the other threads of the rank,
    RankSamples* samples = nullptr;      ///< as are these.
    BlockRows* rows = nullptr;
    /// Called when users have come to the end of their epoch, while they are in memory. An error ends
    /// training.
    std::function<absl::Status(PartitionId)> at_epoch_end = nullptr;
    Profile* profile = nullptr;  ///< Of the same thread; null for none.
  };

  explicit BlockTrainer(const Options& options);

  /// Takes part in the wave, which has begun, until it has no more visits, or until `deadline`, but
  /// for a block whose items are there:
  /// sub-epochs of `epoch`, counted from 0. `first_step` is the global step before the epoch's
  /// first; `sums`, by partition of the rank, are added to. The exchange's error if a peer is lost,
  /// the disk's if users or samples cannot be read.
  struct Segment {
    std::uint64_t epoch = 0;
    std::uint64_t first_step = 0;
    Clock::time_point deadline = Clock::time_point::max();
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

  struct Block {
    PartitionId p{};
    PartitionId q{};
    std::uint64_t j = 0;  // Sub-epoch of the epoch.
    BlockRounds* samples = nullptr;
    SlabRows user_rows;
    SlabRows item_rows;
  };

  // From sub-epoch `next` on, which is then the one that comes next.
  absl::Status TrainVisit(const Segment& segment, const Wave::Visit& visit, std::uint64_t& next,
                          ObjectiveSums& sums);
  std::uint64_t SubEpochAt(const Segment& segment, std::uint64_t j) const {
    return segment.epoch * options_.schedule.sub_epochs() + j;
  }
  absl::StatusOr<SlabRows> TakeUsers(PartitionId p);
  absl::StatusOr<BlockRounds*> TakeSamples(PartitionId p);
  // Has what comes after this visit be read ahead.
  void AnnounceVisits();
  absl::StatusOr<std::optional<SlabRows>> TakeItems(PartitionId q, const Segment& segment,
                                                    std::uint64_t j);
  absl::Status PassItems(PartitionId q, std::uint64_t sub_epoch);
  BlockRound SamplesOf(const Segment& segment, const Block& block);
  void TrainBlock(const Segment& segment, const Block& block, ObjectiveSums& sums);
  void Make(std::span<const BlockSample> samples, const SlabRows& user_rows,
            const SlabRows& item_rows);

  std::uint32_t SlotsMax(std::uint32_t rows) const;
  std::size_t EntriesMax() const;

  const Options options_;
  const std::uint32_t sub_batch_;  // Samples at most.
  Side users_;
  Side items_;
  std::vector<BlockSample> taken_;  // The samples of the sub-batch,
  std::vector<PairSample> pairs_;   // and what the kernel knows of them.
};

}  // namespace cf

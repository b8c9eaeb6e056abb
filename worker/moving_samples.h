#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/base/partition.h"
#include "common/base/piece_file.h"
#include "common/dataset/dataset.h"
#include "common/dataset/split.h"
#include "worker/block_samples.h"

namespace cf {

/// The training samples of user partitions that do not stay in memory (BLOCKS): a file has them by
/// partition and block, and they are in memory, in one of a few frames, while the partition is worked
/// on. They are only read.
///
/// Shuffled orders are not kept: each round shuffles a block anew, as far as it needs.
///
/// Owner:   RankSamples.
/// Threads: any compute thread; one of its own reads ahead. A partition is pinned by one at a time.
/// Bounds:  FrameBytes for each frame, and an order of the largest block; on disk some 8 or 12 bytes a
///          sample, and 12 more while the file is made, in memory 24 for the largest partition then.
class MovingSamples {
 public:
  struct Options {
    const Dataset* data = nullptr;  ///< Borrowed for Open only, as is the next.
    const DataSplit* split = nullptr;
    Partitioning partitioning{1};
    SeatRange range{};
    std::vector<bool> stays = {};  ///< By partition of the range: who has none here.
    std::uint32_t threads = 1;     ///< That pin partitions.
    std::string folder;            ///< Where the file is made.
  };

  /// The frames for so many threads: what each works on, and what comes next.
  static constexpr std::uint32_t FramesFor(std::uint32_t threads) { return 2 * threads; }
  /// What the `samples` samples of a partition take on disk, and in memory beside the order of a
  /// block.
  static std::size_t FrameBytes(std::uint64_t samples, Partitioning partitioning,
                                std::uint32_t users, std::uint32_t items);

  /// Makes the file. Errors of the disk name its path.
  static absl::StatusOr<std::unique_ptr<MovingSamples>> Open(const Options& options);
  ~MovingSamples();

  /// Samples of the partition with the most.
  std::uint64_t largest() const { return largest_; }

  /// The partition is pinned soon. A hint.
  void Announce(PartitionId partition);
  /// Its samples, which hold until Release; the error of reading them, here and from then on.
  absl::StatusOr<BlockRounds*> Pin(PartitionId partition);
  void Release(PartitionId partition);

 private:
  // The samples of one partition: where each block ends, then sample after sample.
  class Frame : public BlockRounds {
   public:
    Frame(std::size_t bytes, Partitioning partitioning, bool small)
        : bytes_(MakePages(bytes)), partitioning_(partitioning), small_(small) {}

    std::span<std::byte> BytesFor(PartitionId partition, std::size_t bytes) {
      partition_ = partition;
      return {bytes_.get(), bytes};
    }
    PartitionId partition() const { return partition_; }
    BlockRound Round(PartitionId q, std::uint64_t seed, std::uint64_t epoch, std::uint32_t round,
                     std::uint32_t rounds) override;

   private:
    Pages bytes_;
    Partitioning partitioning_;
    bool small_;
    PartitionId partition_{};
    // Of the block that was asked for last.
    std::variant<std::vector<std::uint16_t>, std::vector<std::uint32_t>> order_;
  };
  struct Place {
    enum class State : std::uint8_t { kFree, kReading, kHere };
    Frame frame;
    State state = State::kFree;
    bool pinned = false;
    bool announced = false;  // And not pinned since.
  };
  using Lock = std::unique_lock<std::mutex>;

  // Reads what is in canonical order, and writes it by block.
  static absl::Status SortBlocks(const Options& options, const PieceFile& canonical,
                                 PieceFile& into);
  MovingSamples(const Options& options, std::unique_ptr<PieceFile> file, std::uint64_t largest);

  // Null where the partition is not in memory, nor on its way there.
  Place* Find(PartitionId partition);
  // One that may be used for another partition; null where there is none. `for_pin`: what was only
  // announced gives way, too.
  Place* FindRoom(bool for_pin);
  void Read(Lock& lock, Place& place, PartitionId partition);
  // On its own thread.
  void ReadAhead(const std::stop_token& stop);

  const SeatRange range_;
  const std::unique_ptr<PieceFile> file_;
  const std::uint64_t largest_;

  std::mutex mutex_;
  std::condition_variable_any changes_;  // Of everything below.
  std::vector<Place> places_;  // Guarded by mutex_, as are the next; bytes by their state.
  std::deque<PartitionId> announced_;
  absl::Status failed_;
  std::jthread reader_;  // Uses all of the above.
};

/// The training samples of all user partitions of a rank: of those that stay in memory, and of those
/// that move.
///
/// Owner:   Member.
/// Threads: any compute thread.
/// Bounds:  those of its parts.
class RankSamples {
 public:
  /// `stay`: by partition of the rank, as `moves`, which says whose samples are in `moving` instead.
  RankSamples(SeatRange range, std::vector<BlockSamples> stay,
              std::unique_ptr<MovingSamples> moving, std::vector<bool> moves);

  SeatRange range() const { return range_; }
  /// Samples of the partition with the most.
  std::uint64_t largest() const;

  /// As those of MovingSamples; of what stays they do nothing.
  void Announce(PartitionId partition);
  absl::StatusOr<BlockRounds*> Pin(PartitionId partition);
  void Release(PartitionId partition);

 private:
  bool Moves(PartitionId partition) const { return moves_[Index(partition) - range_.first]; }

  const SeatRange range_;
  std::vector<BlockSamples> stay_;
  const std::unique_ptr<MovingSamples> moving_;
  const std::vector<bool> moves_;
};

}  // namespace cf

#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/base/partition.h"
#include "paramserver/changed_rows.h"
#include "paramserver/forwarded_rows.h"
#include "paramserver/row_extents.h"
#include "paramserver/row_mover.h"
#include "paramserver/row_store.h"

namespace cf {

/// The rows of one length that one thread hosts: as many in memory as there are frames, the others on
/// disk, and those that nobody has changed nowhere, since they are made anew.
///
/// The row that goes is, of some that are looked at, the one that will be wanted last: by what was
/// foreseen of it, or else by how often it was used (docs/results.md, beyond memory: how near this
/// comes to knowing the future). How often a row was used is remembered while it is away, too, and
/// fades, so that a pass over all rows drives nobody out that is used often. Only a row that differs
/// from what is on disk is written when it leaves; where it is known when it comes again, a copy goes
/// to that batch, too (ForwardedRows).
///
/// Owner:   CachedStore, for each compute thread and each length of rows.
/// Threads: the compute thread's.
/// Bounds:  FrameBytes for each frame, PlaceBytes for each row, and those of RowExtents.
/// Invariants: of a row there is one place that counts: its frame, its extent, or none where it is as
///             it was made. A copy that is current is as the extent has it.
class RowCache {
 public:
  struct Options {
    std::vector<RowStore::Table> tables;  ///< Of the whole job.
    std::vector<TableId> cached;          ///< Those of them that it has, of one stride.
    Partitioning partitioning{1};
    SeatRange range{};           ///< The thread's partitions.
    std::uint32_t frames = 0;    ///< At most kFramesMax.
    float* memory = nullptr;     ///< For the frames, 64-byte aligned. Borrowed, as are the others.
    std::byte* about = nullptr;  ///< For what is known of rows: AboutBytes, 64-byte aligned.
    const RowMaker* maker = nullptr;
    ChangedRows* changed = nullptr;
    RowMover* mover = nullptr;
    RowExtents* extents = nullptr;       ///< Of the same tables and partitions.
    ForwardedRows* forwarded = nullptr;  ///< The same; null where rows come one by one only.
  };

  /// Of a row's place 26 bits say where it is.
  static constexpr std::uint32_t kFramesMax = (1U << 26) - 1 - RowExtents::kNone;

  /// The memory of a frame with its row, and of what is known of a row wherever it is.
  static std::size_t FrameBytes(std::size_t stride) {
    return sizeof(Frame) + stride * sizeof(float);
  }
  static std::size_t PlaceBytes() { return sizeof(Place); }

  /// What of that is in one piece: of so many frames and rows.
  static std::size_t AboutBytes(std::uint64_t frames, std::uint64_t rows) {
    return frames * sizeof(Frame) + rows * sizeof(Place);
  }

  explicit RowCache(Options options);
  ~RowCache();

  /// What RowStore promises of the same names.
  void Announce(TableId table, std::span<const RowId> ids);
  void Foresee(TableId table, std::span<const RowId> ids, std::span<const std::uint16_t> batches);
  absl::Status Pin(TableId table, std::span<const RowId> ids, RowStore::Access access,
                   std::span<float*> rows);
  void Release(TableId table, std::span<const RowId> ids);
  absl::Status Visit(TableId table, PartitionId partition, RowStore::Which which,
                     RowStore::Visitor visit);

  struct Figures {
    std::uint64_t pins = 0;
    std::uint64_t misses = 0;  ///< Rows that had to be brought alone,
    std::uint64_t made = 0;    ///< and of them those that nobody had changed.
    std::uint64_t came = 0;    ///< Rows that came with others, before they were wanted.
  };
  const Figures& figures() const { return figures_; }

 private:
  // Of the copy that ForwardedRows have.
  enum class Forwarded : std::uint8_t {
    kNone,
    kCurrent,
    kOutOfDate,  // Another would be taken for it, and so the row gets none until it has come.
  };
  // Where a row is (26 bits), and what there is of a copy (2), and how often it was used (4) while it
  // is not in a frame.
  class Place {
   public:
    Place(std::uint32_t where, std::uint32_t uses, Forwarded forwarded = Forwarded::kNone)
        : bits_(std::min(uses, kPlaceUsesMax) << (kWhereBits + kForwardedBits) |
                static_cast<std::uint32_t>(forwarded) << kWhereBits | where) {}
    std::uint32_t where() const { return bits_ & kNowhere; }
    Forwarded forwarded() const {
      return static_cast<Forwarded>(bits_ >> kWhereBits & ((1U << kForwardedBits) - 1));
    }
    std::uint8_t uses() const {
      return static_cast<std::uint8_t>(bits_ >> (kWhereBits + kForwardedBits));
    }

   private:
    std::uint32_t bits_;
  };
  static constexpr std::uint32_t kWhereBits = 26;
  static constexpr std::uint32_t kForwardedBits = 2;
  static constexpr std::uint32_t kPlaceUsesMax = 15;
  // Above all frames are the positions in extents, and above these:
  static constexpr std::uint32_t kNowhere = (1U << 26) - 1;  // As it was made.
  static constexpr std::uint32_t kNone = RowExtents::kNone;
  static constexpr std::uint8_t kUsesMax = 63;

  struct Frame {
    RowId id{};
    std::uint32_t position = kNone;  // In its extent, of what it was when it came; kNone if made.
    std::uint32_t next = 0;  // The batch that wants it next, as was foreseen; else one in the past.
    std::uint16_t pins = 0;
    std::uint8_t table = 0;
    std::uint8_t uses = 0;
    bool differs = false;    // From that, which is then out of date.
    bool announced = false;  // And not pinned since.
    Forwarded forwarded = Forwarded::kNone;
    std::atomic<RowMover::Progress> progress{RowMover::Progress::kDone};  // Of being read.
  };

  Place& PlaceOf(TableId table, RowId id) {
    const PartitionId partition = options_.partitioning.Of(id);
    return places_[Index(table)][Index(partition) - options_.range.first]
                  [options_.partitioning.SlotOf(id)];
  }
  RowKey KeyOf(TableId table, RowId id) const {
    return {.table = table,
            .partition = options_.partitioning.Of(id),
            .slot = options_.partitioning.SlotOf(id)};
  }
  std::span<float> RowAt(std::uint32_t frame) const {
    return {options_.memory + frame * stride_, stride_};
  }
  bool IsFrame(std::uint32_t where) const { return where < options_.frames; }
  // kNone where the row is in a frame or nowhere.
  static std::uint32_t PositionAt(std::uint32_t where) {
    return where < kFramesMax || where == kNowhere ? kNone : where - kFramesMax;
  }
  static std::uint32_t WhereAt(std::uint32_t position) {
    return position == kNone ? kNowhere : kFramesMax + position;
  }
  bool IsReading(const Frame& frame) const {
    return frame.progress.load(std::memory_order_acquire) != RowMover::Progress::kDone;
  }
  // Has the processor fetch what the loop over `ids` that is at k looks at soon.
  void Fetch(TableId table, std::span<const RowId> ids, std::size_t k);
  // Waits for what is read into the frame.
  void AwaitRow(std::uint32_t frame);

  enum class Need : std::uint8_t { kNow, kSoon };
  // Gives the row a frame and has it come there. Nothing where there is no frame: for kSoon none that
  // nobody is about to use.
  std::optional<std::uint32_t> Bring(TableId table, RowId id, Place& place, Need need);
  std::optional<std::uint32_t> TakeFrame(Need need);
  // At how many places frames are looked at for that: more come little nearer to the last of all.
  static constexpr std::uint32_t kPlacesLookedAt = 8;
  // Of some frames the one whose row is wanted last.
  std::optional<std::uint32_t> LastWanted();
  std::optional<std::uint32_t> AnyUnpinned();
  void Evict(std::uint32_t frame);
  // A copy comes back.
  void Receive(const ForwardedRows::Copy& copy);
  // Writes the row: its position.
  std::uint32_t Store(RowKey key, std::span<const float> row);
  absl::Status Pack(RowKey key);
  void PackWhatIsReady();
  void BeginReads();
  // Whether so many of the rows with slots first to last - 1 that a visit wants are on disk that
  // their extent is better read whole.
  bool IsWantedWhole(TableId table, PartitionId partition, RowExtents::Run run,
                     RowStore::Which which) const;
  void CountUse(Frame& frame);
  // Halves the counts so often.
  void Fade(std::uint32_t times);
  // Of rows that were used so often.
  void FindGaps();
  // In how many batches the row may be wanted next.
  float GapOf(const Frame& frame) const {
    return frame.next > now_ ? static_cast<float>(frame.next - now_) : gaps_[frame.uses];
  }
  std::uint32_t Random(std::uint32_t below);

  const Options options_;
  const std::size_t stride_;
  std::uint64_t uses_max_;  // Of all rows together, before they fade.
  Frame* const frames_;
  std::vector<std::vector<std::span<Place>>> places_;  // By table, partition of the range, slot.
  std::uint32_t taken_ = 0;                            // Frames that have had a row.
  std::uint64_t uses_ = 0;                             // Since they faded.
  std::uint32_t now_ = 0;                              // Batches of which something was foreseen.
  float counted_ = 1;        // Of how many batches uses are counted: when they faded,
  std::uint32_t faded_ = 0;  // which was at this batch.
  std::array<float, kUsesMax + 1> gaps_{};  // By uses: between these, in batches.
  std::uint64_t random_ = 0;
  std::array<std::uint32_t, kPlacesLookedAt> looked_at_{};  // By the next LastWanted.
  std::vector<RowMover::Read> reads_;                       // Not begun yet.
  std::vector<std::uint32_t> positions_;                    // Of Pack.
  std::vector<float> scratch_;                              // Of Visit: a row.
  Figures figures_;
};

}  // namespace cf

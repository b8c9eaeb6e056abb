#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/rows/parcel.h"
#include "common/rpc/doorbell.h"
#include "common/rpc/ring.h"

namespace cf {

/// Where the parcels of one exchange meet the thread that waits for them: all of a turn, in the order
/// of their sources, or one after the other as they come. A parcel is handed over by another thread
/// of the process, which may have it from the mesh, or lies in a ring that another process writes; a
/// source may use both ways in turn.
///
/// Owner:   Exchange, one for each seat of each role in this process.
/// Threads: Deliver, AttachRing, SetSpins, Wake and Close from any (the I/O thread, another compute
///          thread); the Awaits from one, the seat's own or whoever takes its place; TakeAny from
///          one at a time.
/// Bounds:  `depth` parcels of each source: nobody sends the next before the receiver has answered
///          the one that is `depth` turns before it. A wait has no deadline, but in AwaitArrivals: it
///          ends with a parcel or with Close, which whoever watches the ranks calls, and the thread's
///          Activity says for whom it waits.
class Mailbox {
 public:
  struct Options {
    std::uint32_t seats = 0;   ///< Parcels come from seats 0 to seats - 1, but for `absent`: the
    std::uint32_t absent = 0;  ///< receiver's own, served without one; `seats`: none is absent.
    std::uint32_t depth = 1;
    std::uint64_t ahead = 1;  ///< Turns from the due one on that may have come by another way.
    std::span<const RowLayout> layouts{};  ///< Of what comes through rings. Borrowed.
    Doorbell* bell = nullptr;              ///< That other processes can ring; null: one of its own.
    /// By seat: the rank that it is on, to say who is waited for; empty: that is not known.
    std::span<const int> ranks{};
  };
  explicit Mailbox(const Options& options);

  /// A parcel that is not due (one too many, or of a seat that sends none) closes the mailbox.
  void Deliver(Parcel parcel);

  /// From now on parcels of that seat may also come through `ring`, which is borrowed.
  void AttachRing(std::uint32_t from_seat, RingReader* ring);

  /// Whether a core is free for a waiter that does not sleep at once.
  void SetSpins(bool spins) { spins_.store(spins, std::memory_order_relaxed); }

  /// Waits for every source's parcel of `turn` and moves them out, in the order of the seats. The
  /// mailbox's error once it is closed: a peer was lost, or broke the protocol.
  absl::Status Await(std::uint64_t turn, std::vector<Parcel>& parcels);

  /// Whether Await would not wait long: every source has one here, or the mailbox is closed. Where
  /// a source's parcels take two ways, the one that is due may still be under way.
  bool IsReady();

  /// Takes a parcel that has come, of any source and turn; nothing where none has. Those of one
  /// source that took the same way come in the order of sending. Not to be mixed with Await.
  absl::StatusOr<std::optional<Parcel>> TakeAny();

  /// The same, and waits for one; `from_seat` is who is expected to send it.
  absl::StatusOr<Parcel> AwaitAny(std::uint32_t from_seat);

  /// How often something has come, or Wake was called, modulo 2^32. Where several threads take what
  /// comes, one may wait here for more than it has seen.
  std::uint32_t arrivals() const { return bell_->rung(); }
  /// Waits until arrivals() is no longer `seen`, or until `deadline`; the mailbox's error once it is
  /// closed. Not to be mixed with Await, as is the next.
  absl::Status AwaitArrivals(std::uint32_t from_seat, std::uint32_t seen,
                             Doorbell::Clock::time_point deadline);
  /// Has whoever waits in AwaitArrivals look again.
  void Wake() { bell_->Ring(); }

  /// Wakes whoever waits, now and later, with `why`. The first call counts. Requires: !why.ok().
  void Close(const absl::Status& why);

 private:
  /// What one source has sent and the receiver has not taken.
  struct Source {
    std::atomic<RingReader*> ring{nullptr};
    // Handed over: a ring of at most `depth`, which grows when it must. Guarded by mutex_.
    std::vector<Parcel> handed;
    std::size_t first = 0;
    std::size_t count = 0;
  };

  // How many parcels are missing for certain, when the bell has rung so often: each rings once. Of
  // many sources, looking at each costs more than the bell's one word.
  std::uint32_t Missing(std::uint32_t rung) const;

  bool HasOne(const Source& source);
  // The rank of the first source without a parcel, or of `from`.
  int FirstAwaited();
  int RankOf(std::uint32_t from) const;
  // Sleeps until `more` parcels have rung since `seen`, or it is closed, or until `deadline`.
  void Sleep(int whom, std::uint32_t seen, std::uint32_t more,
             Doorbell::Clock::time_point deadline = Doorbell::kNoDeadline);

  enum class Next { kNone, kInRing, kHanded };

  // Where the source's parcel of `turn` is. An error, after which the mailbox is closed, if what
  // is there cannot be followed by it.
  absl::StatusOr<Next> Find(Source& source, std::uint32_t from, std::uint64_t turn);
  absl::StatusOr<Parcel> Take(Source& source, std::uint32_t from, std::uint64_t turn);
  absl::StatusOr<Parcel> TakeFromRing(RingReader& ring, std::uint32_t from);
  Parcel TakeHanded(Source& source);  // Requires: mutex_ is held, and there is one.
  absl::Status Fail(absl::Status why);
  absl::Status closed();

  const Options options_;
  const std::uint32_t expected_;
  Doorbell own_bell_;
  Doorbell* const bell_;
  std::atomic<bool> spins_{false};
  std::atomic<bool> is_closed_{false};

  std::vector<Source> sources_;  // By seat.
  std::uint32_t taken_ = 0;      // Parcels so far; on the seat's thread.

  // Parcels change threads here, and nowhere else.
  std::mutex mutex_;
  absl::Status closed_;  // Guarded by mutex_.
};

}  // namespace cf

#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/rows/parcel.h"
#include "common/rpc/doorbell.h"

namespace cf {

/// Where the parcels of one exchange meet the thread that waits for them, in the order in which
/// each source sent them.
///
/// Owner:   Exchange, one for each seat of each role in this process.
/// Threads: Deliver and Close from any (the I/O thread, another compute thread); the Awaits from
///          the seat's own.
/// Bounds:  `depth` parcels of each source: nobody sends the next before the receiver has answered
///          the one that is `depth` turns before it.
class Mailbox {
 public:
  struct Options {
    std::uint32_t seats = 0;   ///< Parcels come from seats 0 to seats - 1, but for `absent`: the
    std::uint32_t absent = 0;  ///< receiver's own, served without one; `seats`: none is absent.
    std::uint32_t depth = 1;
    bool spins = false;  ///< Whether a core is free for a waiter that does not sleep at once.
  };
  explicit Mailbox(const Options& options);

  /// A parcel that is not due (one too many, or of a seat that sends none) closes the mailbox.
  void Deliver(Parcel parcel);

  /// Waits for every source's parcel of `turn` and moves them out, in the order of the seats. The
  /// mailbox's error once it is closed: a peer was lost, or broke the protocol.
  absl::Status Await(std::uint64_t turn, std::vector<Parcel>& parcels);

  /// Whether Await would not wait: every source has one here, or the mailbox is closed.
  bool IsReady();

  /// Waits for the next parcel of one source, which must be of `turn`.
  absl::StatusOr<Parcel> AwaitFrom(std::uint32_t from_seat, std::uint64_t turn);

  /// Wakes whoever waits, now and later, with `why`. The first call counts. Requires: !why.ok().
  void Close(const absl::Status& why);

 private:
  /// What one source has sent and the receiver has not taken: a ring of at most `depth`, which
  /// grows when it must.
  struct Source {
    std::vector<Parcel> ring;
    std::size_t first = 0;
    std::size_t count = 0;
  };

  // All require mutex_.
  std::uint32_t SourcesHere() const;
  static Parcel TakeNext(Source& source);
  absl::Status NotDue(const Parcel& parcel, std::uint64_t turn);

  const Options options_;
  const std::uint32_t expected_;
  Doorbell doorbell_;

  // Parcels change threads here, and nowhere else.
  std::mutex mutex_;
  std::vector<Source> sources_;  // By seat. Guarded by mutex_, as is closed_.
  absl::Status closed_;
};

}  // namespace cf

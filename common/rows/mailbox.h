#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

#include <absl/status/status.h>

#include "common/rows/parcel.h"

namespace cf {

/// Where the parcels of one exchange meet the thread that waits for them: one from each source.
///
/// Owner:   Exchange, one for each seat of each role in this process.
/// Threads: Deliver and Close from any (the I/O thread, another compute thread); Await from the
/// seat's own. The mutex is there
///          because parcels change threads here, and nowhere else.
/// Bounds:  one parcel a source: nobody sends the next before the receiver has answered the last.
class Mailbox {
 public:
  /// Parcels come from seats 0 to seats - 1; `absent` (the receiver's own seat, served without a
  /// parcel) sends none; pass `seats` for none absent.
  Mailbox(std::uint32_t seats, std::uint32_t absent);

  /// A parcel that is not due (a second one, or of a seat that sends none) closes the mailbox.
  void Deliver(Parcel parcel);

  /// Waits for every source's parcel of `turn` and moves them out, in the order of the seats. The
  /// mailbox's error once it is closed: a peer was lost, or broke the protocol.
  absl::Status Await(std::uint64_t turn, std::vector<Parcel>& parcels);

  /// Wakes whoever waits, now and later, with `why`. The first call counts. Requires: !why.ok().
  void Close(const absl::Status& why);

 private:
  const std::uint32_t expected_;
  const std::uint32_t absent_;

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<Parcel> slots_;  // By source.  All below are guarded by mutex_.
  std::vector<bool> full_;     // By source.
  std::uint32_t count_ = 0;    // How many are full.
  absl::Status closed_;
};

}  // namespace cf

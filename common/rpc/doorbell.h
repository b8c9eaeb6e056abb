#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace cf {

/// Counts what has arrived for one thread and wakes it when enough has: the last of the senders
/// that it waits for does, so that it wakes once, however many they are. It may lie in memory that
/// several processes map; a mapping full of zeros is one that nobody has rung.
///
/// Owner:      the memory that it lies in.
/// Threads:    Ring and Break from any thread of any process that maps it; Await from one thread.
/// Invariants: a spurious return of Await is possible and harmless: the waiter looks again.
class Doorbell {
 public:
  /// How often it has rung, modulo 2^32. What was written before a Ring that this counts is
  /// visible.
  std::uint32_t rung() const { return rung_.load(std::memory_order_acquire); }

  /// The same, for whoever watches the waiter.
  const std::atomic<std::uint32_t>& counter() const { return rung_; }

  /// Says that one more thing has arrived.
  void Ring();

  using Clock = std::chrono::steady_clock;
  static constexpr Clock::time_point kNoDeadline = Clock::time_point::max();

  /// Waits until it has rung `more` times since it had rung `seen` times, or is broken, or until
  /// `deadline`. With `spins`, looks for up to 20 us before it sleeps.
  void Await(std::uint32_t seen, std::uint32_t more, bool spins,
             Clock::time_point deadline = kNoDeadline);

  /// Lets nobody wait any more, now and later.
  void Break();

 private:
  void Wake();

  // One line, which a neighbour does not write to.
  alignas(64) std::atomic<std::uint32_t> rung_{0};
  // kWaits | the count at which the waiter wants to be woken; 0: nobody waits.
  std::atomic<std::uint64_t> wake_at_{0};
  std::atomic<std::uint32_t> broken_{0};
};
static_assert(std::atomic<std::uint32_t>::is_always_lock_free &&
              std::atomic<std::uint64_t>::is_always_lock_free);

}  // namespace cf

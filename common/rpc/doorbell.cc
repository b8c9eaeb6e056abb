#include "common/rpc/doorbell.h"

#include <algorithm>
#include <chrono>
#include <climits>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace cf {
namespace {

constexpr std::uint64_t kWaits = std::uint64_t{1} << 32;
constexpr std::chrono::microseconds kSpinMax{20};
/// Looks between two looks at the clock, which costs as much as some ten of them.
constexpr int kLooksPerClock = 32;

// Not the private kind: other processes wake the word, too.
void Futex(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value,
           const timespec* longest = nullptr) {
  ::syscall(SYS_futex, &word, operation, value, longest, nullptr, 0);
}

/// Sleeps while the word is `value`, and until `deadline` at most.
void SleepWhile(std::atomic<std::uint32_t>& word, std::uint32_t value,
                Doorbell::Clock::time_point deadline) {
  if (deadline == Doorbell::kNoDeadline) return Futex(word, FUTEX_WAIT, value);
  const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::max(Doorbell::Clock::duration::zero(), deadline - Doorbell::Clock::now()));
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
  const timespec longest{.tv_sec = seconds.count(), .tv_nsec = (left - seconds).count()};
  Futex(word, FUTEX_WAIT, value, &longest);
}

}  // namespace

void Doorbell::Ring() {
  // Both in the one order of all such accesses, as are the waiter's: either this sees that somebody
  // waits, or the waiter sees that it has rung.
  const std::uint32_t rung = rung_.fetch_add(1, std::memory_order_seq_cst) + 1;
  const std::uint64_t wake_at = wake_at_.load(std::memory_order_seq_cst);
  if (wake_at == 0) return;
  const auto beyond = static_cast<std::int32_t>(rung - static_cast<std::uint32_t>(wake_at));
  if (beyond >= 0) Wake();
}

void Doorbell::Wake() {
  if (wake_at_.exchange(0, std::memory_order_seq_cst) != 0) Futex(rung_, FUTEX_WAKE, INT_MAX);
}

void Doorbell::Break() {
  broken_.store(1, std::memory_order_seq_cst);
  rung_.fetch_add(1, std::memory_order_seq_cst);
  Wake();
}

void Doorbell::Await(std::uint32_t seen, std::uint32_t more, bool spins,
                     Clock::time_point deadline) {
  if (spins) {
    const Clock::time_point until = std::min(Clock::now() + kSpinMax, deadline);
    do {
      for (int look = 0; look < kLooksPerClock; ++look) {
        if (rung() - seen >= more) return;
        __builtin_ia32_pause();
      }
    } while (Clock::now() < until);
  }
  wake_at_.store(kWaits | (seen + more), std::memory_order_seq_cst);
  // The kernel sleeps only if it has not rung since it was read; from then on who rings it the last
  // time sees wake_at_.
  while (wake_at_.load(std::memory_order_seq_cst) != 0) {
    const std::uint32_t rung = rung_.load(std::memory_order_seq_cst);
    if (rung - seen >= more || broken_.load(std::memory_order_seq_cst) != 0) break;
    if (deadline != kNoDeadline && Clock::now() >= deadline) break;
    SleepWhile(rung_, rung, deadline);
  }
  wake_at_.store(0, std::memory_order_relaxed);
}

}  // namespace cf

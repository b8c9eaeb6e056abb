#pragma once

#include <atomic>
#include <cstdint>

namespace cf {

/// What a compute thread works at.
enum class Work : std::uint8_t {
  kNothing,    ///< The thread does not run, or nobody watches it.
  kLeading,    ///< Between two commands, as whoever gives them,
  kFollowing,  ///< and as whoever gets them.
  kLoading,
  kTraining,
  kValidating,
  kRanking,
  kInspecting,  ///< Looks through all rows.
  kSaving,
};
inline constexpr std::uint32_t kWorks = 9;

/// What one thread is doing, for others to see whether it gets on: it works at something, and ticks
/// as it does, or it waits for somebody else. What a thread does is known far below whoever watches
/// it (a parcel that is awaited, a row that is written), so the thread itself carries the pointer,
/// as it does its rounding mode; a thread without one ticks to nobody.
///
/// Owner:      whoever watches, one for each compute thread.
/// Threads:    Here, Doing, Waiting and Tick on the thread itself; Look and Arrive on any.
/// Bounds:     a tick is one store to a line that nobody else writes: cheap enough for every row.
/// Invariants: a thread that gets on changes `mark`. One that waits for what has come is no longer
///             waiting: it is about to go on, or hangs.
class Activity {
 public:
  /// Whom a thread waits for that does not wait for one rank.
  static constexpr int kAnybody = -1;
  static constexpr int kOutside = -2;  ///< Somebody who is not of the job: who reads its output.

  /// What a wait ends with: `counter`, which only grows (modulo 2^32), comes to `count`.
  struct Until {
    const std::atomic<std::uint32_t>* counter = nullptr;  ///< Null: it cannot be seen from here.
    std::uint32_t count = 0;
  };

  struct State {
    Work work = Work::kNothing;
    bool waits = false;
    int waits_for = kAnybody;  ///< A rank, or one of the above.
    std::uint64_t mark = 0;    ///< Another one whenever the thread has got on, or may go on.
  };

  Activity() = default;
  Activity(const Activity&) = delete;
  Activity& operator=(const Activity&) = delete;

  State Look() const;

  /// Another thread is done, of those that this one waits for.
  void Arrive() { arrived_.fetch_add(1, std::memory_order_seq_cst); }
  const std::atomic<std::uint32_t>& arrived() const { return arrived_; }

  /// For its life this thread's activity is `activity`, null for none, and its work `work`.
  class Here {
   public:
    Here(Activity* activity, Work work);
    ~Here();
    Here(const Here&) = delete;
    Here& operator=(const Here&) = delete;

   private:
    Activity* const outer_;
  };

  /// For its life this thread works at `work`.
  class Doing {
   public:
    explicit Doing(Work work);
    ~Doing();
    Doing(const Doing&) = delete;
    Doing& operator=(const Doing&) = delete;

   private:
    const Work outer_;
  };

  /// For its life this thread waits for `whom`. Requires: the counter outlives whoever looks.
  class Waiting {
   public:
    Waiting(int whom, Until until);
    ~Waiting();
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
  };

  /// This thread has got on.
  static void Tick() {
    if (here != nullptr) here->Set(here->low());
  }

  /// What this thread works at.
  static Work WorkHere();

 private:
  // The word: ticks in the high half, which every change counts; in the low half whom the thread
  // waits for, kWaits and the work.
  static constexpr std::uint32_t kWorkBits = 7;
  static constexpr std::uint32_t kWaits = 1U << kWorkBits;
  static constexpr std::uint32_t kWhomShift = kWorkBits + 1;
  static constexpr int kWhomOffset = 2;  // Makes kOutside a 0.

  std::uint32_t low() const {
    return static_cast<std::uint32_t>(word_.load(std::memory_order_relaxed));
  }
  void Set(std::uint32_t low) {
    const std::uint64_t ticks = (word_.load(std::memory_order_relaxed) >> 32) + 1;
    word_.store(ticks << 32 | low, std::memory_order_relaxed);
  }
  void SetWork(Work work) { Set(static_cast<std::uint32_t>(work)); }

  // A thread's own: no other reads or sets it.
  // NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables)
  static thread_local constinit inline Activity* here = nullptr;

  alignas(64) std::atomic<std::uint64_t> word_{0};
  // Of the last wait; looked at only while the word says that it lasts.
  std::atomic<const std::atomic<std::uint32_t>*> counter_{nullptr};
  std::atomic<std::uint32_t> count_{0};
  std::atomic<std::uint32_t> arrived_{0};
};

}  // namespace cf

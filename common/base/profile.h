#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace cf {

/// What a compute thread does in a step.
enum class Phase : std::uint8_t {
  kLoader,      ///< Shuffles the epoch's samples; collects the candidates of a batch.
  kUniqueIds,   ///< Reads a batch's samples, draws negatives, finds each row once.
  kPull,        ///< Finds or copies rows, for itself and for other seats.
  kGradient,    ///< The model, forward and backward.
  kMerge,       ///< Sums parts of gradients along the tree; collects those that arrived.
  kPush,        ///< Builds parcels and sends them.
  kApply,       ///< The optimizer.
  kWaitPushes,  ///< As a server, for the workers' gradients and wishes.
  kWaitRows,    ///< As a worker, for rows.
  kOther,       ///< What is left of the time.
};
inline constexpr std::size_t kPhases = 10;

/// Seconds by phase, each instant charged to the innermost Scope: the phases add up to the time
/// that the profile ran. A scope reads the processor's counter twice, 10 ns each: cheap enough for
/// some scopes in every step, too dear for one in every sample. The clock (25 ns) is read once a
/// Run, and says what a tick is worth.
///
/// Owner:      whoever measures, one for each compute thread.
/// Threads:    one at a time.
/// Invariants: nothing is charged while it is stopped, as between the commands of a job.
class Profile {
 public:
  using Clock = std::chrono::steady_clock;
  using Times = std::array<Clock::duration, kPhases>;  ///< By phase.
  struct Source {
    std::uint64_t (*ticks)() = [] {
      return std::uint64_t{__builtin_ia32_rdtsc()};
    };  ///< Of one rate.
    Clock::time_point (*now)() = &Clock::now;
  };

  Profile() : Profile(Source{}) {}
  explicit Profile(Source source) : source_(source) {}
  Profile(const Profile&) = delete;
  Profile& operator=(const Profile&) = delete;

  /// Runs the profile: time outside of every Scope is kOther's.
  class Run {
   public:
    explicit Run(Profile& profile) : profile_(profile) { profile.Start(); }
    ~Run() { profile_.Stop(); }
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;

   private:
    Profile& profile_;
  };

  /// Charges its life to `phase`, but for the lives of scopes within it. Does nothing while the
  /// profile is stopped, or where there is none.
  class Scope {
   public:
    Scope(Profile* profile, Phase phase)
        : profile_(profile != nullptr && profile->running_ ? profile : nullptr) {
      if (profile_ == nullptr) return;
      outer_ = profile_->current_;
      profile_->Enter(phase);
    }
    ~Scope() {
      if (profile_ != nullptr) profile_->Enter(outer_);
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Profile* const profile_;
    Phase outer_ = Phase::kOther;
  };

  /// What was charged since the last call.
  Times Take();

 private:
  void Start();
  void Stop();
  void Enter(Phase phase) {
    const std::uint64_t ticks = source_.ticks();
    ticks_[static_cast<std::size_t>(current_)] += ticks - since_;
    since_ = ticks;
    current_ = phase;
  }

  const Source source_;
  std::array<std::uint64_t, kPhases> ticks_{};  // By phase,
  Clock::duration ran_{};                       // and the time that all of them took.
  Clock::time_point started_{};
  std::uint64_t since_ = 0;  // When the current phase was entered.
  Phase current_ = Phase::kOther;
  bool running_ = false;
};

}  // namespace cf

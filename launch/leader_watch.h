#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

namespace cf {

/// Looks whether anybody holds a run. Where losses are survived mpirun goes on for as long as any
/// rank is there, were it one that is stopped, or whose host was lost, and nobody else.
///
/// Owner:   the call that runs a life.
/// Threads: one.
class LeaderWatch {
 public:
  using Clock = std::chrono::steady_clock;

  explicit LeaderWatch(std::string run, Clock::time_point now = Clock::now())
      : run_(std::move(run)), looked_(now) {}

  /// Whether the one who was seen to hold it, or was on this host and would be, is gone, and nobody has
  /// followed in the time that those who go on in place may need: 20 s and twice the cluster.timeout_seconds
  /// of the run's job. It is looked every other second; `now` never goes back.
  bool NobodyLeads(Clock::time_point now = Clock::now());

 private:
  const std::string run_;
  Clock::time_point looked_;
  Clock::time_point held_ = looked_;  // When it was last seen so.
  std::uint64_t generation_ = 0;
  bool seen_ = false;  // That somebody holds this generation, or would be seen to.
};

}  // namespace cf

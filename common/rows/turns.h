#pragma once

#include <algorithm>
#include <cstdint>

namespace cf {

/// How a run of steps goes through turns of the exchange, with a delay of d steps: turn k asks for
/// the rows of batch k and ends step k - 1 - d, whose gradients it carries; the rows are sent as
/// they are then. So batch t reads the state after step t - 1 - d of the run, or the one that the
/// run began with, and d turns may be under way while a batch is computed. A run begins and ends
/// with nothing under way.
///
/// Owner:   a value.
/// Threads: any.
struct StepTurns {
  std::uint64_t steps = 0;
  std::uint64_t delay = 0;

  constexpr std::uint64_t count() const { return steps + delay + 1; }
  constexpr bool BringsRows(std::uint64_t turn) const { return turn < steps; }
  constexpr bool EndsStep(std::uint64_t turn) const { return turn > delay; }
  /// Requires: EndsStep(turn).
  constexpr std::uint64_t StepEndedBy(std::uint64_t turn) const { return turn - 1 - delay; }
};

/// With a delay a run ends at these multiples of the steps of an epoch, whoever looks: a snapshot
/// can be taken there without changing what the batches read. A run's end costs the time that was
/// hidden, which is d steps at most where the delay is of use: a 64th of the run.
constexpr std::uint64_t StepsBetweenRests(std::uint64_t delay) {
  return 64 * delay;
}

/// Where the run ends that begins at `first` of an epoch's steps, if the steps up to `last` are to
/// be done.
constexpr std::uint64_t EndOfRun(std::uint64_t first, std::uint64_t last, std::uint64_t delay) {
  if (delay == 0) return last;
  const std::uint64_t between = StepsBetweenRests(delay);
  return std::min(last, (first / between + 1) * between);
}

/// The first place from `step` of an epoch on where nothing is under way, or the epoch's end.
constexpr std::uint64_t NextRest(std::uint64_t step, std::uint64_t steps_per_epoch,
                                 std::uint64_t delay) {
  if (delay == 0) return std::min(step, steps_per_epoch);
  const std::uint64_t between = StepsBetweenRests(delay);
  return std::min((step + between - 1) / between * between, steps_per_epoch);
}

}  // namespace cf

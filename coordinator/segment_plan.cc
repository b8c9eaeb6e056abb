#include "coordinator/segment_plan.h"

#include <algorithm>

#include "common/rows/turns.h"

namespace cf {
namespace {

// Long enough that a round trip of control messages does not count, short enough for a person who
// wants to stop.
constexpr std::chrono::duration<double> kSegment = std::chrono::milliseconds(200);
// A round brings every partition from disk once, and the end of a segment leaves none of them worth
// keeping: long enough that a round more or less does not count, if rounds are not longer still.
constexpr std::chrono::duration<double> kSegmentOfRounds = std::chrono::seconds(20);
// Parts of the first segment, before one was measured.
constexpr std::uint64_t kFirstSegment = 4;

}  // namespace

SegmentPlan::SegmentPlan(const Job& job, bool whole_rounds)
    : every_steps_(job.snapshot().every_steps()),
      delay_(job.train().delay()),
      whole_rounds_(whole_rounds) {
}

std::uint64_t SegmentPlan::EndOfRound(const JobState& state, std::uint64_t leg) {
  const std::uint64_t partitions = state.blocks->partitions();
  return (leg + partitions - 1) / partitions * partitions;
}

std::uint64_t SegmentPlan::EndOfNext(const JobState& state) const {
  const std::chrono::duration<double> length = whole_rounds_ ? kSegmentOfRounds : kSegment;
  std::uint64_t legs = whole_rounds_ ? 1 : kFirstSegment;
  if (seconds_per_leg_ > 0) {
    legs = static_cast<std::uint64_t>(
        std::max(1.0, std::min(1e15, length.count() / seconds_per_leg_)));
  }
  std::uint64_t last = std::min(state.leg + legs, state.legs_per_epoch);
  if (every_steps_ > 0) {
    const std::uint64_t due = state.step_in_epoch() + every_steps_ - state.step() % every_steps_;
    // With BLOCKS the first sub-epoch that ends there or later.
    const std::uint64_t leg =
        state.blocks.has_value()
            ? (due * state.legs_per_epoch + state.steps_per_epoch - 1) / state.steps_per_epoch
            : due;
    last = std::min(last, leg);
  }
  if (whole_rounds_) return EndOfRound(state, last);
  return NextRest(last, state.legs_per_epoch, delay_);
}

void SegmentPlan::Took(std::uint64_t legs, std::chrono::duration<double> time) {
  seconds_per_leg_ = time.count() / static_cast<double>(legs);
}

}  // namespace cf

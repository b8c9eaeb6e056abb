#include "coordinator/segment_plan.h"

#include <algorithm>

#include "common/rows/turns.h"

namespace cf {
namespace {

// Long enough that a round trip of control messages does not count, short enough for a person who
// wants to stop.
constexpr std::chrono::duration<double> kSegment = std::chrono::milliseconds(200);
// Threads that stop at a block have others wait for what they would have passed on, and begin anew.
constexpr std::chrono::milliseconds kSegmentByTime(500);
// Parts of the first segment, before one was measured.
constexpr std::uint64_t kFirstSegment = 4;

}  // namespace

SegmentPlan::SegmentPlan(const Job& job, bool by_time)
    : every_steps_(job.snapshot().every_steps()), delay_(job.train().delay()), by_time_(by_time) {
}

std::uint64_t SegmentPlan::EndOfNext(const JobState& state) const {
  if (by_time_) return state.legs_per_epoch;
  std::uint64_t legs = kFirstSegment;
  if (seconds_per_leg_ > 0) {
    legs = static_cast<std::uint64_t>(
        std::max(1.0, std::min(1e15, kSegment.count() / seconds_per_leg_)));
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
  return NextRest(last, state.legs_per_epoch, delay_);
}

std::optional<std::chrono::microseconds> SegmentPlan::Longest() const {
  if (!by_time_) return std::nullopt;
  return seconds_per_leg_ > 0 ? kSegmentByTime : std::chrono::microseconds(1);
}

void SegmentPlan::Took(double legs, std::chrono::duration<double> time) {
  if (legs > 0) seconds_per_leg_ = time.count() / legs;
}

}  // namespace cf

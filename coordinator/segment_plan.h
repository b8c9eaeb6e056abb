#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "common/config/job.pb.h"
#include "coordinator/job_state.h"

namespace cf {

/// Where the segments of an epoch end: between two of them the job draws, listens and takes
/// snapshots.
///
/// Owner:      Coordinator.
/// Threads:    one.
/// Bounds:     a segment lasts about kSegment, as the last one tells, or a leg where that is more. By
///             time kSegmentByTime, or a block where that is more; the first is a block.
/// Invariants: where a segment ends decides nothing that is computed.
class SegmentPlan {
 public:
  /// `by_time`: segments end after some time, wherever partitions are by then, as rows would have to
  /// come from disk for all of them to get to one leg: BLOCKS beyond memory.
  SegmentPlan(const Job& job, bool by_time);

  /// The leg of the epoch that the segment which begins at `state` ends before: one where nothing
  /// is under way, not behind the next step that a snapshot is due at.
  std::uint64_t EndOfNext(const JobState& state) const;

  /// How long it may last; nothing where it lasts until its end.
  std::optional<std::chrono::microseconds> Longest() const;

  /// What a segment took.
  void Took(double legs, std::chrono::duration<double> time);

 private:
  std::uint64_t every_steps_;  // That a snapshot is due; 0: not by steps.
  std::uint64_t delay_;
  bool by_time_;
  double seconds_per_leg_ = 0;  // As last measured; 0 before.
};

}  // namespace cf

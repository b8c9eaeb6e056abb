#pragma once

#include <chrono>
#include <cstdint>

#include "common/config/job.pb.h"
#include "coordinator/job_state.h"

namespace cf {

/// Where the segments of an epoch end: between two of them the job draws, listens and takes
/// snapshots.
///
/// Owner:      Coordinator.
/// Threads:    one.
/// Bounds:     a segment lasts about kSegment, as the last one tells, or a leg where that is more. In
///             whole rounds about kSegmentOfRounds, or a round where that is more.
/// Invariants: where a segment ends decides nothing that is computed.
class SegmentPlan {
 public:
  /// `whole_rounds`: segments end at the ends of rounds only, as rows have to come from disk at the
  /// beginning of each: BLOCKS beyond memory.
  SegmentPlan(const Job& job, bool whole_rounds);

  /// The leg of the epoch that the segment which begins at `state` ends before: one where nothing
  /// is under way, not behind the next step that a snapshot is due at.
  std::uint64_t EndOfNext(const JobState& state) const;

  /// What a segment took.
  void Took(std::uint64_t legs, std::chrono::duration<double> time);

 private:
  // The end of the round that `legs` end in, from `leg` on.
  static std::uint64_t EndOfRound(const JobState& state, std::uint64_t leg);

  std::uint64_t every_steps_;  // That a snapshot is due; 0: not by steps.
  std::uint64_t delay_;
  bool whole_rounds_;
  double seconds_per_leg_ = 0;  // As last measured; 0 before.
};

}  // namespace cf

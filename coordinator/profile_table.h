#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/control.pb.h"
#include "coordinator/job_observer.h"

namespace cf {

/// What training took, by rank: the sum of what members have reported, and the tables that
/// `--profile` shows (docs/profile.md).
///
/// Owner:   ProfileObserver, one for an epoch and one for the job.
/// Threads: one.
/// Bounds:  a few numbers for each rank.
class ProfileTable {
 public:
  /// What a segment took, as its replies report.
  void Add(const TrainedSegment& segment);

  /// "profile of epoch 3: ..." for `of` "epoch 3", then a table by phase, where anything was sent one
  /// by channel, and how long training waited for snapshots. Lines end with a newline, but for the
  /// last.
  std::string Text(const std::string& of) const;

 private:
  RankProfile Sum() const;

  std::vector<RankProfile> ranks_;
  std::uint64_t samples_ = 0;
  std::uint64_t steps_ = 0;
  double pause_seconds_ = 0;
};

}  // namespace cf

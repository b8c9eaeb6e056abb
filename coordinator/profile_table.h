#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "coordinator/control.pb.h"

namespace cf {

/// What training took, by rank: the sum of what members have reported, and the tables that
/// `--profile` shows (docs/profile.md).
///
/// Owner:   ProfileObserver, one for an epoch and one for the job.
/// Threads: one.
/// Bounds:  a few numbers for each rank.
class ProfileTable {
 public:
  /// What `replies` (by rank) report of a command that trained `samples` in `steps`.
  void Add(std::span<const Reply> replies, std::uint64_t samples, std::uint64_t steps);

  /// "profile of epoch 3: ..." for `of` "epoch 3", then a table by phase, and where anything was
  /// sent one by channel. Lines end with a newline, but for the last.
  std::string Text(const std::string& of) const;

 private:
  RankProfile Sum() const;

  std::vector<RankProfile> ranks_;
  std::uint64_t samples_ = 0;
  std::uint64_t steps_ = 0;
};

}  // namespace cf

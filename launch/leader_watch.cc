#include "launch/leader_watch.h"

#include <absl/status/statusor.h>

#include "run/run_folder.h"

namespace cf {

bool LeaderWatch::NobodyLeads(Clock::time_point now) {
  if (now - looked_ < kLimit / 8) return false;
  looked_ = now;
  const absl::StatusOr<RunFolder> folder = RunFolder::Open(run_);
  const std::uint64_t generation = folder.ok() ? folder->LastGeneration().value_or(0) : 0;
  if (generation != generation_) seen_ = false;
  generation_ = generation;
  // What cannot be looked at is not free, and a lock may not be seen from another host.
  const bool is_held = !folder.ok() || !folder->Holder().value_or("?").empty();
  // A leader of this host may have been lost before anybody looked.
  seen_ = seen_ || is_held || folder->IsLockOfThisHost();
  if (is_held || !seen_) held_ = now;
  return now - held_ > kLimit;
}

}  // namespace cf

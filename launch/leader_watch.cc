#include "launch/leader_watch.h"

#include <absl/status/statusor.h>

#include "common/config/config.h"
#include "run/run_folder.h"

namespace cf {
namespace {

constexpr std::chrono::seconds kLookInterval(2);
// What those who go on in place may take to meet, once more where one that was to join does not come.
constexpr std::chrono::seconds kMeetings(20);

// They may wait for one that is silent when they hear of the loss, and for another when they leave.
std::chrono::seconds LimitOf(const RunFolder& folder) {
  Job job = LoadJob(folder.job_path()).value_or(Job());
  FillDefaults(job);
  return kMeetings + 2 * std::chrono::seconds(job.cluster().timeout_seconds());
}

}  // namespace

bool LeaderWatch::NobodyLeads(Clock::time_point now) {
  if (now - looked_ < kLookInterval) return false;
  looked_ = now;
  const absl::StatusOr<RunFolder> folder = RunFolder::Open(run_);
  const std::uint64_t generation = folder.ok() ? folder->LastGeneration().value_or(0) : 0;
  if (generation != generation_) {
    seen_ = false;
    held_ = now;  // Since the last look, by who has begun it.
    generation_ = generation;
  }
  // What cannot be looked at is not free, and a lock may not be seen from another host.
  const bool is_held = !folder.ok() || !folder->Holder().value_or("?").empty();
  // A leader of this host may have been lost before anybody looked.
  seen_ = seen_ || is_held || folder->IsLockOfThisHost();
  if (is_held || !seen_) {
    held_ = now;
    return false;
  }
  return now - held_ > LimitOf(*folder);
}

}  // namespace cf

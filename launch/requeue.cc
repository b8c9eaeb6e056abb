#include "launch/requeue.h"

#include <cstdlib>

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

namespace cf {
namespace {

constexpr std::uint32_t kRestartsDefault = 20;

}  // namespace

std::string RequeueIfWanted(const Allocation& allocation) {
  const absl::StatusOr<BatchState> state = AskSlurm(allocation.id);
  if (!state.ok()) return absl::StrCat("not requeued: ", std::string(state.status().message()));
  if (state->restarts > allocation.restarts) {
    return absl::StrCat("Slurm starts job ", allocation.name, " again by itself");
  }
  // Slurm would requeue after scancel too, and a job that was cancelled would come back.
  if (state->state != "RUNNING" && state->reason != "TimeLimit") {
    return absl::StrCat("not requeued: job ", allocation.name, " was cancelled");
  }
  std::uint32_t most = kRestartsDefault;
  if (const char* text = std::getenv("CF_MAX_RESTARTS");
      text != nullptr && !absl::SimpleAtoi(text, &most)) {
    return absl::StrCat("not requeued: CF_MAX_RESTARTS=", text, " is no number");
  }
  if (allocation.restarts >= most) {
    return absl::StrCat("not requeued: job ", allocation.name, " was requeued ",
                        allocation.restarts, " times, and CF_MAX_RESTARTS is ", most,
                        ": sbatch it again to continue");
  }
  const absl::Status asked = Requeue(allocation);
  if (!asked.ok()) {
    return absl::StrCat("not requeued: ", std::string(asked.message()),
                        ": sbatch it again to continue");
  }
  return absl::StrCat("job ", allocation.name, " is requeued (restart ", allocation.restarts + 1,
                      " of at most ", most, ")");
}

}  // namespace cf

#include "coordinator/early_verdict.h"

#include <chrono>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "run/verdict.h"

namespace cf {
namespace {

constexpr std::chrono::milliseconds kPeriod(50);

Verdict VerdictNow(const RunFolder& folder) {
  Verdict verdict{.exit_code = kExitContinue, .cause = EndCause::kSignal};
  std::error_code error;
  if (std::filesystem::exists(folder.snapshots_path() + "/latest", error)) {
    verdict.text = "ended by a signal; the same command continues from the last snapshot";
    verdict.snapshot = "snapshots/latest";
  } else {
    verdict.text = "ended by a signal before the first snapshot; the same command begins anew";
  }
  return verdict;
}

}  // namespace

EarlyVerdict::EarlyVerdict(const RunFolder& claim, std::function<bool()> stop_requested)
    : claim_(claim),
      stop_requested_(std::move(stop_requested)),
      thread_([this](const std::stop_token& over) { Look(over); }) {
}

void EarlyVerdict::Look(const std::stop_token& over) {
  std::unique_lock lock(mutex_);
  while (!stop_requested_()) {
    // Nothing but the end of this object wakes it.
    changed_.wait_for(lock, over, kPeriod, [] { return false; });
    if (over.stop_requested()) return;
  }
  // The job's own verdict decides what has become of it; this one is for want of another.
  claim_.WriteVerdict(VerdictNow(claim_)).IgnoreError();
}

}  // namespace cf

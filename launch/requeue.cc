#include "launch/requeue.h"

#include <chrono>
#include <cstdlib>
#include <functional>
#include <thread>

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

namespace cf {
namespace {

constexpr std::uint32_t kRestartsDefault = 20;
// How long Slurm is asked again that does not answer. It kills this process before, where time is up.
constexpr std::chrono::seconds kLimit(120);
constexpr std::chrono::seconds kPause(2);

const absl::Status& StatusOf(const absl::Status& status) {
  return status;
}
template <class T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

// What `ask` comes to, asked again while nobody answers.
template <class Answer>
Answer Patiently(const std::function<Answer()>& ask) {
  const auto deadline = std::chrono::steady_clock::now() + kLimit;
  for (;;) {
    Answer answer = ask();
    const bool is_answer =
        !absl::IsUnavailable(StatusOf(answer)) && !absl::IsDeadlineExceeded(StatusOf(answer));
    if (is_answer || std::chrono::steady_clock::now() > deadline) return answer;
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace

std::string RequeueIfWanted(const Allocation& allocation) {
  const absl::StatusOr<BatchState> state =
      Patiently<absl::StatusOr<BatchState>>([&] { return AskSlurm(allocation.id); });
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
  const absl::Status asked = Patiently<absl::Status>([&] { return Requeue(allocation); });
  if (!asked.ok()) {
    return absl::StrCat("not requeued: ", std::string(asked.message()),
                        ": sbatch it again to continue");
  }
  return absl::StrCat("job ", allocation.name, " is requeued (restart ", allocation.restarts + 1,
                      " of at most ", most, ")");
}

}  // namespace cf

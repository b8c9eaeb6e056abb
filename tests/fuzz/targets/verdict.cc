// The reader of how a job ended.

#include "common/base/check.h"
#include "run/run_folder.h"
#include "tests/fuzz/fuzz.h"

namespace cf::fuzz::verdict_target {
namespace {

/// Any bytes are a verdict of a known exit code, which is printed and read back as the same, or an
/// error of one line.
bool RunTarget(std::span<const std::byte> bytes) {
  const absl::StatusOr<Verdict> verdict = ParseVerdict(TextOf(bytes), "f");
  if (!verdict.ok()) {
    Check(absl::IsDataLoss(verdict.status()), "a bad verdict is damage");
    Check(verdict.status().message().find('\n') == absl::string_view::npos, "an error is one line");
    return false;
  }
  Check(verdict->exit_code == kExitFinished || verdict->exit_code == kExitFailed ||
            verdict->exit_code == kExitUserInput || verdict->exit_code == kExitContinue,
        "an exit code is one of ours");
  const absl::StatusOr<Verdict> again = ParseVerdict(PrintVerdict(*verdict), "f");
  Check(again.ok() && *again == *verdict, "a printed verdict reads back");
  return true;
}

std::vector<std::string> Seeds() {
  return {
      "exit_code: 0\ncause: finished\ntext: best epoch 7: val_rmse 0.8401\n"
      "snapshot: snapshots/best\nlost_host: \n",
      "exit_code: 75\ncause: lost\ntext: rank 3 on b fell silent\nsnapshot: \nlost_host: b\n",
      "exit_code: 1\ncause: weather\n", "cause: signal\nexit_code: 2\nexit_code: 1\n\nx: y: z"};
}

const bool kAdded = AddTarget({.name = "verdict", .run = RunTarget, .seeds = Seeds});

}  // namespace
}  // namespace cf::fuzz::verdict_target

#include <chrono>
#include <cstdio>
#include <ctime>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <absl/strings/str_cat.h>

#include "launch/allocation.h"
#include "launch/command_line.h"
#include "launch/run_commands.h"
#include "launch/run_summary.h"
#include "run/run_view.h"

namespace cf {
namespace {

using Clock = std::chrono::steady_clock;

// A job looks for a request once a second.
constexpr std::chrono::milliseconds kLookInterval(200);

// Asks the job that runs in `path` to end and waits for that, until `deadline`; how the run stands
// then. A job whose ranks are still meeting forgets what was asked of the life before, so it is
// asked again.
absl::StatusOr<RunView> AskAndWait(const std::string& path, Clock::time_point deadline) {
  const absl::StatusOr<RunFolder> folder = RunFolder::Open(path);
  if (!folder.ok()) return folder.status();
  for (;;) {
    absl::StatusOr<RunView> view = ViewRun(path);
    if (!view.ok() || view->state != RunState::kRunning) return view;
    if (!view->stop_requested) {
      if (absl::Status asked = folder->RequestStop(); !asked.ok()) return asked;
    }
    if (Clock::now() >= deadline) return view;
    std::this_thread::sleep_for(kLookInterval);
  }
}

// What stopping the run at `path` came to, as a line; its exit code is 1 where it still runs.
absl::StatusOr<ExitCode> StopRun(const std::string& path, std::chrono::seconds wait) {
  const absl::StatusOr<RunView> before = ViewRun(path);
  if (!before.ok()) return before.status();
  if (before->state != RunState::kRunning) {
    const absl::StatusOr<RunSummary> summary = SummarizeRun(path);
    if (!summary.ok()) return summary.status();
    if (summary->state() != "waiting") {
      std::printf("%s is not running: it is %s\n", path.c_str(), summary->state().c_str());
      return kExitFinished;
    }
    const absl::Status cancelled = Cancel(before->status->batch().handle());
    if (!cancelled.ok()) return cancelled;
    std::printf("%s was waiting as Slurm job %s, which is cancelled\n", path.c_str(),
                summary->batch_job().c_str());
    return kExitFinished;
  }
  const absl::StatusOr<RunView> after = AskAndWait(path, Clock::now() + wait);
  if (!after.ok()) return after.status();
  if (after->state != RunState::kRunning) {
    std::printf("%s: %s\n", path.c_str(),
                after->verdict.has_value() ? after->verdict->text.c_str() : "it was killed");
    return kExitFinished;
  }
  if (wait.count() == 0) {
    std::printf("%s was asked to take a snapshot and to end\n", path.c_str());
    return kExitFinished;
  }
  std::printf("%s was asked to end and still runs after %d s: %s\n", path.c_str(),
              static_cast<int>(wait.count()), after->holder.c_str());
  return kExitFailed;
}

}  // namespace

absl::StatusOr<ExitCode> StopCommand(const std::vector<std::string>& words) {
  ArgumentParser app(
      "cfrun stop",
      "Has jobs take a snapshot and end, from any host that sees their run folders, and waits for "
      "it. The command that started a job continues it.");
  std::vector<std::string> paths;
  int wait = 300;
  app.Option("RUN", paths, "Run folders").Required();
  app.Option("--wait", wait, "Seconds to wait for the end; 0 only asks")
      .ShowDefault()
      .Between(0, 1 << 20);
  if (const std::optional<ExitCode> ended = ParseWords(app, words)) return *ended;
  ExitCode worst = kExitFinished;
  for (const std::string& path : paths) {
    const absl::StatusOr<ExitCode> code = StopRun(path, std::chrono::seconds(wait));
    if (!code.ok()) {
      std::fprintf(stderr, "cfrun stop: %s\n", std::string(code.status().message()).c_str());
    }
    const ExitCode own = code.ok() ? *code : ExitCodeOf(code.status());
    if (own != kExitFinished) worst = own;
  }
  return worst;
}

}  // namespace cf

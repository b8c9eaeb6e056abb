#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include "launch/command_line.h"
#include "launch/run_commands.h"
#include "run/run_view.h"

namespace cf {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLookInterval(200);

std::uint32_t RanksOf(const RunView& view) {
  return view.status.has_value() ? static_cast<std::uint32_t>(view.status->hosts_size()) : 0;
}

// Why the job cannot go on with so many ranks; OK where it can.
absl::Status CheckResize(const RunView& view, std::uint32_t ranks) {
  const std::string& run = view.path;
  if (view.state != RunState::kRunning) {
    return absl::FailedPreconditionError(
        absl::StrCat(run, " is not running: it is ", NameOf(view.state)));
  }
  if (view.status.has_value() && view.status->has_batch()) {
    return absl::FailedPreconditionError(absl::StrCat(
        run, " is Slurm job ", view.status->batch().id(),
        ", whose size is Slurm's: stop it, and submit it again with the number of ranks you want"));
  }
  const absl::StatusOr<RunFolder> folder = RunFolder::Open(run);
  if (!folder.ok()) return folder.status();
  std::error_code error;
  if (!std::filesystem::exists(folder->join_path(), error)) {
    return absl::FailedPreconditionError(
        absl::StrCat(run,
                     " cannot be resized: its job needs cfrun, two ranks or more, no "
                     "--servers and no --no-survival, and a moment to begin"));
  }
  if (!view.job.has_value()) return absl::OkStatus();
  const std::uint32_t partitions = view.job->train().partitions();
  const std::uint64_t threads = std::max(1U, view.job->cluster().threads());
  if (ranks * threads <= partitions) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("-n ", ranks, ": train.partitions of ", run, " is ", partitions,
                   ", and each compute thread needs one (", threads, " a rank)"));
}

absl::StatusOr<ExitCode> ResizeRun(const std::string& run, std::uint32_t ranks,
                                   std::chrono::seconds wait) {
  absl::StatusOr<RunView> view = ViewRun(run);
  if (!view.ok()) return view.status();
  if (absl::Status can = CheckResize(*view, ranks); !can.ok()) return can;
  const absl::StatusOr<RunFolder> folder = RunFolder::Open(run);
  if (!folder.ok()) return folder.status();
  if (absl::Status asked = folder->AskForRanks(ranks); !asked.ok()) return asked;
  const Clock::time_point deadline = Clock::now() + wait;
  while (view.ok() && view->state == RunState::kRunning && RanksOf(*view) != ranks &&
         Clock::now() < deadline) {
    std::this_thread::sleep_for(kLookInterval);
    view = ViewRun(run);
  }
  if (!view.ok()) return view.status();
  if (RanksOf(*view) == ranks) {
    std::printf("%s has %u %s\n", run.c_str(), ranks, ranks == 1 ? "rank" : "ranks");
    return kExitFinished;
  }
  if (view->state != RunState::kRunning) {
    std::printf("%s has ended before its next snapshot: it is %s\n", run.c_str(),
                NameOf(view->state));
    return kExitFailed;
  }
  std::printf("%s goes on with %u %s from its next snapshot on; now it has %u\n", run.c_str(),
              ranks, ranks == 1 ? "rank" : "ranks", RanksOf(*view));
  return wait.count() == 0 ? kExitFinished : kExitFailed;
}

}  // namespace

absl::StatusOr<ExitCode> ResizeCommand(const std::vector<std::string>& words) {
  ArgumentParser app("cfrun resize",
                     "Has a job that runs under cfrun go on with another number of ranks, from its "
                     "next snapshot on, and waits for it. Nothing of its result changes.");
  std::string run;
  std::uint32_t ranks = 0;
  int wait = 300;
  app.Option("RUN", run, "Run folder").Required();
  app.Option("-n", ranks, "Ranks").Required().Between(1, 1 << 14);
  app.Option("--wait", wait, "Seconds to wait for it; 0 only asks")
      .ShowDefault()
      .Between(0, 1 << 20);
  if (const std::optional<ExitCode> ended = ParseWords(app, words)) return *ended;
  return ResizeRun(run, ranks, std::chrono::seconds(wait));
}

}  // namespace cf

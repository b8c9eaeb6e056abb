#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/config/job.pb.h"
#include "common/snapshot/manifest.pb.h"
#include "run/history.h"
#include "run/run_folder.h"
#include "run/status.pb.h"

namespace cf {

/// How a run stands, as its folder tells.
enum class RunState {
  kNew,          ///< No job has begun here.
  kRunning,      ///< A job is alive.
  kFinished,     ///< Nothing is left to do.
  kStopped,      ///< On request or by a signal, with a snapshot: the same command continues.
  kInterrupted,  ///< The job was lost or killed: the same command continues from the last snapshot.
  kFailed,       ///< It would happen again: the verdict says what.
};

/// "running", "interrupted".
const char* NameOf(RunState state);

/// How a run stands whose job has ended so.
RunState StateAfter(const Verdict& verdict);

/// Everything that a run's folder tells about it, read once. What is not there yet is empty.
struct RunView {
  std::string path;
  RunState state = RunState::kNew;
  bool stop_requested = false;        ///< Of a job that is alive: it has been asked to end.
  std::string holder;                 ///< Of a job that is alive: its process, in words.
  std::uint64_t generation = 0;       ///< The last one; 0: none.
  std::optional<RunStatus> status;    ///< What the last job said of itself, while it ran.
  std::optional<Verdict> verdict;     ///< How it ended, if it did in good order.
  std::optional<Job> job;             ///< With all defaults filled in.
  std::vector<EpochFigures> history;  ///< The finished epochs.
  std::optional<Manifest> snapshot;   ///< The newest that can be read.
  std::vector<std::string> notices;   ///< What could not be read, a line each.
};

/// Reads a run from any host that sees its folder, also while a job writes there; changes nothing.
/// NotFound where no run is; otherwise the error of the first file that cannot be read, by its
/// path. Status, configuration and manifests that cannot be read are notices: an older manifest, or
/// none, is there in their place.
absl::StatusOr<RunView> ViewRun(const std::string& path);

/// The runs directly below `folder`, in the order of their names; empty where there is none.
/// `folder` itself alone, if it is a run. NotFound where there is no such folder.
absl::StatusOr<std::vector<std::string>> FindRuns(const std::string& folder);

/// Reads what WriteStatus wrote; `name` stands for the file in errors. DataLoss: no status.
absl::StatusOr<RunStatus> ParseStatus(const std::string& text, const std::string& name);

/// Replaces what the job says of itself.
absl::Status WriteStatus(const RunFolder& folder, const RunStatus& status);

}  // namespace cf

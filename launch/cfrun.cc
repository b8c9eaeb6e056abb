// cfrun: what people and batch scripts call. Starts the ranks of a job under mpirun with the
// settings it needs, turns signals into a snapshot and a clean end, and mpirun's exit code into the
// job's (docs/openmpi.md).

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include "common/base/status.h"
#include "coordinator/run_folder.h"
#include "launch/supervisor.h"

namespace cf {
namespace {

constexpr char kUsage[] =
    "usage: cfrun [start] -n N CONFIG [flags of cfworker]\n"
    "\n"
    "Trains the job CONFIG with N processes on this machine, or on the hosts of the batch\n"
    "allocation that it is called in. Called again with the same --run, it resumes, or says that\n"
    "the run is finished.\n"
    "\n"
    "  cfrun -n 4 configs/quickstart.textproto --data data/ml-latest-small --run runs/first\n"
    "\n"
    "Ctrl-C or SIGTERM once asks for a snapshot and a clean end; twice kills the job.\n"
    "Exit codes: 0 finished, 2 the input is wrong, 75 snapshot taken and to be continued, 1 "
    "anything\n"
    "else. `cfworker --help` lists the other flags.\n";

constexpr int kRanksMax = 1 << 14;  // No job has more partitions, and each rank needs one.
constexpr int kWidthDefault = 80;

/// What the command line asks for.
struct Request {
  int ranks = 0;
  bool help = false;
  std::vector<std::string> worker_flags;  ///< CONFIG and all that cfrun does not take for itself.
};

absl::StatusOr<int> ParseRanks(const std::string& text) {
  int ranks = 0;
  if (absl::SimpleAtoi(text, &ranks) && ranks >= 1 && ranks <= kRanksMax) return ranks;
  return absl::InvalidArgumentError(
      absl::StrCat("-n ", text, ": expected a number of processes from 1 to ", kRanksMax));
}

absl::StatusOr<Request> ParseCommandLine(std::vector<std::string> words) {
  Request request;
  if (!words.empty() && words.front() == "start") words.erase(words.begin());
  for (std::size_t k = 0; k < words.size(); ++k) {
    if (words[k] == "-h" || words[k] == "--help") {
      request.help = true;
    } else if (words[k] == "-n" || words[k] == "-np") {
      if (k + 1 == words.size()) return absl::InvalidArgumentError("-n needs a number");
      const absl::StatusOr<int> ranks = ParseRanks(words[++k]);
      if (!ranks.ok()) return ranks.status();
      request.ranks = *ranks;
    } else {
      request.worker_flags.push_back(words[k]);
    }
  }
  if (request.help) return request;
  if (request.ranks == 0) return absl::InvalidArgumentError("-n N is missing (try --help)");
  if (request.worker_flags.empty() || absl::StartsWith(request.worker_flags.front(), "-")) {
    return absl::InvalidArgumentError("CONFIG must come before cfworker's flags (try --help)");
  }
  return request;
}

/// The value of `--name value` or `--name=value` among `words`, the last one counts.
std::optional<std::string> FindFlag(const std::vector<std::string>& words,
                                    const std::string& name) {
  std::optional<std::string> value;
  for (std::size_t k = 0; k < words.size(); ++k) {
    if (words[k] == name && k + 1 < words.size()) value = words[k + 1];
    if (absl::StartsWith(words[k], name + "=")) value = words[k].substr(name.size() + 1);
  }
  return value;
}

int TerminalWidth() {
  winsize size = {};
  const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : kWidthDefault;
}

/// A rank's own stdout is a pseudo-terminal of mpirun, so only cfrun knows what is behind it.
void TellAboutTerminal(std::vector<std::string>& flags) {
  const std::string asked = FindFlag(flags, "--progress").value_or("auto");
  const bool bar = asked == "bar" || (asked == "auto" && ::isatty(STDOUT_FILENO) == 1);
  if (asked == "auto") {
    for (std::size_t k = 0; k < flags.size();) {
      const auto at = flags.begin() + static_cast<std::ptrdiff_t>(k);
      if (flags[k] == "--progress") {
        flags.erase(at, at + 2);
      } else if (flags[k] == "--progress=auto") {
        flags.erase(at);
      } else {
        ++k;
      }
    }
    flags.insert(flags.end(), {"--progress", bar ? "bar" : "lines"});
  }
  if (bar && !FindFlag(flags, "--width")) {
    flags.insert(flags.end(), {"--width", absl::StrCat(TerminalWidth())});
  }
}

absl::StatusOr<std::string> FindWorker() {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return ErrnoError(error.value(), "/proc/self/exe");
  const std::string worker = self.parent_path() / "cfworker";
  if (::access(worker.c_str(), X_OK) == 0) return worker;
  return absl::NotFoundError(absl::StrCat(worker, ": cfworker must lie beside cfrun"));
}

/// Open MPI's settings, each by its environment variable so that a user's own value wins.
void SetUpOpenMpi() {
  // More ranks than cores is an ordinary job here: they block while they wait.
  ::setenv("OMPI_MCA_rmaps_base_oversubscribe", "1", 0);
  // With one or two ranks mpirun would pin each with all its threads to one core.
  ::setenv("OMPI_MCA_hwloc_base_binding_policy", "none", 0);
  if (::geteuid() == 0) {
    ::setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 0);
    ::setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 0);
  }
}

/// A verdict file's identity: it is replaced, never rewritten, so another one shows.
using FileIdentity = std::pair<ino_t, std::pair<time_t, long>>;

FileIdentity IdentityOf(const std::string& path) {
  struct stat info = {};
  if (::stat(path.c_str(), &info) != 0) return {};
  return {info.st_ino, {info.st_mtim.tv_sec, info.st_mtim.tv_nsec}};
}

/// The verdict of the job that this process has started, if it left one in the run folder.
class VerdictWatch {
 public:
  explicit VerdictWatch(const std::vector<std::string>& worker_flags)
      : run_(FindFlag(worker_flags, "--run")), before_(Identity()) {}

  std::optional<ExitCode> Read() const {
    if (Identity() == before_) return std::nullopt;
    const absl::StatusOr<RunFolder> run = RunFolder::Open(*run_);
    if (!run.ok()) return std::nullopt;
    const absl::StatusOr<Verdict> verdict = run->ReadVerdict();
    return verdict.ok() ? std::optional(verdict->exit_code) : std::nullopt;
  }

 private:
  FileIdentity Identity() const { return run_ ? IdentityOf(*run_ + "/verdict") : FileIdentity{}; }

  std::optional<std::string> run_;
  FileIdentity before_;
};

ExitCode ExitCodeOfJob(const JobEnd& end, const std::optional<ExitCode>& verdict) {
  if (end.killed) return kExitFailed;
  if (verdict) return *verdict;
  if (end.exit_code == kExitFinished || end.exit_code == kExitUserInput ||
      end.exit_code == kExitContinue) {
    return static_cast<ExitCode>(end.exit_code);
  }
  // The request came while the ranks were starting: there is nothing to save, and nothing is lost.
  if (end.stop_asked && end.by_stop_signal) return kExitContinue;
  return kExitFailed;
}

absl::StatusOr<ExitCode> Run(std::vector<std::string> words) {
  absl::StatusOr<Request> request = ParseCommandLine(std::move(words));
  if (!request.ok()) return request.status();
  if (request->help) {
    std::fputs(kUsage, stdout);
    return kExitFinished;
  }
  const absl::StatusOr<std::string> worker = FindWorker();
  if (!worker.ok()) return worker.status();

  std::vector<std::string>& flags = request->worker_flags;
  if (!FindFlag(flags, "--threads")) flags.insert(flags.end(), {"--threads", "auto"});
  TellAboutTerminal(flags);
  SetUpOpenMpi();

  // Quiet is about mpirun's own long texts; what ranks print passes.
  std::vector<std::string> command = {"mpirun", "--quiet", "-n", absl::StrCat(request->ranks),
                                      *worker};
  command.insert(command.end(), flags.begin(), flags.end());
  const VerdictWatch verdict(flags);
  const absl::StatusOr<JobEnd> end = Supervise(command);
  if (!end.ok()) return end.status();
  return ExitCodeOfJob(*end, verdict.Read());
}

}  // namespace
}  // namespace cf

int main(int argc, char** argv) {
  const absl::StatusOr<cf::ExitCode> code = cf::Run({argv + 1, argv + argc});
  if (code.ok()) return *code;
  std::fprintf(stderr, "cfrun: %s\n", std::string(code.status().message()).c_str());
  return cf::ExitCodeOf(code.status());
}

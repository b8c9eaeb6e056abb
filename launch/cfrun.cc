// cfrun: what people and batch scripts call. Starts jobs under mpirun and looks after them, and
// works on the run folders that they leave.

#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <absl/status/statusor.h>

#include "common/base/status.h"
#include "launch/program.h"
#include "launch/run_commands.h"
#include "launch/start.h"
#include "launch/supervisor.h"

namespace cf {
namespace {

constexpr char kUsage[] =
    "usage: cfrun [start] -n N CONFIG [flags]    trains CONFIG with N processes\n"
    "       cfrun status RUN...                  how runs stand\n"
    "       cfrun list [FOLDER]                  the runs of a folder\n"
    "       cfrun stop RUN...                    a snapshot and a clean end\n"
    "       cfrun sweep JOBS.csv CONFIG          one run for each line of a file\n"
    "       cfrun report RUN [--beside OTHER]    the page that a run ends with, made again\n"
    "       cfrun compare RUN...                 a table and a page with the curves of runs\n"
    "\n"
    "start runs on this machine, or on the hosts of the Slurm allocation that it is called in, "
    "where\n"
    "-n, threads and memory are as allocated. Called again with the same --run, it resumes, or "
    "says\n"
    "that the run is finished.\n"
    "\n"
    "  cfrun -n 4 configs/quickstart.textproto --data data/ml-latest-small --run runs/first\n"
    "\n"
    "Flags of start, beside those of `cfworker --help`:\n"
    "  --servers K           K of the ranks only serve rows; in an allocation on nodes of their "
    "own\n"
    "  --restarts N          start a job that dies by itself again, at most N times without a new\n"
    "                        snapshot in between (3; 0: never)\n"
    "  --restart-minutes M   and not later than M minutes after the last snapshot (60)\n"
    "  --requeue             have Slurm start the job again after exit code 75\n"
    "\n"
    "Ctrl-C or SIGTERM once asks for a snapshot and a clean end; twice kills the job.\n"
    "Exit codes: 0 finished, 2 the input is wrong, 75 snapshot taken and to be continued, 1 "
    "anything\n"
    "else.\n";

absl::StatusOr<ExitCode> Start(const std::vector<std::string>& words) {
  const absl::StatusOr<StartOptions> options = ParseStart(words);
  if (!options.ok()) return options.status();
  Supervisor supervisor;
  absl::StatusOr<ExitCode> code = StartJob(*options, supervisor);
  // The job went on: what it said is in its log.
  if (const int error = supervisor.output_error(); error != 0 && code.ok()) {
    std::fprintf(stderr, "cfrun: standard output: cannot write (%s); log.txt of the run has all\n",
                 std::strerror(error));
    if (*code == kExitFinished) return kExitFailed;
  }
  return code;
}

using Command = absl::StatusOr<ExitCode> (*)(const std::vector<std::string>& words);

constexpr std::pair<const char*, Command> kCommands[] = {
    {"start", Start},          {"status", StatusCommand}, {"list", ListCommand},
    {"stop", StopCommand},     {"sweep", SweepCommand},   {"compare", CompareCommand},
    {"report", ReportCommand},
};

absl::StatusOr<ExitCode> Run(const std::vector<std::string>& words) {
  if (!words.empty()) {
    if (words[0] == "-h" || words[0] == "--help" || words[0] == "help") {
      std::fputs(kUsage, stdout);
      return kExitFinished;
    }
    for (const auto& [name, command] : kCommands) {
      if (words[0] == name) return command({words.begin() + 1, words.end()});
    }
  }
  return Start(words);
}

}  // namespace
}  // namespace cf

int main(int argc, char** argv) {
  cf::BeginProgram();
  return cf::EndProgram("cfrun", cf::Run({argv + 1, argv + argc}));
}

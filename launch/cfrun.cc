// cfrun: what people and batch scripts call. Starts jobs under mpirun and looks after them, and
// works on the run folders that they leave.

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include "common/base/status.h"
#include "launch/command_line.h"
#include "launch/program.h"
#include "launch/run_commands.h"
#include "launch/start.h"
#include "launch/supervisor.h"

namespace cf {
namespace {

constexpr char kUsage[] =
    "usage: cfrun [start] -n N CONFIG [flags]    trains CONFIG with N processes\n"
    "       cfrun doctor [CONFIG] [flags]        whether a job could begin\n"
    "       cfrun status RUN...                  how runs stand\n"
    "       cfrun list [FOLDER]                  the runs of a folder\n"
    "       cfrun stop RUN...                    a snapshot and a clean end\n"
    "       cfrun resize RUN -n N                other ranks, from the next snapshot\n"
    "       cfrun sweep JOBS.csv CONFIG          one run for each line of a file\n"
    "       cfrun report RUN [--beside OTHER]    the page that a run ends with, again\n"
    "       cfrun compare RUN...                 a table and a page of curves\n"
    "       cfrun --version\n"
    "\n"
    "start runs on this machine, or on the hosts of the Slurm allocation that it is\n"
    "called in, where -n, threads and memory are as allocated. Called again with the\n"
    "same --run, it resumes, or says that the run is finished.\n"
    "\n"
    "  cfrun -n 4 configs/quickstart.textproto --data data/ml-latest-small \\\n"
    "        --run runs/first\n"
    "\n"
    "Flags of start, beside those of `cfworker --help`:\n"
    "  --servers K           K ranks only serve rows; in an allocation on nodes\n"
    "                        of their own\n"
    "  --restarts N          start a job that dies by itself again, at most N times\n"
    "                        without a new snapshot in between (3; 0: never)\n"
    "  --restart-minutes M   and not later than M minutes after the last one (60)\n"
    "  --hosts A,B,C         on these hosts, where there is no Slurm; one that falls\n"
    "                        silent is left out until it answers again\n"
    "  --spares K            the last K of them take the places of what is lost;\n"
    "                        without --hosts K processes of this host do\n"
    "  --meeting-seconds S   what the ranks may take to meet, before the start is\n"
    "                        given up and tried again (120)\n"
    "  --stop-seconds S      what a job may take to end once it was asked to, before\n"
    "                        it is killed (600)\n"
    "  --no-survival         a lost rank has all of them started again, rather than\n"
    "                        the others go on at once; both count as restarts\n"
    "  --requeue             have Slurm start the job again after exit code 75\n"
    "\n"
    "Ctrl-C or SIGTERM once asks for a snapshot and a clean end; twice kills the job.\n"
    "A reader that goes (`cfrun ... | head`) ends nothing: the run's log.txt has all.\n"
    "Exit codes: 0 finished, 2 the input is wrong, 75 snapshot taken and to be\n"
    "continued, 1 anything else.\n";

bool AsksForHelp(const std::string& word) {
  return word == "-h" || word == "--help";
}

ExitCode PrintUsage() {
  std::fputs(kUsage, stdout);
  return kExitFinished;
}

absl::StatusOr<ExitCode> Start(const std::vector<std::string>& words) {
  // Before cfworker is asked, which knows its own flags alone, and once for each rank.
  if (std::any_of(words.begin(), words.end(), AsksForHelp)) return PrintUsage();
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
    {"start", Start},        {"doctor", DoctorCommand},   {"status", StatusCommand},
    {"list", ListCommand},   {"stop", StopCommand},       {"resize", ResizeCommand},
    {"sweep", SweepCommand}, {"compare", CompareCommand}, {"report", ReportCommand},
};

/// Whether a first word can be a configuration rather than a command that does not exist.
bool MayBeConfig(const std::string& word) {
  std::error_code error;
  return word.find_first_of("./") != std::string::npos || std::filesystem::exists(word, error);
}

absl::StatusOr<ExitCode> Run(const std::vector<std::string>& words) {
  if (words.empty()) {
    return absl::InvalidArgumentError(
        "a command is missing, or -n N and CONFIG of a job (try cfrun --help)");
  }
  if (words[0] == "help" || AsksForHelp(words[0])) return PrintUsage();
  if (words[0] == "--version") {
    std::printf("%s\n", VersionText("cfrun").c_str());
    return kExitFinished;
  }
  std::vector<std::string> names;
  for (const auto& [name, command] : kCommands) {
    if (words[0] == name) return command({words.begin() + 1, words.end()});
    names.emplace_back(name);
  }
  if (!absl::StartsWith(words[0], "-") && !MayBeConfig(words[0])) {
    return absl::InvalidArgumentError(
        absl::StrCat(NoSuchCommand(words[0], names), " (try cfrun --help)"));
  }
  return Start(words);
}

}  // namespace
}  // namespace cf

int main(int argc, char** argv) {
  cf::BeginProgram();
  return cf::EndProgram("cfrun", cf::Run({argv + 1, argv + argc}));
}

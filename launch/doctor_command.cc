// cfrun doctor: whether a job could begin, before the hours begin.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include "common/base/host.h"
#include "common/base/scratch_folder.h"
#include "common/text/display.h"
#include "launch/allocation.h"
#include "launch/command_line.h"
#include "launch/mpirun_command.h"
#include "launch/mpirun_text.h"
#include "launch/run_commands.h"
#include "launch/supervisor.h"

namespace cf {
namespace {

using Clock = std::chrono::steady_clock;

// What the ranks may take in all: most of it is for reading the data set.
constexpr std::chrono::minutes kLimit(30);

struct DoctorFlags {
  std::uint32_t ranks = 0;
  std::vector<std::string> hosts;
  std::string config;
  std::string data;
  std::string run;
  std::vector<std::string> set;
  std::string threads;
  std::string memory;
};

// What each rank is told.
std::vector<std::string> WordsOf(const DoctorFlags& flags) {
  std::vector<std::string> words = {"--examine"};
  if (!flags.config.empty()) words.insert(words.begin(), flags.config);
  for (const auto& [name, value] :
       {std::pair("--data", &flags.data), {"--run", &flags.run}, {"--memory", &flags.memory}}) {
    if (!value->empty()) words.insert(words.end(), {name, *value});
  }
  words.insert(words.end(), {"--threads", flags.threads.empty() ? "auto" : flags.threads});
  for (const std::string& assignment : flags.set) words.insert(words.end(), {"--set", assignment});
  // A line of a file is as long as it is.
  constexpr std::size_t kFileWidth = 10000;
  const std::size_t width =
      ::isatty(STDOUT_FILENO) == 1 ? TerminalWidth(STDOUT_FILENO) : kFileWidth;
  words.insert(words.end(), {"--width", absl::StrCat(width)});
  return words;
}

// As many ranks as the job will have, where `start` would have them.
absl::StatusOr<RankPlan> PlanOf(const DoctorFlags& flags, const std::vector<std::string>& hosts,
                                const std::optional<Allocation>& allocation) {
  if (!hosts.empty()) return PlanOnHosts(hosts, {.ranks = flags.ranks});
  if (allocation.has_value()) return PlanRanks(*allocation, {}, {.ranks = flags.ranks});
  return RankPlan{.groups = {{std::max(1U, flags.ranks), {}}}};
}

bool IsOneHost(const DoctorFlags& flags, const std::optional<Allocation>& allocation) {
  if (!flags.hosts.empty()) return flags.hosts == std::vector<std::string>{HostName()};
  if (allocation.has_value()) return allocation->nodes() == 1;
  return !NamesOtherHosts([](const char* name) -> const char* { return std::getenv(name); });
}

// Those of --hosts on which something can be started; each of the others is said.
std::vector<std::string> FindAnswering(const std::vector<std::string>& hosts) {
  std::vector<std::string> answering;
  for (const std::string& host : hosts) {
    if (Answers(host)) {
      answering.push_back(host);
    } else {
      std::fprintf(stderr,
                   "cfrun doctor: %s: nothing can be started there; expected ssh without a "
                   "password, or OMPI_MCA_plm_rsh_agent\n",
                   host.c_str());
    }
  }
  return answering;
}

// Where mpirun did not come to a table.
absl::Status NoTable(const JobEnd& end) {
  if (const std::string said = ExplanationIn(end.errors); !said.empty()) {
    std::fprintf(stderr, "cfrun doctor: Open MPI could not start the ranks:\n%s", said.c_str());
  }
  if (end.given_up) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the ranks were not done within ", kLimit.count(),
        " min; expected hosts that answer, and a data set that can be read in that time"));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "mpirun ended with exit code ", end.exit_code,
      " before every rank had looked; expected that it starts cfworker on every host"));
}

absl::StatusOr<ExitCode> RunDoctor(const DoctorFlags& flags) {
  if (absl::Status named = CheckHostName(); !named.ok()) return named;
  const absl::StatusOr<std::optional<Allocation>> allocation = FindAllocation();
  if (!allocation.ok()) return allocation.status();
  if (!flags.hosts.empty() && allocation->has_value()) {
    return absl::InvalidArgumentError("--hosts: in an allocation the hosts are Slurm's choice");
  }
  if (flags.ranks > 0 && flags.ranks < flags.hosts.size()) {
    return absl::InvalidArgumentError(absl::StrCat("-n ", flags.ranks, " is less than the ",
                                                   flags.hosts.size(), " hosts of --hosts"));
  }
  const std::vector<std::string> hosts = FindAnswering(flags.hosts);
  if (hosts.empty() && !flags.hosts.empty()) return kExitUserInput;
  const absl::StatusOr<RankPlan> plan = PlanOf(flags, hosts, *allocation);
  if (!plan.ok()) return plan.status();
  const bool one_host = IsOneHost(flags, *allocation);
  SetUpOpenMpi(one_host);
  std::optional<ScratchFolder> session;
  if (one_host) {
    absl::StatusOr<std::optional<ScratchFolder>> made = MakeSessionFolder();
    if (!made.ok()) return made.status();
    session = *std::move(made);
  }
  const absl::StatusOr<std::vector<std::string>> command =
      MpirunCommand(*plan, session.has_value() ? session->path() : "", "doctor", WordsOf(flags));
  if (!command.ok()) return command.status();
  Supervisor supervisor(Supervisor::OnRequest::kEndMpirun);
  const Clock::time_point begin = Clock::now();
  const absl::StatusOr<JobEnd> end =
      supervisor.Run(*command, {.is_over = [] { return false; },
                                .is_hopeless = [&] { return Clock::now() - begin > kLimit; }});
  if (!end.ok()) return end.status();
  if (supervisor.end_asked()) return absl::AbortedError("doctor was ended on request");
  if (!end->given_up && end->exit_code == kExitUserInput) return kExitUserInput;
  if (end->given_up || end->exit_code != kExitFinished) return NoTable(*end);
  return hosts.size() == flags.hosts.size() ? kExitFinished : kExitUserInput;
}

}  // namespace

absl::StatusOr<ExitCode> DoctorCommand(const std::vector<std::string>& words) {
  DoctorFlags flags;
  ArgumentParser parser(
      "cfrun doctor",
      "Looks whether a job could begin, on every host, and trains nothing: the program, limits, "
      "folders, memory and disk, and the ways between hosts.\n"
      "Exit codes: 0 nothing is wrong, 2 something would fail, 1 else.");
  parser.Option("CONFIG", flags.config, "The job that is to begin; without it hosts alone");
  parser.Option("-n", flags.ranks, "Processes of the job (one a host)").Between(1, 1 << 14);
  parser
      .Option("--hosts", flags.hosts,
              "Hosts, with commas between (those of the Slurm allocation, or this one)")
      .SplitAt(',');
  parser.Option("--data", flags.data, "Folder of the data set");
  parser.Option("--run", flags.run, "Run folder; it need not be there");
  parser.Option("--set", flags.set, "FIELD=VALUE, such as train.epochs=3; may be repeated")
      .OneValueEach();
  parser.Option("--threads", flags.threads, "Compute threads of a rank, or auto");
  parser.Option("--memory", flags.memory, "Memory that each rank may fill");
  absl::StatusOr<std::optional<ExitCode>> ended = ReadWords(parser, words);
  if (!ended.ok()) return ended.status();
  if (ended->has_value()) return **ended;
  return RunDoctor(flags);
}

}  // namespace cf

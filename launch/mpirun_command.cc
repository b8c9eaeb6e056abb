#include "launch/mpirun_command.h"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <unistd.h>
#include <utility>

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_replace.h>
#include <absl/strings/str_split.h>

#include "common/base/files.h"
#include "common/base/host.h"
#include "common/base/status.h"
#include "common/text/display.h"
#include "launch/subprocess.h"

namespace cf {
namespace {

// The longest name of a host with which Open MPI 4.1 starts; with longer ones it overruns a buffer.
constexpr std::size_t kHostNameMax = 56;

absl::StatusOr<std::string> FolderOfThisProgram() {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return ErrnoError(error.value(), "/proc/self/exe");
  return self.parent_path().string();
}

}  // namespace

absl::StatusOr<std::string> FindWorker() {
  const absl::StatusOr<std::string> folder = FolderOfThisProgram();
  if (!folder.ok()) return folder.status();
  const std::string worker = *folder + "/cfworker";
  if (::access(worker.c_str(), X_OK) == 0) return worker;
  return absl::NotFoundError(absl::StrCat(worker, ": cfworker must lie beside cfrun"));
}

absl::Status CheckHostName() {
  const std::string host = HostName();
  if (host.size() <= kHostNameMax) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the name of this host has ", host.size(), " characters (", host,
                   "), and Open MPI 4.1 takes at most ", kHostNameMax,
                   ": give it a shorter one, or start one process without cfrun (cfworker)"));
}

std::string FindFlag(const std::vector<std::string>& words, const std::string& name) {
  std::string value;
  for (std::size_t k = 0; k < words.size(); ++k) {
    if (words[k] == name && k + 1 < words.size()) value = words[k + 1];
    if (absl::StartsWith(words[k], name + "=")) value = words[k].substr(name.size() + 1);
  }
  return value;
}

void TellAboutTerminal(std::vector<std::string>& flags) {
  const std::string given = FindFlag(flags, "--progress");
  const std::string asked = given.empty() ? "auto" : given;
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
  if ((bar || ::isatty(STDOUT_FILENO) == 1) && FindFlag(flags, "--width").empty()) {
    flags.insert(flags.end(), {"--width", absl::StrCat(TerminalWidth(STDOUT_FILENO))});
  }
}

bool NamesOtherHosts(const Environment& environment) {
  // A host file, or a batch system that Open MPI asks by itself.
  for (const char* name : {"OMPI_MCA_orte_default_hostfile", "OMPI_MCA_hostfile", "PE_HOSTFILE",
                           "PBS_NODEFILE", "LSB_AFFINITY_HOSTFILE", "LSB_DJOB_RANKFILE"}) {
    if (environment(name) != nullptr) return true;
  }
  const char* home = environment("HOME");
  for (const std::string& path :
       {std::string("/etc/openmpi/openmpi-default-hostfile"),
        std::string("/etc/openmpi/openmpi-mca-params.conf"),
        absl::StrCat(home == nullptr ? "" : home, "/.openmpi/mca-params.conf")}) {
    const std::string text = ReadFile(path).value_or("");
    const bool is_hostfile = absl::EndsWith(path, "hostfile");
    for (absl::string_view line : absl::StrSplit(text, '\n')) {
      line = absl::StripAsciiWhitespace(line);
      if (line.empty() || line.front() == '#') continue;
      if (is_hostfile || absl::StrContains(line, "hostfile")) return true;
    }
  }
  return false;
}

void SetUpOpenMpi(bool on_one_host) {
  if (on_one_host) {
    ::setenv("OMPI_MCA_oob_tcp_if_include", "lo", 0);
    ::setenv("OMPI_MCA_btl", "self,vader", 0);
    // A library beside the program's folder, where it is installed; without it a job is none the worse.
    const std::string library =
        FolderOfThisProgram().value_or("") + "/../lib/libcf_loopback_bind.so";
    if (::access(library.c_str(), R_OK) == 0) ::setenv("LD_PRELOAD", library.c_str(), 0);
  }
  // What it takes anyway; to look whether it could take another it makes /dev/shm/open_mpi.0000, which
  // stays of a process that is killed just then.
  ::setenv("OMPI_MCA_shmem", "mmap", 0);
  // More ranks than cores is an ordinary job here: they block while they wait.
  ::setenv("OMPI_MCA_rmaps_base_oversubscribe", "1", 0);
  // With one or two ranks mpirun would pin each with all its threads to one core.
  ::setenv("OMPI_MCA_hwloc_base_binding_policy", "none", 0);
  if (::geteuid() == 0) {
    ::setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 0);
    ::setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 0);
  }
}

void SetUpOpenMpiForRestart() {
  // The daemons of the mpirun before may hold the nodes' cores and memory for as long as one of
  // them does not answer; the new ones share them.
  ::setenv("OMPI_MCA_plm_slurm_args", "--overlap --mem=0", 0);
}

std::vector<std::string> CommandOn(const std::string& host,
                                   const std::vector<std::string>& command) {
  if (host == HostName() || host == "localhost") return command;
  const char* chosen = std::getenv("OMPI_MCA_plm_rsh_agent");
  std::vector<std::string> words =
      absl::StrSplit(chosen != nullptr ? chosen : "ssh -o BatchMode=yes", ' ', absl::SkipEmpty());
  words.push_back(host);
  // A shell reads them there.
  for (const std::string& word : command) {
    words.push_back(absl::StrCat("'", absl::StrReplaceAll(word, {{"'", "'\\''"}}), "'"));
  }
  return words;
}

bool Answers(const std::string& host) {
  constexpr std::chrono::seconds kLimit(5);
  const std::vector<std::string> command = CommandOn(host, {"true"});
  return command.size() == 1 || OutputOf(command, kLimit).ok();
}

absl::StatusOr<std::optional<ScratchFolder>> MakeSessionFolder() {
  for (const char* chosen : {"OMPI_MCA_orte_tmpdir_base", "OMPI_MCA_orte_local_tmpdir_base",
                             "OMPI_MCA_orte_remote_tmpdir_base"}) {
    if (std::getenv(chosen) != nullptr) return std::nullopt;
  }
  std::string directory = "/tmp";
  for (const char* name : {"TMP", "TEMP", "TMPDIR"}) {
    if (const char* value = std::getenv(name); value != nullptr && *value != 0) directory = value;
  }
  // By host, whose own these are: on another host the daemon of a job may have one of this name, too.
  absl::StatusOr<ScratchFolder> folder =
      ScratchFolder::Open(directory, absl::StrCat("cf-mpi-", HostName(), "-"));
  if (!folder.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(folder.status().message(),
                     ": Open MPI needs a folder there; set TMPDIR to one that can be written to"));
  }
  return *std::move(folder);
}

absl::StatusOr<std::vector<std::string>> MpirunCommand(const RankPlan& plan,
                                                       const std::string& session_folder,
                                                       const std::string& launch,
                                                       const std::vector<std::string>& flags) {
  const absl::StatusOr<std::string> worker = FindWorker();
  if (!worker.ok()) return worker.status();
  std::vector<std::string> program = {*worker};
  program.insert(program.end(), flags.begin(), flags.end());
  if (plan.cores > 0) program.insert(program.end(), {"--cores", absl::StrCat(plan.cores)});
  if (plan.memory_mib > 0) {
    program.insert(program.end(), {"--memory", absl::StrCat(plan.memory_mib)});
  }
  // Not quiet: what mpirun says itself is kept from the screen until it is wanted (MpirunSieve).
  std::vector<std::string> command = {"mpirun", "--display-map"};
  if (!session_folder.empty()) {
    command.insert(command.end(), {"--mca", "orte_tmpdir_base", session_folder});
  }
  for (std::size_t k = 0; k < plan.groups.size(); ++k) {
    if (k > 0) command.emplace_back(":");
    command.insert(command.end(), {"-n", absl::StrCat(plan.groups[k].ranks)});
    command.insert(command.end(), {"-x", "CF_LAUNCH=" + launch});
    command.insert(command.end(), plan.groups[k].placement.begin(), plan.groups[k].placement.end());
    command.insert(command.end(), program.begin(), program.end());
  }
  return command;
}

}  // namespace cf

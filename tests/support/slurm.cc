#include "tests/support/slurm.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <unistd.h>

#include <gtest/gtest.h>

#include "common/base/check.h"
#include "common/base/files.h"
#include "tests/support/paths.h"

namespace cf {
namespace {

namespace fs = std::filesystem;

// PERIODIC_TIMEOUT of slurmctld, and how long before a job is to be submitted: it then trains.
constexpr std::chrono::seconds kTimeCheckInterval(30);
constexpr std::chrono::seconds kTimeToStart(4);
// Networks of the hosts; what follows is the host's number.
constexpr char kIpv4[] = "10.0.0.";
constexpr char kIpv6[] = "fd00:77::";

bool IsNumber(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

std::string OnPath(const std::string& program) {
  for (const char* folder : {"/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"}) {
    if (fs::exists(folder + program)) return folder + program;
  }
  return "";
}

std::string NamespaceOf(pid_t pid, const std::string& kind) {
  std::error_code gone;
  return fs::read_symlink("/proc/" + std::to_string(pid) + "/ns/" + kind, gone);
}

/// What belongs to the cluster and not to a job, by the name that the kernel has for it.
bool IsDaemon(pid_t pid) {
  static const std::set<std::string> names = {"munged",       "slurm_cluster", "slurmctld",
                                              "slurmscriptd", "slurmd",        "unshare"};
  std::string name = ReadFile("/proc/" + std::to_string(pid) + "/comm").value_or("");
  if (!name.empty()) name.pop_back();  // The end of the line.
  return names.contains(name);
}

/// "JobState=RUNNING Reason=None ..." by its keys; the first one of a key counts.
std::map<std::string, std::string> Fields(const std::string& text) {
  std::map<std::string, std::string> fields;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const std::size_t equals = word.find('=');
    if (equals != std::string::npos)
      fields.emplace(word.substr(0, equals), word.substr(equals + 1));
  }
  return fields;
}

bool HasEnded(const std::string& state) {
  static const std::set<std::string> ends = {"COMPLETED", "FAILED",    "CANCELLED",
                                             "TIMEOUT",   "NODE_FAIL", "OUT_OF_MEMORY",
                                             "BOOT_FAIL", "DEADLINE",  "PREEMPTED"};
  return ends.contains(state);
}

}  // namespace

SlurmCluster::SlurmCluster(const std::vector<std::string>& settings) {
  std::string name = ::testing::TempDir() + "cf_slurm_XXXXXX";
  Check(::mkdtemp(name.data()) != nullptr, "a test can make a temporary folder");
  folder_ = name;
  std::vector<std::string> command = {CF_SOURCE_DIR "/tests/support/slurm_cluster", folder_};
  command.insert(command.end(), settings.begin(), settings.end());
  hosts_ = std::make_unique<Process>(command);
  const bool ready =
      Eventually([this] { return fs::exists(folder_ + "/ready") || !IsAlive(hosts_->pid()); });
  if (!ready || !IsAlive(hosts_->pid())) ADD_FAILURE() << hosts_->ErrorsSoFar();
  process_namespace_ = NamespaceOf(hosts_->pid(), "pid_for_children");
  Check(!process_namespace_.empty(), "the Slurm of the test has started");
}

SlurmCluster::~SlurmCluster() {
  hosts_.reset();  // The kernel ends everything in the namespace with its first process.
  EXPECT_TRUE(Eventually([this] { return Processes().empty(); }));
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

std::string SlurmCluster::Missing() {
  for (const char* program : {"slurmctld", "slurmd", "sbatch", "munged", "ip", "nsenter"}) {
    if (OnPath(program).empty()) {
      return std::string(program) + " is not installed: ./launch/install-dependencies --test";
    }
  }
  if (::geteuid() != 0) return "hosts of one's own need root";
  if (Process({"unshare", "--net", "--mount", "--pid", "--fork", "true"}).Wait().exit_code != 0) {
    return "this container may not make namespaces (docker run --privileged)";
  }
  return "";
}

Process::Result SlurmCluster::Run(std::vector<std::string> command) const {
  command.insert(command.begin(),
                 {"nsenter", "--net=/proc/" + std::to_string(hosts_->pid()) + "/ns/net"});
  return Process(command, Environment()).Wait();
}

std::map<std::string, std::string> SlurmCluster::Environment() const {
  const char* const path = std::getenv("PATH");
  return {{"PATH", std::string(CF_BIN_DIR ":") + (path == nullptr ? "" : path)},
          {"SLURM_CONF", folder_ + "/slurm.conf"},
          {"TMPDIR", folder_ + "/scratch"}};
}

std::unique_ptr<Process> SlurmCluster::StartOn(int node,
                                               const std::vector<std::string>& command) const {
  const std::string of = "/proc/" + std::to_string(hosts_->pid()) + "/ns/";
  std::vector<std::string> words = {"nsenter",
                                    "--net=" + of + "net",
                                    "--uts=" + of + "uts",
                                    "--mount=" + of + "mnt",
                                    "--pid=" + of + "pid_for_children",
                                    folder_ + "/remote_shell",
                                    "n" + std::to_string(node)};
  words.insert(words.end(), command.begin(), command.end());
  std::map<std::string, std::string> environment = Environment();
  environment.merge(OpenMpiEnvironment());
  environment.merge(
      std::map<std::string, std::string>{{"OMPI_MCA_plm_rsh_agent", folder_ + "/remote_shell"},
                                         {"OMPI_MCA_btl", "self,tcp"},
                                         {"OMPI_MCA_btl_tcp_if_include", "eth0"},
                                         {"OMPI_MCA_oob_tcp_if_include", "eth0"}});
  return std::make_unique<Process>(words, environment);
}

void SlurmCluster::TellOfOthers(int node, const std::string& action,
                                const std::string& what) const {
  std::string command = "true";
  for (int other = 0; other < kNodes; ++other) {
    if (other == node) continue;
    command += " && ip neigh " + action + " " + kIpv4 + std::to_string(other + 1) + what +
               " dev eth0 nud permanent";
  }
  // The shell comes from the control host, which it goes on to answer.
  DoOn(node, command);
}

void SlurmCluster::DoOn(int node, const std::string& command) const {
  const Process::Result done = StartOn(node, {command})->Wait();
  EXPECT_EQ(done.exit_code, 0) << command << ": " << done.errors;
}

void SlurmCluster::ChangeAddresses(const std::string& action, const std::string& network,
                                   const std::string& flags) const {
  for (int node = 0; node < kNodes; ++node) {
    std::string command = "ip addr " + action + " " + network;
    command += std::to_string(node + 1) + (network.find(':') == std::string::npos ? "/24" : "/64");
    DoOn(node, command + " dev eth0" + flags);
  }
}

void SlurmCluster::UseIpv6(bool use) const {
  const std::string from = use ? kIpv4 : kIpv6;
  const std::string to = use ? kIpv6 : kIpv4;
  const std::string at_once = use ? " nodad" : "";
  if (use) {
    const Process::Result set =
        Run({"ip", "addr", "replace", to + "100/64", "dev", "switch", "nodad"});
    EXPECT_EQ(set.exit_code, 0) << set.errors;
  }
  ChangeAddresses("add", to, at_once);
  std::string hosts = "127.0.0.1 localhost\n" + to + "100 control\n";
  for (int node = 0; node < kNodes; ++node) {
    hosts += to + std::to_string(node + 1) + " n" + std::to_string(node) + "\n";
  }
  // Where it is: it is mounted on every host's.
  std::ofstream(folder_ + "/hosts") << hosts;
  ChangeAddresses("del", from);
}

void SlurmCluster::Mute(int node) const {
  // To a neighbour that nobody is.
  TellOfOthers(node, "replace", " lladdr 02:00:00:00:00:99");
}

void SlurmCluster::Unmute(int node) const {
  TellOfOthers(node, "del", "");
}

std::string SlurmCluster::Submit(std::vector<std::string> sbatch_arguments) const {
  sbatch_arguments.insert(sbatch_arguments.begin(), {"sbatch", "--parsable", "--open-mode=append",
                                                     "--output=" + LogPath("%j")});
  const Process::Result result = Run(std::move(sbatch_arguments));
  EXPECT_EQ(result.exit_code, 0) << result.errors;
  return result.output.substr(0, result.output.find('\n'));
}

std::string SlurmCluster::Log(const std::string& job) const {
  return ReadFile(LogPath(job)).value_or("");
}

SlurmJobState SlurmCluster::State(const std::string& job) const {
  const Process::Result shown = Run({"scontrol", "--oneliner", "show", "job", job});
  EXPECT_EQ(shown.exit_code, 0) << shown.errors;
  std::map<std::string, std::string> fields = Fields(shown.output);
  const std::string restarts = fields["Restarts"];
  const std::string nodes = fields["NodeList"];
  return {.state = fields["JobState"],
          .reason = fields["Reason"],
          .restarts = IsNumber(restarts) ? std::stoi(restarts) : 0,
          .exit_code = fields["ExitCode"],
          .nodes = nodes == "(null)" ? "" : nodes};
}

bool SlurmCluster::WaitForState(const std::string& job, const std::string& state,
                                std::chrono::seconds deadline) const {
  SlurmJobState last;
  Eventually(
      [&] {
        last = State(job);
        return last.state == state || HasEnded(last.state);
      },
      deadline);
  return last.state == state;
}

bool SlurmCluster::HastenRestart(const std::string& job, int restart) const {
  const bool waits = Eventually([&] {
    const SlurmJobState now = State(job);
    return now.restarts == restart && now.state != "COMPLETING";
  });
  // Not at once: credentials of the second in which the last ones were revoked count as revoked
  // too, and the job would fail. Where it does not wait any more, there is nothing to hasten.
  if (waits) Run({"scontrol", "update", "JobId=" + job, "StartTime=now+2"});
  return waits;
}

void SlurmCluster::WaitForTimeCheck() const {
  Eventually(
      [this] {
        const auto since = (std::chrono::steady_clock::now() - start_) % kTimeCheckInterval;
        return since >= kTimeCheckInterval - kTimeToStart &&
               since <= kTimeCheckInterval - kTimeToStart + std::chrono::seconds(1);
      },
      kTimeCheckInterval + std::chrono::seconds(1));
}

bool SlurmCluster::WaitUntilIdle(std::chrono::seconds deadline) const {
  return Eventually(
      [this] {
        return Run({"sinfo", "--noheader", "--states=idle", "--format=%D"}).output ==
               std::to_string(kNodes) + "\n";
      },
      deadline);
}

std::vector<pid_t> SlurmCluster::Processes() const {
  std::vector<pid_t> pids;
  std::error_code error;
  for (fs::directory_iterator entry("/proc", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename();
    if (!IsNumber(name)) continue;
    const pid_t pid = std::stoi(name);
    if (NamespaceOf(pid, "pid") == process_namespace_ && IsAlive(pid)) pids.push_back(pid);
  }
  return pids;
}

std::vector<pid_t> SlurmCluster::ProcessesOfJobs() const {
  std::vector<pid_t> pids = Processes();
  std::erase_if(pids, IsDaemon);
  return pids;
}

bool SlurmCluster::WaitUntilNoneIsLeft(std::chrono::seconds deadline) const {
  return Eventually([this] { return ProcessesOfJobs().empty(); }, deadline);
}

std::string SlurmCluster::Describe(const std::vector<pid_t>& pids) {
  std::string text;
  for (const pid_t pid : pids) {
    std::string command = ReadFile("/proc/" + std::to_string(pid) + "/cmdline").value_or("");
    std::replace(command.begin(), command.end(), '\0', ' ');
    text += std::to_string(pid) + " " + command + "\n";
  }
  return text;
}

void SlurmCluster::SetLink(int node, const std::string& state) const {
  const Process::Result set = Run({"ip", "link", "set", "n" + std::to_string(node), state});
  EXPECT_EQ(set.exit_code, 0) << set.errors;
}

}  // namespace cf

#include "tests/support/cluster.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
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

constexpr char kMarkName[] = "CF_TEST_JOB";

// A process's environment, each "NAME=VALUE" with a zero before and after it.
std::string EnvironmentOf(pid_t pid) {
  return std::string(1, '\0') + ReadFile("/proc/" + std::to_string(pid) + "/environ").value_or("");
}

bool HasVariable(const std::string& environment, const std::string& name,
                 const std::string& value) {
  const std::string zero(1, '\0');
  return environment.find(zero + name + "=" + value + zero) != std::string::npos;
}

bool IsNumber(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

std::string CommandNameOf(pid_t pid) {
  std::string name = ReadFile("/proc/" + std::to_string(pid) + "/comm").value_or("");
  if (!name.empty()) name.pop_back();  // The end of the line.
  return name;
}

std::vector<std::string> Cells(const std::string& line, char separator) {
  std::vector<std::string> cells;
  std::istringstream stream(line);
  for (std::string cell; std::getline(stream, cell, separator);) cells.push_back(cell);
  return cells;
}

std::vector<std::string> ManifestsIn(const std::string& run_path) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(run_path + "/snapshots", error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() == ".manifest") names.push_back(entry->path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// "g000001-s000000000080.manifest" -> 80.
std::uint64_t StepOf(const std::string& manifest) {
  return std::stoull(manifest.substr(manifest.find("-s") + 2));
}

void MustSucceed(const std::string& program, const std::vector<std::string>& arguments) {
  const Process::Result result = RunProgram(program, arguments);
  if (result.exit_code != 0) ADD_FAILURE() << result.errors;
  Check(result.exit_code == 0, "a data set for the test is made");
}

}  // namespace

// --- ClusterJob ----------------------------------------------------------------------------------

ClusterJob::ClusterJob(const std::vector<std::string>& command, const std::string& run_path,
                       const std::map<std::string, std::string>& added)
    : run_path_(run_path), log_begin_(ReadFile(run_path + "/log.txt").value_or("").size()) {
  static std::atomic<int> count = 0;
  mark_ = std::to_string(::getpid()) + "." + std::to_string(count++);
  std::map<std::string, std::string> environment = OpenMpiEnvironment();
  environment[kMarkName] = mark_;
  environment.insert(added.begin(), added.end());
  launcher_ = std::make_unique<Process>(command, environment);
}

ClusterJob::~ClusterJob() {
  for (const pid_t pid : Living()) ::kill(pid, SIGKILL);
}

std::vector<pid_t> ClusterJob::Living() const {
  std::vector<pid_t> pids;
  std::error_code error;
  for (fs::directory_iterator entry("/proc", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename();
    if (!IsNumber(name)) continue;
    const pid_t pid = std::stoi(name);
    if (HasVariable(EnvironmentOf(pid), kMarkName, mark_) && IsAlive(pid)) pids.push_back(pid);
  }
  return pids;
}

pid_t ClusterJob::FindProcess(const std::string& name, int rank) const {
  for (const pid_t pid : Living()) {
    if (CommandNameOf(pid) == name &&
        HasVariable(EnvironmentOf(pid), "OMPI_COMM_WORLD_RANK", std::to_string(rank))) {
      return pid;
    }
  }
  return 0;
}

pid_t ClusterJob::FindMpirun() const {
  for (const pid_t pid : Living()) {
    if (const std::string name = CommandNameOf(pid); name == "mpirun" || name == "orterun") {
      return pid;
    }
  }
  return 0;
}

bool ClusterJob::WaitWhileItRuns(const std::function<bool()>& holds) const {
  bool held = false;
  Eventually([&] {
    const bool runs = IsAlive(launcher_->pid());  // Before the look, which then misses nothing.
    held = holds();
    return held || !runs;
  });
  return held;
}

bool ClusterJob::WaitForLog(const std::string& text) {
  return WaitWhileItRuns([&] {
    return ReadFile(run_path_ + "/log.txt").value_or("").find(text, log_begin_) !=
           std::string::npos;
  });
}

bool ClusterJob::WaitForSnapshot(std::uint64_t step) {
  return WaitWhileItRuns([&] {
    const std::vector<std::string> manifests = ManifestsIn(run_path_);
    return std::any_of(manifests.begin(), manifests.end(),
                       [&](const std::string& name) { return StepOf(name) >= step; });
  });
}

bool ClusterJob::WaitUntilNoneIsLeft(std::chrono::seconds deadline) const {
  return Eventually([this] { return Living().empty(); }, deadline);
}

// --- TestCluster ---------------------------------------------------------------------------------

TestCluster::TestCluster() {
  std::string name = ::testing::TempDir() + "cf_cluster_XXXXXX";
  Check(::mkdtemp(name.data()) != nullptr, "a test can make a temporary folder");
  folder_ = name;
  const std::string real = CF_TEST_DATA "/ml-100k";
  if (fs::exists(real + "/u1.base")) {
    ImportReal(real);
  } else {
    ImportGenerated();
  }
}

TestCluster::~TestCluster() {
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void TestCluster::ImportReal(const std::string& source) const {
  MustSucceed("cfdata",
              {"import", "--ratings", source + "/u1.base", "--validation", source + "/u1.test",
               "--titles", source + "/u.item", "--out", Path("data")});
}

void TestCluster::ImportGenerated() const {
  MustSucceed("cfdata", {"synth", "--preset", "ml-100k", "--out", Path("generated"), "--csv",
                         Path("generated-csv")});
  MustSucceed("cfdata", {"export-split", Path("generated"), "--seed", "42", "--fraction", ".2",
                         "--out", Path("csv")});
  MustSucceed("cfdata",
              {"import", "--ratings", Path("csv/train.csv"), "--validation", Path("csv/val.csv"),
               "--titles", Path("generated-csv/movies.csv"), "--out", Path("data")});
}

std::unique_ptr<ClusterJob> TestCluster::Start(const JobOptions& options) const {
  Check(options.launcher != Launcher::kAlone || options.ranks == 1, "alone is one rank");
  std::vector<std::string> command;
  std::map<std::string, std::string> environment = options.environment;
  const std::string ranks = std::to_string(options.ranks);
  switch (options.launcher) {
    case Launcher::kAlone:
      command = {CF_BIN_DIR "/cfworker"};
      break;
    case Launcher::kMpirun:  // Quiet is about its own long texts; what ranks print passes.
      command = {"mpirun", "--quiet", "-n", ranks, CF_BIN_DIR "/cfworker"};
      // What it leaves when it is killed goes with this cluster.
      environment.emplace("OMPI_MCA_orte_tmpdir_base", folder_);
      break;
    case Launcher::kCfrun:
      command = {CF_BIN_DIR "/cfrun", "-n", ranks};
      break;
  }
  const bool path = options.config.find('/') != std::string::npos;
  command.push_back(path ? options.config
                         : CF_SOURCE_DIR "/configs/" + options.config + ".textproto");
  command.insert(command.end(), {"--data", options.data.empty() ? Path("data") : options.data,
                                 "--run", Path(options.run)});
  for (const std::string& assignment : options.set) {
    command.insert(command.end(), {"--set", assignment});
  }
  command.insert(command.end(), options.flags.begin(), options.flags.end());
  return std::make_unique<ClusterJob>(command, Path(options.run), environment);
}

Process::Result TestCluster::Run(const JobOptions& options) const {
  return Start(options)->Wait();
}

std::string TestCluster::Train(const JobOptions& options) const {
  const Process::Result result = Run(options);
  EXPECT_EQ(result.exit_code, 0) << options.run << "\n" << result.output << result.errors;
  return result.exit_code == 0 ? Digest(options.run) : "";
}

std::string TestCluster::Digest(const std::string& run, const std::string& name) const {
  Process::Result result = RunProgram("cfsnapshot", {"digest", SnapshotPath(run, name)});
  EXPECT_EQ(result.exit_code, 0) << result.errors;
  if (result.exit_code != 0) return "";
  return result.output.substr(0, result.output.find('\n'));
}

std::vector<std::string> TestCluster::Manifests(const std::string& run) const {
  return ManifestsIn(Path(run));
}

// --- What is left behind -------------------------------------------------------------------------

std::vector<std::string> LinesOf(const std::string& path) {
  return Cells(ReadFile(path).value_or(""), '\n');
}

std::vector<std::string> HistoryColumn(const std::string& run_path, const std::string& name) {
  const std::vector<std::string> lines = LinesOf(run_path + "/history.csv");
  const std::vector<std::string> names = lines.empty() ? lines : Cells(lines.front(), ',');
  const auto column = std::find(names.begin(), names.end(), name) - names.begin();
  EXPECT_LT(column, std::ssize(names)) << run_path << " has no column " << name;
  std::vector<std::string> values;
  for (std::size_t k = 1; k < lines.size(); ++k) {
    values.push_back(Cells(lines[k], ',').at(static_cast<std::size_t>(column)));
  }
  return values;
}

std::vector<std::uint16_t> ListeningPorts(pid_t pid) {
  constexpr char kListening[] = "0A";
  std::set<std::string> own;  // Inodes of its sockets.
  std::error_code error;
  const std::string process = "/proc/" + std::to_string(pid);
  for (fs::directory_iterator entry(process + "/fd", error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code closed;
    const std::string target = fs::read_symlink(entry->path(), closed);
    if (target.starts_with("socket:[")) own.insert(target.substr(8, target.size() - 9));
  }
  std::vector<std::uint16_t> ports;
  for (const std::string& line : LinesOf(process + "/net/tcp")) {
    // "sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode ...".
    std::istringstream stream(line);
    std::vector<std::string> words;
    for (std::string word; stream >> word;) words.push_back(word);
    if (words.size() < 10 || words[3] != kListening || !own.contains(words[9])) continue;
    const std::string port = words[1].substr(words[1].find(':') + 1);
    ports.push_back(static_cast<std::uint16_t>(std::stoul(port, nullptr, 16)));
  }
  return ports;
}

}  // namespace cf

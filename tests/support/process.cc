#include "tests/support/process.h"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "common/base/check.h"
#include "common/base/files.h"
#include "tests/support/paths.h"

namespace cf {
namespace {

constexpr int kPollMilliseconds = 10;

std::string TemporaryPath(const std::string& name) {
  static std::atomic<int> count{0};
  return ::testing::TempDir() + "cf_process_" + std::to_string(::getpid()) + "_" +
         std::to_string(count++) + "_" + name;
}

void Redirect(const std::string& path, int to) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file < 0 || ::dup2(file, to) < 0) ::_exit(126);
}

}  // namespace

Process::Process(const std::vector<std::string>& command,
                 const std::map<std::string, std::string>& environment)
    : output_path_(TemporaryPath("out")), errors_path_(TemporaryPath("err")) {
  pid_ = ::fork();
  Check(pid_ >= 0, "a test can fork");
  if (pid_ > 0) return;
  for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
  Redirect(output_path_, STDOUT_FILENO);
  Redirect(errors_path_, STDERR_FILENO);
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  ::execvp(words[0], words.data());
  ::_exit(127);
}

Process::~Process() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  std::filesystem::remove(output_path_);
  std::filesystem::remove(errors_path_);
}

void Process::Signal(int signal) const {
  Check(pid_ > 0, "a process that has ended hears nothing");
  ::kill(pid_, signal);
}

std::string Process::ErrorsSoFar() const {
  return ReadFile(errors_path_).value_or("");
}

Process::Result Process::Wait(std::chrono::seconds deadline) {
  Result result;
  int status = 0;
  const bool ended =
      Eventually([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; }, deadline);
  if (ended) {
    pid_ = -1;
    result.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }
  result.output = ReadFile(output_path_).value_or("");
  result.errors = ReadFile(errors_path_).value_or("");
  return result;
}

Process::Result RunProgram(const std::string& name, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), CF_BIN_DIR "/" + name);
  return Process(arguments).Wait();
}

std::map<std::string, std::string> OpenMpiEnvironment() {
  // Open MPI unloads plugins whose memory it never frees: LeakSanitizer cannot name them, so they
  // cannot be suppressed. Our own libraries are checked for leaks by their unit tests.
  return {{"ASAN_OPTIONS", "detect_leaks=0"},
          {"OMPI_ALLOW_RUN_AS_ROOT", "1"},
          {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"},
          {"OMPI_MCA_rmaps_base_oversubscribe", "1"},
          {"OMPI_MCA_hwloc_base_binding_policy", "none"}};
}

bool Eventually(const std::function<bool()>& holds, std::chrono::seconds deadline) {
  const auto end = std::chrono::steady_clock::now() + deadline;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    ::poll(nullptr, 0, kPollMilliseconds);  // Nothing announces what other processes do.
  }
  return true;
}

bool IsAlive(pid_t pid) {
  const std::string stat = ReadFile("/proc/" + std::to_string(pid) + "/stat").value_or("");
  // "4711 (name) S ...": the name may hold anything, so the last parenthesis counts.
  const std::size_t name_end = stat.rfind(')');
  return name_end != std::string::npos && stat.substr(name_end + 2, 1) != "Z" &&
         stat.substr(name_end + 2, 1) != "X";
}

}  // namespace cf

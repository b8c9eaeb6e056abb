#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <sys/types.h>
#include <vector>

namespace cf {

/// A child process of a test: a program with its standard output and error in files.
///
/// Owner:   the test.
/// Threads: one.
/// Invariants: no child outlives its Process; the destructor kills it.
class Process {
 public:
  /// How a process ended and what it printed.
  struct Result {
    int exit_code = -1;  ///< 128 plus the signal where it died of one; -1: past the deadline.
    std::string output;
    std::string errors;
  };

  /// Starts `command`, which is found on the PATH, with `environment` added to the test's own.
  explicit Process(const std::vector<std::string>& command,
                   const std::map<std::string, std::string>& environment = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  void Signal(int signal) const;

  /// What it has printed on standard error until now.
  std::string ErrorsSoFar() const;

  /// Waits until it ends.
  Result Wait(std::chrono::seconds deadline = std::chrono::seconds(60));

 private:
  pid_t pid_ = -1;
  std::string output_path_;
  std::string errors_path_;
};

/// Runs a program of ours with its arguments to its end.
Process::Result RunProgram(const std::string& name, std::vector<std::string> arguments);

/// What mpirun needs to start any number of ranks in a test, also as root.
std::map<std::string, std::string> OpenMpiEnvironment();

/// Looks until `holds` does, for `deadline` at most; whether it did.
bool Eventually(const std::function<bool()>& holds,
                std::chrono::seconds deadline = std::chrono::seconds(30));

/// Whether process `pid` exists and is more than a zombie.
bool IsAlive(pid_t pid);

}  // namespace cf

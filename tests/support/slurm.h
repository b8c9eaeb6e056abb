#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <sys/types.h>
#include <vector>

#include "tests/support/process.h"

namespace cf {

/// What Slurm says about a job: `scontrol show job`.
struct SlurmJobState {
  std::string state;      ///< PENDING, RUNNING, COMPLETING, COMPLETED, FAILED, CANCELLED, TIMEOUT.
  std::string reason;     ///< Why it waits or has ended, "None" where there is nothing to say.
  int restarts = 0;       ///< Times it was requeued.
  std::string exit_code;  ///< Of the batch script, "0:0": code and signal.
  std::string nodes;      ///< Where it runs, "n[0-3]"; empty while it waits.
};

/// A real Slurm on four hosts n0 to n3 of one machine, made by tests/support/slurm_cluster: each
/// host is a network namespace with its own name, /dev/shm and $TMPDIR; files are shared. The test
/// itself is on the login node.
///
/// Owner:   the test's fixture.
/// Threads: one.
/// Bounds:  two CPUs and 4,000 MB a host, 500 MB a CPU where a job does not ask; starts in 0.3 s.
/// Invariants: no daemon and no process of a job outlives the object, nor the test if it crashes.
class SlurmCluster {
 public:
  static constexpr int kNodes = 4;

  /// `settings` are lines for slurm.conf that replace its own, "SlurmdTimeout=4".
  explicit SlurmCluster(const std::vector<std::string>& settings = {});
  ~SlurmCluster();
  SlurmCluster(const SlurmCluster&) = delete;
  SlurmCluster& operator=(const SlurmCluster&) = delete;

  /// What this machine lacks to run one, in words; empty where it lacks nothing.
  static std::string Missing();

  /// Runs a command on the login node: sbatch, squeue, or a program of ours, which are on the PATH
  /// there and in jobs.
  Process::Result Run(std::vector<std::string> command) const;

  /// Starts a command on a host as if there were no Slurm, with what starts others on all hosts in its
  /// environment (cfrun --hosts, mpirun --host). Words have no spaces.
  std::unique_ptr<Process> StartOn(int node, const std::vector<std::string>& command) const;

  /// Submits a batch job and returns its id. Its output is appended to LogPath(id).
  std::string Submit(std::vector<std::string> sbatch_arguments) const;
  std::string LogPath(const std::string& job) const { return folder_ + "/job-" + job + ".log"; }
  std::string Log(const std::string& job) const;

  SlurmJobState State(const std::string& job) const;

  /// Waits until the job is in `state`; false past the deadline, or when it has ended in another.
  bool WaitForState(const std::string& job, const std::string& state,
                    std::chrono::seconds deadline = std::chrono::seconds(120)) const;

  /// Waits until Slurm has put the job back among those that wait for the `restart`th time, and
  /// spares it most of the 6 s that it would now wait for its credentials to expire.
  bool HastenRestart(const std::string& job, int restart) const;

  /// Waits until Slurm is about to look which jobs come to their time limit, and sends the signals
  /// of `sbatch --signal`, which it does every 30 s: a job submitted now is looked at in 3 to 5 s.
  void WaitForTimeCheck() const;

  void CutLink(int node) const { SetLink(node, "down"); }
  void RestoreLink(int node) const { SetLink(node, "up"); }

  /// What the host sends to others arrives nowhere from now on, while it hears them.
  void Mute(int node) const;
  void Unmute(int node) const;

  /// The hosts' addresses are of IPv6 alone from now on, or of IPv4 again. Meanwhile Slurm does not reach
  /// them. Requires: the setting CommunicationParameters=EnableIPv6.
  void UseIpv6(bool use) const;

  /// Waits until all hosts are there and none has a job.
  bool WaitUntilIdle(std::chrono::seconds deadline = std::chrono::seconds(120)) const;

  /// The processes of jobs that are alive on any of the hosts.
  std::vector<pid_t> ProcessesOfJobs() const;
  bool WaitUntilNoneIsLeft(std::chrono::seconds deadline = std::chrono::seconds(10)) const;

  /// The command lines of processes, for messages.
  static std::string Describe(const std::vector<pid_t>& pids);

 private:
  void SetLink(int node, const std::string& state) const;
  void TellOfOthers(int node, const std::string& action, const std::string& what) const;
  void DoOn(int node, const std::string& command) const;
  void ChangeAddresses(const std::string& action, const std::string& network,
                       const std::string& flags = "") const;
  std::map<std::string, std::string> Environment() const;
  std::vector<pid_t> Processes() const;

  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::string folder_;
  std::string process_namespace_;  // As /proc names it.
  std::unique_ptr<Process> hosts_;
};

}  // namespace cf

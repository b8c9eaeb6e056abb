#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <sys/types.h>
#include <vector>

#include "tests/support/paths.h"
#include "tests/support/process.h"

namespace cf {

/// Who starts the ranks of a job.
enum class Launcher {
  kAlone,   ///< cfworker itself: one rank without MPI.
  kMpirun,  ///< mpirun, with the settings that a crowded machine needs.
  kCfrun,
};

/// What a test asks of a job.
struct JobOptions {
  Launcher launcher = Launcher::kMpirun;
  int ranks = 1;  ///< 1 where it is alone.
  /// The name of a file in configs/ without its ending, or a path.
  std::string config = "ml_100k_u1_biased_mf";
  std::string data = {};                ///< Empty: the cluster's.
  std::string run = {};                 ///< The run folder's name within the cluster's folder.
  std::vector<std::string> set = {};    ///< FIELD=VALUE.
  std::vector<std::string> flags = {};  ///< Any others of cfworker.
  std::map<std::string, std::string> environment = {};  ///< Added to the test's own.
};

/// A job of real processes. Each carries a mark in its environment, so that they are found whatever
/// became of their parents.
///
/// Owner:   the test.
/// Threads: one.
/// Invariants: no process of the job outlives the object; the destructor kills them.
class ClusterJob {
 public:
  ClusterJob(const std::vector<std::string>& command, const std::string& run_path,
             const std::map<std::string, std::string>& environment = {});
  ~ClusterJob();
  ClusterJob(const ClusterJob&) = delete;
  ClusterJob& operator=(const ClusterJob&) = delete;

  /// What was started: cfworker, mpirun or cfrun.
  Process& launcher() { return *launcher_; }

  /// The process of rank `rank`, its keeper's, mpirun's; 0 where it is not there.
  pid_t FindRank(int rank) const { return FindProcess("cfworker", rank); }
  pid_t FindKeeper(int rank) const { return FindProcess("cf-keeper", rank); }
  pid_t FindMpirun() const;

  /// Waits for a line with `text` in the run's log, written by this job; false past the deadline or
  /// when the launcher has ended before.
  bool WaitForLog(const std::string& text);

  /// Waits for a snapshot of at least so many steps; false as above.
  bool WaitForSnapshot(std::uint64_t step);

  /// Waits until the job has no process left.
  bool WaitUntilNoneIsLeft(std::chrono::seconds deadline = std::chrono::seconds(10)) const;

  Process::Result Wait() { return launcher_->Wait(std::chrono::seconds(100)); }

 private:
  std::vector<pid_t> Living() const;
  pid_t FindProcess(const std::string& name, int rank) const;
  bool WaitWhileItRuns(const std::function<bool()>& holds) const;

  std::string run_path_;
  std::size_t log_begin_;  // Where the lines of this job begin.
  std::string mark_;
  std::unique_ptr<Process> launcher_;
};

/// A temporary folder with a data set and the runs that are trained on it: MovieLens 100K with its
/// split u1, imported by cfdata, or generated ratings in its shape where CF_TEST_DATA has none.
///
/// Owner:   the test's fixture.
/// Threads: one.
/// Bounds:  some 10 MB on disk, removed at the end.
class TestCluster {
 public:
  TestCluster();
  ~TestCluster();
  TestCluster(const TestCluster&) = delete;
  TestCluster& operator=(const TestCluster&) = delete;

  const std::string& folder() const { return folder_; }
  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  std::string SnapshotPath(const std::string& run, const std::string& name = "latest") const {
    return Path(run) + "/snapshots/" + name;
  }

  std::unique_ptr<ClusterJob> Start(const JobOptions& options) const;

  /// Starts a job and waits for its end.
  Process::Result Run(const JobOptions& options) const;

  /// Trains a job to its end and gives the digest of the last state; empty, and the test fails,
  /// where either did not go well.
  std::string Train(const JobOptions& options) const;

  /// The digest of a snapshot; empty, and the test fails, where there is none.
  std::string Digest(const std::string& run, const std::string& name = "latest") const;

  /// The files of a run's committed snapshots, in order.
  std::vector<std::string> Manifests(const std::string& run) const;

 private:
  void ImportReal(const std::string& source) const;
  void ImportGenerated() const;

  std::string folder_;
};

/// The lines of `path` without their ends; none where there is no such file.
std::vector<std::string> LinesOf(const std::string& path);

/// The values of a column of history.csv. A test that asks for one that is not there fails.
std::vector<std::string> HistoryColumn(const std::string& run_path, const std::string& name);

/// The ports on which a process listens, as the kernel lists them.
std::vector<std::uint16_t> ListeningPorts(pid_t pid);

}  // namespace cf

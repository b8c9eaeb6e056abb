#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/cluster.h"
#include "tests/support/slurm.h"

namespace cf {

/// A job for one of the scripts in launch/slurm. As it stands it trains for some five seconds on
/// four hosts.
struct BatchJobOptions {
  std::vector<std::string> sbatch = {"--nodes=4"};  ///< Flags of sbatch.
  std::string script = "train.sbatch";
  std::string config = "ml_100k_u1_biased_mf";  ///< In configs/, without its ending; or a path.
  std::string data = {};                        ///< Empty: the cluster's.
  std::string run = {};  ///< The run folder's name within the cluster's folder.
  /// FIELD=VALUE: 1,600 steps with a snapshot each hundredth.
  std::vector<std::string> set = {"train.epochs=40", "train.batch_size=2000",
                                  "early_stopping.patience=0", "snapshot.every_epochs=0",
                                  "snapshot.every_steps=100"};
};

/// What `cfrun status --json` says of a run, as far as tests ask.
struct ShownRun {
  std::string state;  ///< Empty where it knows no such run.
  double exit_code = -1;
  double step = -1;
  double steps_per_epoch = -1;
  double samples_per_second = -1;
  double snapshot_step = -1;
  std::vector<std::string> hosts;  ///< By rank.
  double servers = -1;
  std::string batch_job;
  std::string batch_state;
  double batch_restarts = -1;
  double batch_seconds_left = -1;
};

/// What the tests of this folder share: a Slurm, a data set, and the digest that the job above ends
/// with when nothing disturbs it. Tests are skipped where there can be no Slurm.
///
/// Invariants: after a test no process of a job is left; it fails otherwise.
class InSlurm : public ::testing::Test {
 protected:
  static constexpr double kSteps = 1600;  ///< Of the job above.

  static void SetUpTestSuite() { StartSlurm({}); }
  static void TearDownTestSuite();
  void SetUp() override;
  void TearDown() override;

  /// For suites that want lines in slurm.conf.
  static void StartSlurm(const std::vector<std::string>& settings);

  static const SlurmCluster& slurm() { return *slurm_; }
  static const TestCluster& cluster() { return *cluster_; }

  /// Submits a job and returns its id.
  static std::string Submit(const BatchJobOptions& options);

  static ShownRun Status(const std::string& run);

  /// Waits until `cfrun status` says what is wanted of a run; the test fails where it does not.
  static void ExpectStatus(const std::string& run, const std::string& what,
                           const std::function<bool(const ShownRun&)>& holds);

  /// Waits for a snapshot of at least so many steps; false past the deadline.
  static bool WaitForSnapshot(const std::string& run, std::uint64_t step);

  /// The words of cfworker and cfrun for such a job: CONFIG and flags.
  static std::vector<std::string> WordsOf(const BatchJobOptions& options);

  /// Checks that the run has the digest of the job that nothing disturbed.
  static void ExpectSameDigest(const std::string& run);

  /// Waits until the job is over and checks that it ended well and that the run has the digest of
  /// the job that nothing disturbed.
  static void ExpectSameBits(const std::string& job, const std::string& run);

 private:
  static const std::string& UndisturbedDigest();

  static SlurmCluster* slurm_;  // Null where there can be none.
  static TestCluster* cluster_;
  static std::string* digest_;  // Null until it is wanted.
};

}  // namespace cf

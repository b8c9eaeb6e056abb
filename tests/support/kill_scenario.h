#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/cluster.h"

namespace cf {

/// Whom a scenario kills with SIGKILL. Of a rank of cfrun the others go on by themselves.
enum class Victim { kRank, kMpirun, kMpirunOfCfrun, kRankOfCfrun };

/// When: before the first snapshot in the middle of an epoch, or after one.
enum class Moment { kBeforeSnapshot, kAfterSnapshot };

struct KillScenario {
  Victim victim = Victim::kRank;
  Moment moment = Moment::kAfterSnapshot;
  /// Draws the rank, the numbers of ranks, and the step and the instant of the kill.
  std::uint64_t seed = 1;
};

/// The job that all scenarios train, with snapshots in the middle of its epochs. Its last state has
/// KillOracle's digest.
JobOptions KilledJob(const std::string& run);

/// The same job with no more snapshots than it must take: to resume it, in less time.
JobOptions RestOfKilledJob(const std::string& run);

/// The digest of that job when nothing disturbs it.
std::string KillOracle(const TestCluster& cluster);

/// Runs the job, kills, checks that no process is left, resumes with another number of ranks, where it
/// has not gone on by itself, and checks that it ends with `digest`.
void CheckKill(const TestCluster& cluster, const KillScenario& scenario, const std::string& digest);

/// Tests that disturb KilledJob in various ways and compare with the digest of the undisturbed one.
///
/// Owner:   a test suite, for which cluster and digest are made once.
/// Threads: the first.
class KilledJobTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    cluster_ = std::make_unique<TestCluster>();
    digest_ = std::make_unique<std::string>(KillOracle(*cluster_));
  }
  static void TearDownTestSuite() {
    cluster_.reset();
    digest_.reset();
  }

  static inline std::unique_ptr<TestCluster> cluster_;
  static inline std::unique_ptr<std::string> digest_;
};

}  // namespace cf

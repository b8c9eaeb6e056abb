// Goal: a job that cannot work says so in one line within seconds, with exit code 2, and Slurm does
// not start it again. Method: jobs with one mistake each.

#include <algorithm>
#include <chrono>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/files.h"
#include "tests/slurm/training.h"

namespace cf::errors_test {
namespace {

using ::testing::HasSubstr;

class ErrorsInSlurm : public InSlurm {
 protected:
  static void ExpectRefused(const BatchJobOptions& options, const std::string& message) {
    const std::string job = Submit(options);
    EXPECT_TRUE(slurm().WaitForState(job, "FAILED", std::chrono::seconds(10))) << slurm().Log(job);
    const SlurmJobState state = slurm().State(job);
    EXPECT_EQ(state.exit_code, "2:0");
    EXPECT_EQ(state.restarts, 0);
    const std::string log = slurm().Log(job);
    EXPECT_THAT(log, HasSubstr(message));
    EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 1) << log;
  }
};

TEST_F(ErrorsInSlurm, AWrongConfiguration) {
  const std::string config = cluster().Path("wrong.textproto");
  ASSERT_TRUE(WriteFileAtomically(config, "model { matrix_factorization { dimm: 64 } }\n").ok());
  ExpectRefused({.config = config, .run = "wrong"}, "wrong.textproto:1");
}

TEST_F(ErrorsInSlurm, AMissingDataSet) {
  ExpectRefused({.data = cluster().Path("nowhere"), .run = "no_data"}, "nowhere");
}

TEST_F(ErrorsInSlurm, AModelThatDoesNotFit) {
  BatchJobOptions options{.sbatch = {"--nodes=1", "--mem=100"}, .run = "too_large"};
  options.set.push_back("model.matrix_factorization.dim=4096");
  ExpectRefused(options, "memory");
}

}  // namespace
}  // namespace cf::errors_test

// Goal: a sweep makes the same table, to the byte, as an array of Slurm and on a laptop. Method:
// six configurations as four tasks, and one after another.

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/files.h"
#include "tests/slurm/training.h"
#include "tests/support/paths.h"

namespace cf::sweep_test {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr char kJobs[] =
    "optimizer.adam.learning_rate,model.matrix_factorization.dim\n"
    "0.001,16\n"
    "0.001,32\n"
    "0.003,16\n"
    "0.003,32\n"
    "0.01,16\n"
    "0.01,32\n";
constexpr int kTasks = 4;

class SweepInSlurm : public InSlurm {
 protected:
  // CONFIG and all that follows it.
  static std::vector<std::string> Words(const std::string& run_flag, const std::string& runs) {
    std::vector<std::string> words = {CF_SOURCE_DIR "/configs/ml_100k_u1_biased_mf.textproto"};
    if (!run_flag.empty()) words.push_back(run_flag);
    words.insert(words.end(), {cluster().Path(runs), "--data", cluster().Path("data"), "--set",
                               "train.epochs=3", "--set", "train.batch_size=2000"});
    return words;
  }
};

TEST_F(SweepInSlurm, AnArrayMakesTheLaptopsTable) {
  const std::string jobs = cluster().Path("jobs.csv");
  ASSERT_TRUE(WriteFileAtomically(jobs, kJobs).ok());
  std::vector<std::string> array = {"--array=0-" + std::to_string(kTasks - 1), "--cpus-per-task=1",
                                    "--output=" + slurm().LogPath("%A_%a"),
                                    CF_SOURCE_DIR "/launch/slurm/sweep.sbatch", jobs};
  for (const std::string& word : Words("", "array")) array.push_back(word);
  const std::string job = slurm().Submit(array);
  for (int task = 0; task < kTasks; ++task) {
    const std::string id = job + "_" + std::to_string(task);
    EXPECT_TRUE(slurm().WaitForState(id, "COMPLETED")) << slurm().State(id).state << "\n"
                                                       << slurm().Log(id);
  }

  std::vector<std::string> laptop = {"sweep", jobs};
  for (const std::string& word : Words("--run", "laptop")) laptop.push_back(word);
  laptop.insert(laptop.end(), {"-n", "2"});
  const Process::Result alone = RunProgram("cfrun", laptop);
  EXPECT_EQ(alone.exit_code, 0) << alone.errors;
  EXPECT_THAT(alone.output, HasSubstr("\nbest: "));

  const std::string table = cluster().Path("array/sweep.csv");
  EXPECT_THAT(LinesOf(table), SizeIs(1 + 6));
  EXPECT_EQ(ReadFile(table).value_or("none"),
            ReadFile(cluster().Path("laptop/sweep.csv")).value_or(""));
}

}  // namespace
}  // namespace cf::sweep_test

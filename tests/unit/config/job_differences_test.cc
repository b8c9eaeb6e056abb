#include "common/config/job_differences.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/check.h"
#include "common/config/config.h"

namespace cf::job_differences_test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Job JobWith(const std::vector<std::string>& assignments) {
  Job job;
  Check(SetField(job, "model.matrix_factorization={}").ok(), "the field exists");
  for (const std::string& assignment : assignments) {
    Check(SetField(job, assignment).ok(), "the field exists");
  }
  FillDefaults(job);
  return job;
}

// "path: value | value".
std::vector<std::string> Differences(const std::vector<Job>& jobs) {
  std::vector<std::string> lines;
  for (const FieldDifference& difference : DifferingFields(jobs)) {
    std::string line = difference.path + ":";
    for (std::size_t k = 0; k < difference.values.size(); ++k) {
      line += (k > 0 ? " | " : " ") + difference.values[k];
    }
    lines.push_back(line);
  }
  return lines;
}

TEST(DifferingFields, OfEqualJobsAreNone) {
  EXPECT_THAT(Differences({}), IsEmpty());
  EXPECT_THAT(Differences({JobWith({"train.seed=7"})}), IsEmpty());
  EXPECT_THAT(Differences({JobWith({"train.seed=7"}), JobWith({"train.seed=7"})}), IsEmpty());
}

TEST(DifferingFields, AreThoseOfResultAndExecutionInTheSchemasOrder) {
  EXPECT_THAT(Differences({JobWith({"cluster.threads=2", "train.batch_size=64"}),
                           JobWith({"kernels.target=AVX2", "cluster.interface=eth0"}),
                           JobWith({"optimizer.adam.learning_rate=1e-2"})}),
              ElementsAre("optimizer.adam.learning_rate: 0.001 | 0.001 | 0.01",
                          "train.batch_size: 64 | 1024 | 1024", "cluster.threads: 2 | 1 | 1",
                          "cluster.interface:  | eth0 | ", "kernels.target: BEST | AVX2 | BEST"));
}

TEST(DifferingFields, NameLayersByTheirNumber) {
  const std::string layer = "model.ranker.dense";
  const std::vector<std::string> one = {layer + "={}"};
  const std::vector<std::string> wide = {layer + "={}", layer + ".0.units=64"};
  const std::vector<std::string> two = {layer + "={}", layer + "={activation: RELU}"};
  EXPECT_THAT(Differences({JobWith(one), JobWith(one)}), IsEmpty());
  EXPECT_THAT(Differences({JobWith(one), JobWith(wide)}), ElementsAre(layer + ".0.units: 1 | 64"));
  EXPECT_THAT(Differences({JobWith(one), JobWith(two)}),
              testing::Contains(layer + ".1.activation:  | RELU"));
}

TEST(DifferingFields, AreNotThePathOfTheData) {
  EXPECT_THAT(Differences({JobWith({"data.path=\"a\""}), JobWith({"data.path=\"b\""})}), IsEmpty());
}

// Of a kind that only some have, what is not at its default says something.
TEST(DifferingFields, NameKindsByWhatTheyAre) {
  EXPECT_THAT(Differences({JobWith({}), JobWith({"optimizer.sgd={}"})}),
              ElementsAre("optimizer: adam | sgd"));
  EXPECT_THAT(Differences({JobWith({}), JobWith({"optimizer.sgd.learning_rate=0.5"})}),
              ElementsAre("optimizer: adam | sgd", "optimizer.sgd.learning_rate:  | 0.5"));
  EXPECT_THAT(Differences({JobWith({}), JobWith({"split.given={}"})}),
              ElementsAre("split:  | given", "early_stopping.monitor: train_rmse | val_rmse"));
}

TEST(DifferingFields, ReachIntoNestedKinds) {
  const std::string vectors = "model.matrix_factorization.vectors";
  EXPECT_THAT(Differences({JobWith({vectors + ".uniform.max=0.1"}), JobWith({}),
                           JobWith({vectors + ".he_normal={}"})}),
              ElementsAre("model.matrix_factorization.vectors: uniform | uniform | he_normal",
                          "model.matrix_factorization.vectors.uniform.max: 0.1 | 0.05 | "));
}

}  // namespace
}  // namespace cf::job_differences_test

// Goal: the result depends on the configuration and the seed, never on how many processes and
// threads compute it. Method: two epochs on real ratings, started in different ways, one digest
// over all parameters and optimizer state. same_bits_long_test.cc tries many more ways.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/cluster.h"

namespace cf::same_bits_test {
namespace {

class SameBits : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { cluster_ = new TestCluster; }
  static void TearDownTestSuite() {
    delete cluster_;
    cluster_ = nullptr;
  }

  // The digest of two short epochs, in a run folder of its own.
  static std::string Train(JobOptions options, const std::vector<std::string>& more = {}) {
    static int runs = 0;
    options.run = "run" + std::to_string(runs++);
    options.set = {"train.epochs=2", "train.batch_size=2000"};
    options.set.insert(options.set.end(), more.begin(), more.end());
    return cluster_->Train(options);
  }

  static TestCluster* cluster_;
};

TestCluster* SameBits::cluster_ = nullptr;

class SameBitsOf : public SameBits, public ::testing::WithParamInterface<std::string> {};

TEST_P(SameBitsOf, RanksThreadsAndServers) {
  const std::string config = GetParam();
  const std::string one = Train({.launcher = Launcher::kAlone, .config = config});
  ASSERT_EQ(one.size(), 32U);
  EXPECT_EQ(Train({.ranks = 1, .config = config}), one);
  EXPECT_EQ(Train({.ranks = 3, .config = config}), one);
  EXPECT_EQ(Train({.ranks = 2, .config = config, .flags = {"--threads", "2"}}), one);
  EXPECT_EQ(Train({.ranks = 3, .config = config}, {"cluster.servers=1"}), one);
  EXPECT_EQ(Train({.ranks = 2, .config = config}, {"cluster.shared_memory=false"}), one);
  // The digest sees what decides it.
  EXPECT_NE(Train({.launcher = Launcher::kAlone, .config = config}, {"train.seed=43"}), one);
}

INSTANTIATE_TEST_SUITE_P(Models, SameBitsOf,
                         ::testing::Values("ml_100k_u1_biased_mf", "ml_100k_biased_mf_bce",
                                           "mlp_10", "retrieval_two_tower", "implicit_logistic"),
                         [](const ::testing::TestParamInfo<std::string>& model) {
                           return model.param;
                         });

TEST_F(SameBits, EveryOptimizer) {
  // Adam is what the jobs above have.
  for (const std::string field :
       {"optimizer.adagrad.learning_rate", "optimizer.sgd.learning_rate"}) {
    const std::vector<std::string> optimizer = {field + "=0.05"};
    const std::string one = Train({.launcher = Launcher::kAlone}, optimizer);
    EXPECT_EQ(one.size(), 32U);
    EXPECT_EQ(Train({.ranks = 3}, optimizer), one) << field;
  }
}

// Dense Adam: rows of others are read by parcels, in place and as copies.
TEST_F(SameBits, DenseAdam) {
  const std::string dense = "optimizer.adam.update=DENSE";
  for (const char* const setting : {"train.delay=0", "train.delay=1", "train.schedule=BLOCKS"}) {
    const std::vector<std::string> settings = {dense, setting, "train.batch_size=200"};
    const std::string one = Train({.launcher = Launcher::kAlone}, settings);
    ASSERT_EQ(one.size(), 32U);
    EXPECT_EQ(Train({.ranks = 3}, settings), one) << setting;
    EXPECT_EQ(Train({.ranks = 2, .flags = {"--threads", "2"}}, settings), one) << setting;
    EXPECT_EQ(Train({.launcher = Launcher::kAlone},
                    {dense, setting, "train.batch_size=200", "snapshot.every_steps=1000"}),
              one)
        << setting;
  }
}

TEST_F(SameBits, EveryDelay) {
  std::vector<std::string> digests;
  for (const std::string delay : {"0", "1", "4"}) {
    // Some runs of steps an epoch.
    const std::vector<std::string> delayed = {"train.delay=" + delay, "train.batch_size=200"};
    digests.push_back(Train({.launcher = Launcher::kAlone}, delayed));
    ASSERT_EQ(digests.back().size(), 32U);
    EXPECT_EQ(Train({.ranks = 3}, delayed), digests.back()) << delay;
    EXPECT_EQ(Train({.ranks = 2, .flags = {"--threads", "2"}}, delayed), digests.back()) << delay;
  }
  EXPECT_NE(digests[0], digests[1]);
  EXPECT_NE(digests[1], digests[2]);
}

TEST_F(SameBits, Blocks) {
  const std::vector<std::string> blocks = {"train.schedule=BLOCKS"};
  const std::string one = Train({.launcher = Launcher::kAlone}, blocks);
  ASSERT_EQ(one.size(), 32U);
  EXPECT_EQ(Train({.ranks = 3}, blocks), one);
  EXPECT_EQ(Train({.ranks = 2, .flags = {"--threads", "2"}}, blocks), one);
  EXPECT_EQ(Train({.ranks = 3}, {"train.schedule=BLOCKS", "cluster.shared_memory=false",
                                 "cluster.frames=ENCRYPTED"}),
            one);
  EXPECT_NE(Train({.launcher = Launcher::kAlone}), one);
}

TEST_F(SameBits, EveryInstructionSetOfTheMachine) {
  for (const char* config : {"ml_100k_u1_biased_mf", "mlp_128_32", "retrieval_two_tower"}) {
    const std::string best = Train({.ranks = 2, .config = config});
    EXPECT_EQ(Train({.ranks = 2, .config = config}, {"kernels.target=AVX2"}), best) << config;
  }
}

}  // namespace
}  // namespace cf::same_bits_test

// Goal and method of same_bits_test.cc, over every number of ranks, servers and threads that the
// design promises. Too slow for every run: sixteen ranks share what cores there are.

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "common/base/files.h"
#include "tests/support/cluster.h"

namespace cf::same_bits_long_test {
namespace {

class SameBitsLong : public ::testing::TestWithParam<std::string> {
 protected:
  static void SetUpTestSuite() { cluster_ = new TestCluster; }
  static void TearDownTestSuite() {
    delete cluster_;
    cluster_ = nullptr;
  }

  void SetUp() override {
    one_ = Train({.launcher = Launcher::kAlone});
    ASSERT_EQ(one_.size(), 32U);
  }

  static std::string Train(JobOptions options, const std::vector<std::string>& more = {}) {
    static int runs = 0;
    options.config = GetParam();
    options.run = "run" + std::to_string(runs++);
    options.set = {"train.epochs=2", "train.batch_size=1000"};
    options.set.insert(options.set.end(), more.begin(), more.end());
    return cluster_->Train(options);
  }

  static TestCluster* cluster_;
  std::string one_;
};

TestCluster* SameBitsLong::cluster_ = nullptr;

TEST_P(SameBitsLong, Ranks) {
  for (const int ranks : {1, 2, 3, 7, 16}) {
    EXPECT_EQ(Train({.ranks = ranks}), one_) << ranks << " ranks";
  }
}

TEST_P(SameBitsLong, Servers) {
  for (const auto& [ranks, servers] : {std::pair{2, 1}, {3, 1}, {3, 2}, {7, 1}, {7, 2}, {16, 2}}) {
    EXPECT_EQ(Train({.ranks = ranks}, {"cluster.servers=" + std::to_string(servers)}), one_)
        << ranks << " ranks, " << servers << " of them servers";
  }
}

TEST_P(SameBitsLong, Threads) {
  for (const std::string threads : {"1", "2", "4"}) {
    const std::vector<std::string> flags = {"--threads", threads};
    EXPECT_EQ(Train({.launcher = Launcher::kAlone, .flags = flags}), one_) << threads;
    EXPECT_EQ(Train({.ranks = 3, .flags = flags}), one_) << "3 x " << threads;
    EXPECT_EQ(Train({.ranks = 4, .flags = flags}, {"cluster.servers=1"}), one_) << threads;
  }
  EXPECT_EQ(Train({.launcher = Launcher::kCfrun, .ranks = 2}), one_) << "cfrun's own";
}

TEST_P(SameBitsLong, Avx2) {
  for (const int ranks : {1, 3}) {
    EXPECT_EQ(Train({.ranks = ranks}, {"kernels.target=AVX2"}), one_) << ranks;
  }
}

TEST_P(SameBitsLong, Avx512) {
  if (ReadFile("/proc/cpuinfo").value_or("").find(" avx512dq ") == std::string::npos) {
    GTEST_SKIP() << "this machine has no AVX-512";
  }
  for (const int ranks : {1, 3}) {
    EXPECT_EQ(Train({.ranks = ranks}, {"kernels.target=AVX512"}), one_) << ranks;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, SameBitsLong,
                         ::testing::Values("ml_100k_u1_biased_mf", "ml_100k_biased_mf_bce"),
                         [](const ::testing::TestParamInfo<std::string>& model) {
                           return model.param;
                         });

}  // namespace
}  // namespace cf::same_bits_long_test

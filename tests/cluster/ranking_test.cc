// Goal: figures of ranking are what they are said to be, whoever computes them. Method: brute force
// in NumPy over an export; other ranks, threads and servers; evaluation of a snapshot; all on real
// ratings.

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/cluster.h"
#include "tests/support/paths.h"

namespace cf::ranking_test {
namespace {

using ::testing::ContainsRegex;
using ::testing::Each;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const std::vector<std::string> kMetrics = {"val_top_1",
                                           "val_top_5",
                                           "val_top_10",
                                           "val_top_50",
                                           "val_top_100",
                                           "val_recall_10",
                                           "val_hr_10",
                                           "val_ndcg_10",
                                           "val_mrr_10",
                                           "val_coverage_10",
                                           "val_ild_10",
                                           "val_novelty_10",
                                           "val_top_1_unmasked",
                                           "val_top_100_unmasked",
                                           "val_recall_50_unmasked",
                                           "val_hr_5_unmasked",
                                           "val_ndcg_100_unmasked",
                                           "val_mrr_10_unmasked",
                                           "val_coverage_100_unmasked",
                                           "val_ild_5_unmasked",
                                           "val_novelty_100_unmasked",
                                           "val_top_5_sampled_20",
                                           "val_recall_5_sampled_20",
                                           "val_hr_10_sampled_100",
                                           "val_ndcg_10_sampled_100",
                                           "val_mrr_5_sampled_20"};

std::string Joined(const std::vector<std::string>& names) {
  std::string joined;
  for (const std::string& name : names) joined += (joined.empty() ? "" : ",") + name;
  return joined;
}

std::string PythonWithNumPy() {
  for (const std::string python : {"/usr/bin/python3", "python3"}) {
    if (std::system((python + " -c 'import numpy' 2>/dev/null").c_str()) == 0) return python;
  }
  return "";
}

struct Model {
  const char* name;
  std::vector<std::string> set;
  std::string config = "ml_100k_u1_biased_mf";
};

class RankedModelTest : public ::testing::TestWithParam<Model> {};

TEST_P(RankedModelTest, HasTheFiguresOfBruteForce) {
  const std::string python = PythonWithNumPy();
  ASSERT_NE(python, "")
      << "python3-numpy is among the packages that launch/install-dependencies installs";
  const TestCluster cluster;
  std::vector<std::string> set = GetParam().set;
  set.push_back("split.given={}");
  cluster.Train(
      {.launcher = Launcher::kAlone, .config = GetParam().config, .run = "run", .set = set});
  const std::string best = cluster.SnapshotPath("run", "best");
  ASSERT_EQ(
      RunProgram("cfsnapshot", {"export", best, "--format", "npy", "--out", cluster.Path("export")})
          .exit_code,
      0);
  ASSERT_EQ(RunProgram("cfdata", {"export-split", cluster.Path("data"), "--split", "given", "--out",
                                  cluster.Path("split")})
                .exit_code,
            0);
  const Process::Result figures = RunProgram(
      "cfsnapshot", {"evaluate", best, "--format", "csv", "--metrics", Joined(kMetrics)});
  ASSERT_EQ(figures.exit_code, 0) << figures.errors;
  std::ofstream(cluster.Path("figures.csv")) << figures.output;

  Process check({python, CF_SOURCE_DIR "/tests/cluster/brute_force_ranking.py",
                 cluster.Path("export"), cluster.Path("split"), cluster.Path("figures.csv")},
                {{"PYTHONDONTWRITEBYTECODE", "1"}});
  const Process::Result result = check.Wait(std::chrono::seconds(100));
  EXPECT_EQ(result.exit_code, 0) << result.output << result.errors;
  EXPECT_THAT(result.output, HasSubstr("26 figures, 0 wrong"));
}

// A rate that small moves nothing, so that all biases stay 0: every item ties with every other.
INSTANTIATE_TEST_SUITE_P(
    Models, RankedModelTest,
    ::testing::Values(Model{"Vectors", {"train.epochs=3"}},
                      Model{"BiasesWhereColdItemsTie",
                            {"train.epochs=2", "model.matrix_factorization.dim=0"}},
                      Model{"AllItemsTie",
                            {"train.epochs=1", "model.matrix_factorization.dim=0",
                             "optimizer.sgd.learning_rate=1e-45"}},
                      Model{"Ranker",
                            {"train.epochs=2", "train.batch_size=500", "model.ranker.item.dim=7",
                             "model.ranker.user.dim=5"},
                            "mlp_10"},
                      Model{"RankerWithItemsFirst",
                            {"train.epochs=1", "train.batch_size=500",
                             "model.ranker.dense.0.units=12", "model.ranker.dense.1.units=6"},
                            "mlp_128_32"},
                      Model{"Towers",
                            {"train.epochs=2", "model.retrieval.user.dim=7",
                             "model.retrieval.user.dense={units: 9 activation: RELU}",
                             "model.retrieval.user.dense={units: 5}", "model.retrieval.item.dim=11",
                             "model.retrieval.item.dense={units: 5}"},
                            "retrieval_two_tower"}),
    [](const ::testing::TestParamInfo<Model>& model) { return model.param.name; });

// Two epochs with every metric; the columns of its history that do not tell the time.
std::vector<std::vector<std::string>> Figures(const TestCluster& cluster, JobOptions options) {
  options.set.insert(options.set.end(), {"train.epochs=2", "train.batch_size=2000",
                                         "validation.metrics=" + Joined(kMetrics)});
  const Process::Result result = cluster.Run(options);
  EXPECT_EQ(result.exit_code, 0) << result.errors;
  const std::vector<std::string> epochs = HistoryColumn(cluster.Path(options.run), "epoch");
  EXPECT_EQ(epochs.back(), "2");
  std::vector<std::vector<std::string>> columns;
  for (const std::string& name : kMetrics) {
    columns.push_back(HistoryColumn(cluster.Path(options.run), name));
    EXPECT_EQ(columns.back().size(), epochs.size()) << name;
    EXPECT_THAT(columns.back(), Each(Not(""))) << name;
  }
  return columns;
}

TEST(Ranking, HasTheSameBitsWhoeverComputes) {
  const TestCluster cluster;
  const auto one = Figures(cluster, {.launcher = Launcher::kAlone, .run = "one"});
  EXPECT_EQ(Figures(cluster, {.ranks = 3, .run = "three"}), one);
  EXPECT_EQ(Figures(cluster, {.ranks = 2, .run = "threads", .flags = {"--threads", "2"}}), one);
  EXPECT_EQ(Figures(cluster, {.ranks = 3, .run = "server", .set = {"cluster.servers=1"}}), one);

  // The snapshot repeats the figures of its epoch, which its job names, to the last digit.
  const Process::Result again =
      RunProgram("cfsnapshot", {"evaluate", cluster.SnapshotPath("one"), "--format", "csv"});
  ASSERT_EQ(again.exit_code, 0) << again.errors;
  const std::size_t line = again.output.find('\n');
  EXPECT_THAT(again.output.substr(0, line), EndsWith("," + Joined(kMetrics)));
  // The figures of ranking come last.
  std::string values = again.output.substr(line + 1);
  for (std::size_t m = kMetrics.size(); m-- > 0;) {
    const std::size_t comma = values.rfind(',');
    ASSERT_NE(comma, std::string::npos);
    EXPECT_EQ(std::stod(values.substr(comma + 1)), std::stod(one[m].back())) << kMetrics[m];
    values.resize(comma);
  }
}

TEST(Ranking, EarlyStoppingLooksForTheLargestFigure) {
  const TestCluster cluster;
  const Process::Result result = cluster.Run(
      {.ranks = 2,
       .run = "run",
       .set = {"train.epochs=30", "train.batch_size=2000", "optimizer.adam.learning_rate=0.02",
               "early_stopping.monitor=val_ndcg_10", "early_stopping.patience=2",
               "validation.metrics=val_hr_10"}});
  ASSERT_EQ(result.exit_code, 0) << result.errors;
  std::vector<double> gains;
  for (const std::string& cell : HistoryColumn(cluster.Path("run"), "val_ndcg_10")) {
    gains.push_back(std::stod(cell));
  }
  // By epoch, from 0 on.
  const auto best = std::max_element(gains.begin(), gains.end()) - gains.begin();
  ASSERT_LT(std::ssize(gains), 30) << "the job ended before it overfitted";
  EXPECT_EQ(std::ssize(gains), 1 + best + 2);
  EXPECT_THAT(result.output, HasSubstr("\nbest epoch " + std::to_string(best) + ": val_ndcg_10 "));
  EXPECT_THAT(result.output, ContainsRegex("\nranking [0-9]+ users with 20,000 validation samples "
                                           "among [0-9,]+ items; [0-9]+ users and the items of "
                                           "[0-9]+ samples are cold\n"));
  EXPECT_THAT(RunProgram("cfrun", {"status", cluster.Path("run")}).output,
              HasSubstr("best val_ndcg_10 "));
  EXPECT_THAT(RunProgram("cfrun", {"compare", cluster.Path("run")}).output,
              HasSubstr("best: run, val_ndcg_10 "));
}

TEST(Ranking, ValidatesEveryFewEpochs) {
  const TestCluster cluster;
  const Process::Result result =
      cluster.Run({.launcher = Launcher::kAlone,
                   .run = "run",
                   .set = {"train.epochs=5", "train.batch_size=2000", "train.metrics=false",
                           "validation.every_epochs=2", "validation.metrics=val_top_10"}});
  ASSERT_EQ(result.exit_code, 0) << result.errors;
  const std::vector<std::string> lines = LinesOf(cluster.Path("run/history.csv"));
  const std::vector<std::string> errors = HistoryColumn(cluster.Path("run"), "val_rmse");
  ASSERT_EQ(errors.size(), 1 + 5U) << "by epoch, from 0 on";
  EXPECT_THAT(lines.front(), EndsWith(",val_top_10"));
  for (std::size_t epoch = 0; epoch <= 5; ++epoch) {
    EXPECT_EQ(errors[epoch].empty(), epoch % 2 != 0) << epoch;
    EXPECT_EQ(lines[1 + epoch].back() == ',', epoch % 2 != 0) << epoch;
  }
  EXPECT_THAT(HistoryColumn(cluster.Path("run"), "train_rmse"), Each(""));
  const std::vector<std::string> losses = HistoryColumn(cluster.Path("run"), "train_loss");
  EXPECT_THAT(std::vector(losses.begin() + 1, losses.end()), Each(Not("")));
  EXPECT_EQ(losses.front(), "") << "nothing is trained in epoch 0";
  EXPECT_THAT(result.output, Not(HasSubstr(" rmse ")));
}

TEST(Ranking, RefusesWhatIsNoFigureAndMeasuresTrainingSamplesToo) {
  const TestCluster cluster;
  cluster.Train({.launcher = Launcher::kAlone, .run = "run", .set = {"train.epochs=1"}});
  const std::string snapshot = cluster.SnapshotPath("run");
  const Process::Result wrong =
      RunProgram("cfsnapshot", {"evaluate", snapshot, "--metrics", "val_ndcg"});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(wrong.errors, StartsWith("cfsnapshot: there is no figure val_ndcg: there are "));
  const Process::Result training = RunProgram(
      "cfsnapshot", {"evaluate", snapshot, "--split", "train", "--metrics", "val_ndcg_10"});
  EXPECT_EQ(training.exit_code, 0) << training.errors;
  EXPECT_THAT(training.output, HasSubstr("train_ndcg_10 "));
}

}  // namespace
}  // namespace cf::ranking_test

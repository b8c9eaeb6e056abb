// Goal: an export of a trained model is enough to serve from. Method: a NumPy program that reads
// nothing else repeats 1,000 predictions and the lists of 100 users, for every kind of model and of
// link; and cfsnapshot answers from it as from the snapshot.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <gtest/gtest.h>

#include "common/base/files.h"
#include "tests/support/cluster.h"
#include "tests/support/paths.h"

namespace cf::export_test {
namespace {

std::string PythonWithNumPy() {
  for (const std::string python : {"/usr/bin/python3", "python3"}) {
    if (std::system((python + " -c 'import numpy' 2>/dev/null").c_str()) == 0) return python;
  }
  return "";
}

// Raw ids of the first column of an export's list that is not the row.
std::string RawId(const std::string& line) {
  const std::size_t begin = line.find(',') + 1;
  return line.substr(begin, line.find(',', begin) - begin);
}

// Trains a few epochs with a configuration, with all that a model of its kind can have.
void TrainFor(const std::string& config, const TestCluster& cluster) {
  std::vector<std::string> set = {"train.epochs=3"};
  if (config == "mlp_10_features") {
    set.insert(set.end(),
               {"model.ranker.item_first=true", "model.ranker.item.dim=7",
                "model.ranker.feature={source: USER_HISTORY dim: 3}", "train.batch_size=2000"});
  }
  if (config == "ml_100k_u1_biased_mf") {
    set.insert(set.end(), {"model.matrix_factorization.feature={source: USER_HISTORY}",
                           "model.matrix_factorization.feature={source: ITEM_GENRES}",
                           "train.batch_size=2000"});
  }
  if (config == "retrieval_two_tower") {
    set.insert(set.end(), {"model.retrieval.user.dim=7",
                           "model.retrieval.user.dense={units: 9 activation: RELU}",
                           "model.retrieval.user.dense={units: 32 dropout: 0.2}",
                           "model.retrieval.item.dense={units: 32 activation: RELU}"});
  }
  cluster.Train(
      {.launcher = Launcher::kAlone, .config = config, .run = "run", .set = std::move(set)});
}

class ExportedModelTest : public testing::TestWithParam<const char*> {};
class AskedModelTest : public testing::TestWithParam<const char*> {};

TEST_P(ExportedModelTest, IsServedByNumPyAlone) {
  const std::string python = PythonWithNumPy();
  ASSERT_NE(python, "")
      << "python3-numpy is among the packages that launch/install-dependencies installs";
  const TestCluster cluster;
  TrainFor(GetParam(), cluster);
  const std::string best = cluster.SnapshotPath("run", "best");
  const std::string folder = cluster.Path("export");
  ASSERT_EQ(
      RunProgram("cfsnapshot", {"export", best, "--format", "npy", "--out", folder}).exit_code, 0);
  ASSERT_EQ(RunProgram("cfsnapshot", {"recommend", best, "--all-users", "--top", "10", "--out",
                                      cluster.Path("lists.csv")})
                .exit_code,
            0);

  // Every 7th user with every 11th item, and so on: spread over frequent and rare ones.
  const std::vector<std::string> users = LinesOf(folder + "/users.csv");
  const std::vector<std::string> items = LinesOf(folder + "/items.csv");
  std::ofstream pairs(cluster.Path("pairs.csv"));
  pairs << "user,item\n";
  for (std::size_t k = 0; k < 1000; ++k) {
    pairs << RawId(users[1 + 7 * k % (users.size() - 1)]) << ','
          << RawId(items[1 + 11 * k % (items.size() - 1)]) << '\n';
  }
  pairs.close();
  ASSERT_EQ(RunProgram("cfsnapshot", {"predict", best, "--pairs", cluster.Path("pairs.csv"),
                                      "--out", cluster.Path("predicted.csv")})
                .exit_code,
            0);

  Process check({python, CF_SOURCE_DIR "/tests/cluster/check_export.py", folder,
                 cluster.Path("predicted.csv"), cluster.Path("lists.csv")},
                {{"PYTHONDONTWRITEBYTECODE", "1"}});
  const Process::Result result = check.Wait(std::chrono::seconds(60));
  EXPECT_EQ(result.exit_code, 0) << result.output << result.errors;
}

// Goal: whoever asks an export is told what its snapshot tells, byte for byte. Method: every verb
// that takes a snapshot's path, for every kind of model.
TEST_P(AskedModelTest, IsAskedLikeItsSnapshot) {
  const TestCluster cluster;
  TrainFor(GetParam(), cluster);
  const std::string best = cluster.SnapshotPath("run", "best");
  const std::string folder = cluster.Path("export");
  ASSERT_EQ(RunProgram("cfsnapshot", {"export", best, "--out", folder}).exit_code, 0);
  const std::vector<std::vector<std::string>> questions = {
      {"recommend", "--all-users", "--top", "10", "--out", "OUT"},
      {"recommend", "--all-users", "--mask", "train", "--fallback", "popular", "--out", "OUT"},
      {"recommend", "--user", "100", "--mask", "none", "--genre", "Drama"},
      {"recommend", "--user", "nobody", "--fallback", "popular"},
      {"recommend", "--item", "50", "--top-users", "40"},
      {"similar", "--item", "50"},
      {"predict", "--split", "val", "--limit", "2000", "--out", "OUT"},
      {"predict", "--split", "train", "--limit", "2000", "--out", "OUT"},
      {"predict", "--user", "100", "--titles", "Star Wars (1977)", "Fargo (1996)"},
      {"predict", "--user", "100", "--fallback", "popular", "--titles", "Fargo (1996)"},
      {"find", "star"},
      {"find", "--users", "10"},
      {"digest"},
      {"summary"},
  };
  std::size_t answered = 0;
  for (const std::vector<std::string>& question : questions) {
    std::vector<std::string> told;
    for (const std::string& source : {best, folder}) {
      const std::string out = cluster.Path("out.csv");
      std::vector<std::string> words = question;
      words.insert(words.begin() + 1, source);
      std::ranges::replace(words, std::string("OUT"), out);
      const Process::Result result = RunProgram("cfsnapshot", words);
      std::string text = absl::StrCat(result.exit_code, "\n", result.output);
      if (std::filesystem::exists(out)) absl::StrAppend(&text, ReadFile(out).value());
      std::filesystem::remove(out);
      if (result.exit_code == 0) ++answered;
      told.push_back(std::move(text));
    }
    EXPECT_EQ(told[0], told[1]) << absl::StrJoin(question, " ");
  }
  // Popularity has no users for an item, no similar items, and no ratings to predict.
  EXPECT_GE(answered, 2 * (questions.size() - 5));
}

INSTANTIATE_TEST_SUITE_P(Links, ExportedModelTest,
                         testing::Values("ml_100k_u1_biased_mf", "ml_100k_biased_mf_bce",
                                         "mlp_10_features", "retrieval_two_tower"));

INSTANTIATE_TEST_SUITE_P(Kinds, AskedModelTest,
                         testing::Values("ml_100k_u1_biased_mf", "ml_100k_biased_mf_bce",
                                         "mlp_10_features", "retrieval_two_tower",
                                         "ml_100k_popular"));

}  // namespace
}  // namespace cf::export_test

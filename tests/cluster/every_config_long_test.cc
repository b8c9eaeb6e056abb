// Goal: every ready job gives the same bits whatever the number of ranks. Method: one epoch of each
// on a small data set that has what any of them asks for (a given split, times, titles, genres).

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/cluster.h"
#include "tests/support/paths.h"

namespace cf::every_config_long_test {
namespace {

/// Every fifth line of a file of ratings to another.
void SplitRatings(const std::string& from, const std::string& training,
                  const std::string& validation) {
  const std::vector<std::string> lines = LinesOf(from);
  std::ofstream into[2] = {std::ofstream(training), std::ofstream(validation)};
  for (std::ofstream& file : into) file << lines.front() << "\n";  // The header.
  for (std::size_t k = 1; k < lines.size(); ++k) into[k % 5 == 0 ? 1 : 0] << lines[k] << "\n";
}

void MakeData(const TestCluster& cluster) {
  const std::string csv = cluster.Path("csv");
  const Process::Result made = RunProgram(
      "cfdata", {"synth", "--users", "200", "--items", "120", "--ratings", "2500", "--csv", csv});
  ASSERT_EQ(made.exit_code, 0) << made.errors;
  SplitRatings(csv + "/ratings.csv", csv + "/training.csv", csv + "/validation.csv");
  const Process::Result imported =
      RunProgram("cfdata", {"import", "--ratings", csv + "/training.csv", "--validation",
                            csv + "/validation.csv", "--titles", csv + "/movies.csv", "--out",
                            cluster.Path("small")});
  ASSERT_EQ(imported.exit_code, 0) << imported.errors;
}

std::vector<std::string> ConfigNames() {
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(CF_SOURCE_DIR "/configs")) {
    if (file.path().extension() == ".textproto") names.push_back(file.path().stem());
  }
  std::sort(names.begin(), names.end());
  return names;
}

TEST(EveryConfig, MakesTheSameModelWithAnyRanks) {
  const TestCluster cluster;
  ASSERT_NO_FATAL_FAILURE(MakeData(cluster));
  const std::vector<std::string> names = ConfigNames();
  EXPECT_GT(names.size(), 20U);
  for (const std::string& name : names) {
    std::vector<std::string> digests;
    for (const int ranks : {1, 3, 8}) {
      digests.push_back(cluster.Train({.ranks = ranks,
                                       .config = name,
                                       .data = cluster.Path("small"),
                                       .run = name + "-" + std::to_string(ranks),
                                       .set = {"train.epochs=1", "validation.every_epochs=1"}}));
    }
    EXPECT_EQ(digests[0].size(), 32U) << name;
    EXPECT_EQ(digests[1], digests[0]) << name << ", 3 ranks";
    EXPECT_EQ(digests[2], digests[0]) << name << ", 8 ranks";
  }
}

}  // namespace
}  // namespace cf::every_config_long_test

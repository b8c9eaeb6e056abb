// Goal: `cfrun compare` tells what runs have come to, of any number of them, of a sweep's whole
// folder, and beside some that cannot be read. Method: real jobs of two epochs.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <absl/strings/str_replace.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/files.h"
#include "common/base/status.h"
#include "tests/support/cluster.h"
#include "tests/unit/page/well_formed.h"

namespace cf::compare_test {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

namespace fs = std::filesystem;

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

std::vector<std::string> Words(const std::string& line) {
  std::vector<std::string> words;
  std::istringstream stream(line);
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

class Compare : public ::testing::Test {
 protected:
  // Three runs of a sweep: a learning rate that is too small, one that is good, one too large.
  static void SetUpTestSuite() {
    cluster_ = new TestCluster;
    Train("sweep/small", {"optimizer.adam.learning_rate=0.0001"});
    Train("sweep/good", {"optimizer.adam.learning_rate=0.003"});
    Train("sweep/wild", {"optimizer.adam.learning_rate=0.5"});
  }
  static void TearDownTestSuite() {
    delete cluster_;
    cluster_ = nullptr;
  }

  static void Train(const std::string& run, const std::vector<std::string>& more,
                    const std::string& data = "") {
    JobOptions options = {.launcher = Launcher::kAlone,
                          .data = data,
                          .run = run,
                          .set = {"train.batch_size=2000", "train.epochs=2",
                                  "model.matrix_factorization.start_from_baseline=false"}};
    options.set.insert(options.set.end(), more.begin(), more.end());
    const Process::Result result = cluster_->Run(options);
    ASSERT_EQ(result.exit_code, 0) << result.errors;
  }

  static std::string Path(const std::string& name) { return cluster_->Path(name); }

  static Process::Result RunCompare(std::vector<std::string> words) {
    words.insert(words.begin(), "compare");
    return RunProgram("cfrun", words);
  }

  // A copy of a run, to be damaged.
  static std::string CopyOf(const std::string& run, const std::string& name) {
    fs::copy(Path(run), Path(name),
             fs::copy_options::recursive | fs::copy_options::copy_symlinks |
                 fs::copy_options::overwrite_existing);
    return Path(name);
  }

  static TestCluster* cluster_;
};

TestCluster* Compare::cluster_ = nullptr;

TEST_F(Compare, PrintsATableAndWritesAPage) {
  const Process::Result result =
      RunCompare({Path("sweep/small"), Path("sweep/wild"), Path("sweep/good")});
  EXPECT_EQ(result.exit_code, kExitFinished) << result.errors;
  EXPECT_THAT(result.errors, IsEmpty());
  const std::vector<std::string> lines = Split(result.output, '\n');
  ASSERT_THAT(lines, SizeIs(8)) << result.output;  // The headings take two lines.
  for (std::size_t k = 0; k < 6; ++k) EXPECT_LE(lines[k].size(), 80U);
  EXPECT_EQ(lines[0], "all runs: state finished, epochs 2");
  EXPECT_EQ(Words(lines[3])[0], "good");
  EXPECT_LE(std::stod(Words(lines[3])[2]), std::stod(Words(lines[4])[2]));
  EXPECT_LE(std::stod(Words(lines[4])[2]), std::stod(Words(lines[5])[2]));
  EXPECT_EQ(lines[3].size(), lines[4].size()) << "numbers end in one column";

  // The figures are those of the best line of history.csv.
  std::vector<double> errors;
  for (const std::string& cell : HistoryColumn(Path("sweep/good"), "val_rmse")) {
    errors.push_back(std::stod(cell));
  }
  const auto best = std::min_element(errors.begin(), errors.end());
  const std::string epoch = std::to_string(best - errors.begin() + 1);
  char figure[32];
  std::snprintf(figure, sizeof figure, "%.4f", *best);
  const std::vector<std::string> cells = Words(lines[3]);
  ASSERT_THAT(cells, SizeIs(9));
  EXPECT_THAT(std::vector<std::string>(cells.begin(), cells.begin() + 3),
              ElementsAre("good", epoch, figure));
  EXPECT_EQ(cells.back(), "0.003");
  EXPECT_EQ(lines[6], "best: good, val_rmse " + std::string(figure) + " at epoch " + epoch);
  EXPECT_EQ(lines[7], "-> " + Path("sweep/compare.html"));

  const std::string page = ReadFile(Path("sweep/compare.html")).value_or("");
  EXPECT_THAT(ElementsOf(page, "summary"), SizeIs(3));
  EXPECT_THAT(ElementsOf(page, "td"), Contains(figure));
  EXPECT_THAT(ElementsOf(page, "title"),
              Contains(HasSubstr("good, best: epoch " + epoch + ", val_rmse")));
}

// `cfrun compare runs/sweep/*` names the page that an earlier one wrote, too.
TEST_F(Compare, TakesAFolderOrEverythingInIt) {
  const Process::Result each =
      RunCompare({Path("sweep/good"), Path("sweep/small"), Path("sweep/wild")});
  const Process::Result folder = RunCompare({Path("sweep")});
  const Process::Result all =
      RunCompare({Path("sweep/compare.html"), Path("sweep/good"), Path("sweep/small"),
                  Path("sweep/wild"), Path("sweep/good/")});
  EXPECT_EQ(folder.exit_code, kExitFinished) << folder.errors;
  EXPECT_EQ(folder.output, each.output);
  EXPECT_EQ(all.exit_code, kExitFinished) << all.errors;
  EXPECT_EQ(all.output, each.output);
}

TEST_F(Compare, OrdersAndExportsAsAsked) {
  const Process::Result result = RunCompare({Path("sweep"), "--sort", "learning_rate", "--csv",
                                             Path("table.csv"), "--html", Path("page.html")});
  EXPECT_EQ(result.exit_code, kExitFinished) << result.errors;
  EXPECT_TRUE(fs::exists(Path("page.html")));
  const std::vector<std::string> lines = LinesOf(Path("table.csv"));
  ASSERT_THAT(lines, SizeIs(4));
  EXPECT_EQ(lines[0],
            "run,state,epochs,best_epoch,val_rmse,val_loss,val_mae,train_rmse,samples/s,seconds,"
            "optimizer.adam.learning_rate");
  EXPECT_EQ(Split(lines[1], ',')[0], "small");
  EXPECT_EQ(Split(lines[2], ',')[0], "good");
  EXPECT_EQ(Split(lines[3], ',')[0], "wild");
  EXPECT_THAT(HistoryColumn(Path("sweep/small"), "val_rmse"), Contains(Split(lines[1], ',')[4]));
  EXPECT_THAT(result.output, HasSubstr("best: good, "));

  const Process::Result none = RunCompare({Path("sweep"), "--sort", "speed"});
  EXPECT_EQ(none.exit_code, kExitUserInput);
  EXPECT_THAT(none.errors, HasSubstr("--sort speed: no such column; expected one of run, "));
  EXPECT_THAT(none.output, IsEmpty());
}

TEST_F(Compare, NamesWhatItCannotReadAndComparesTheOthers) {
  const std::string damaged = CopyOf("sweep/good", "damaged");
  std::ofstream(damaged + "/history.csv") << "not,a,history\n";
  const Process::Result result =
      RunCompare({Path("sweep/good"), Path("missing"), damaged, Path("data"), Path("sweep/small")});
  EXPECT_EQ(result.exit_code, kExitUserInput);
  const std::vector<std::string> errors = Split(result.errors, '\n');
  ASSERT_THAT(errors, SizeIs(3)) << result.errors;
  EXPECT_THAT(errors[0], HasSubstr(Path("missing")));
  EXPECT_THAT(errors[1], HasSubstr(damaged + "/history.csv:1: expected"));
  EXPECT_EQ(errors[2], "cfrun compare: " + Path("data") + ": no run is here");
  EXPECT_THAT(result.output, AllOf(HasSubstr("good"), HasSubstr("small"), HasSubstr("best: good"),
                                   HasSubstr("-> " + Path("sweep/compare.html"))));
}

TEST_F(Compare, RefusesToCompareNothing) {
  const Process::Result missing = RunCompare({Path("missing")});
  EXPECT_EQ(missing.exit_code, kExitUserInput);
  EXPECT_THAT(missing.output, IsEmpty());
  EXPECT_THAT(Split(missing.errors, '\n'), SizeIs(1));
  const Process::Result file = RunCompare({Path("sweep/good/history.csv")});
  EXPECT_EQ(file.exit_code, kExitUserInput);
  EXPECT_THAT(Split(file.errors, '\n'), SizeIs(1));
  const Process::Result unwritable =
      RunCompare({Path("sweep/good"), "--html", Path("nowhere/page.html")});
  EXPECT_EQ(unwritable.exit_code, kExitUserInput);
  EXPECT_THAT(unwritable.errors, HasSubstr("--html: " + Path("nowhere/page.html")));
}

TEST_F(Compare, WarnsWhereDataSetsDiffer) {
  const Process::Result made =
      RunProgram("cfdata", {"synth", "--users", "100", "--items", "50", "--ratings", "600", "--out",
                            Path("other-data")});
  ASSERT_EQ(made.exit_code, 0) << made.errors;
  Train("apart/other", {"split.random={}"}, Path("other-data"));
  const Process::Result result = RunCompare({Path("sweep/good"), Path("apart/other")});
  EXPECT_EQ(result.exit_code, kExitFinished) << result.errors;
  const std::vector<std::string> lines = Split(result.output, '\n');
  // Broken at the width of a terminal, wherever that is.
  const std::string whole = absl::StrReplaceAll(result.output, {{"\n  ", " "}});
  EXPECT_THAT(whole, AllOf(HasSubstr("2 different data sets"), HasSubstr("2 different splits"),
                           HasSubstr("do not compare, so none is the best")));
  EXPECT_THAT(result.output, Not(HasSubstr("best: ")));
  EXPECT_THAT(result.output, AllOf(HasSubstr("sweep/good"), HasSubstr("apart/other")));
  EXPECT_EQ(lines.back(), "-> " + Path("compare.html"));
  EXPECT_THAT(ElementsOf(ReadFile(Path("compare.html")).value_or(""), "p"),
              Contains(HasSubstr("2 different data sets")));
  EXPECT_THAT(RunCompare({Path("sweep")}).output, Not(HasSubstr("do not compare")));
}

}  // namespace
}  // namespace cf::compare_test

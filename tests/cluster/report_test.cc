// Goal: every run ends with a page that tells the truth about it, and `cfrun report` makes it
// again; writing it changes nothing else. Method: real jobs, their pages read by an XML parser and
// compared with their files; where there is a Chromium, opened in it at the widths of a desk and of
// a phone.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/files.h"
#include "common/base/status.h"
#include "tests/support/cluster.h"
#include "tests/unit/page/well_formed.h"

namespace cf::report_test {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::SizeIs;

namespace fs = std::filesystem;

const std::vector<std::string> kHeadings = {
    "Figures",       "How it ran",           "Model", "Data set", "Sample recommendations",
    "Configuration", "Where this comes from"};

// What every file of a run holds but its report.
std::vector<std::string> ContentsOf(const std::string& folder) {
  std::vector<std::string> contents;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file() || entry.path().filename() == "report.html") continue;
    contents.push_back(entry.path().string() + "\n" + ReadFile(entry.path().string()).value());
  }
  std::sort(contents.begin(), contents.end());
  return contents;
}

class Report : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { cluster_ = new TestCluster; }
  static void TearDownTestSuite() {
    delete cluster_;
    cluster_ = nullptr;
  }

  static std::string Path(const std::string& name) { return cluster_->Path(name); }
  static std::string PageOf(const std::string& run) {
    return ReadFile(Path(run) + "/report.html").value_or("");
  }
  static Process::Result RunReport(std::vector<std::string> words) {
    words.insert(words.begin(), "report");
    return RunProgram("cfrun", words);
  }
  static Process::Result Train(const std::string& run, const std::vector<std::string>& set,
                               Launcher launcher = Launcher::kAlone, int ranks = 1,
                               const std::string& data = "") {
    return cluster_->Run(
        {.launcher = launcher, .ranks = ranks, .data = data, .run = run, .set = set});
  }

  static TestCluster* cluster_;
};

TestCluster* Report::cluster_ = nullptr;

constexpr char kChromium[] = "/usr/bin/chromium";

// Has Chromium lay the page out at `width`, and gives what a script in a page around it counts:
// "overflow=N headings=N figures=N".
std::string LayOut(const std::string& page, int width) {
  const std::string frame = page + ".frame.html";
  std::ofstream(frame) << "<!DOCTYPE html><title>frame</title><iframe id='f' width='" << width
                       << "' height='800' src='file://" << page << "'></iframe><pre id='o'></pre>"
                       << "<script>document.getElementById('f').onload = function () {\n"
                       << "  const d = this.contentDocument;\n"
                       << "  const n = q => d.querySelectorAll(q).length;\n"
                       << "  document.getElementById('o').textContent = 'overflow=' +\n"
                       << "    (d.documentElement.scrollWidth - d.documentElement.clientWidth) +\n"
                       << "    ' headings=' + n('h2') + ' figures=' + n('figure > svg');\n"
                       << "};</script>";
  const std::string profile = page + ".profile";
  Process chromium({kChromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
                    "--no-first-run", "--disable-background-networking",
                    "--disable-component-update", "--disable-sync", "--user-data-dir=" + profile,
                    "--allow-file-access-from-files", "--virtual-time-budget=10000",
                    "--window-size=1400,900", "--dump-dom", "file://" + frame});
  const std::string dom = chromium.Wait().output;
  fs::remove_all(profile);
  const std::size_t begin = dom.find("<pre id=\"o\">");
  return begin == std::string::npos ? dom : dom.substr(begin + 12, dom.find("</pre>") - begin - 12);
}

TEST_F(Report, EndsARunOfSeveralRanks) {
  const Process::Result result = Train("first",
                                       {"train.batch_size=2000", "train.epochs=3",
                                        "model.matrix_factorization.start_from_baseline=false"},
                                       Launcher::kCfrun, 2);
  ASSERT_EQ(result.exit_code, 0) << result.errors;
  const std::string page = PageOf("first");
  EXPECT_THAT(ElementsOf(page, "h1"), ElementsAre("first: finished"));
  EXPECT_EQ(ElementsOf(page, "h2"), kHeadings);
  // Three epochs are too few, and the page says so as the job did.
  for (const char* const warning :
       {"is worse than that of a mean and biases alone", "was still improving in the last epoch"}) {
    EXPECT_THAT(page,
                ContainsRegex(absl::StrCat("class=\"warning\">Warning: val_rmse [^<]*", warning)));
    EXPECT_THAT(result.output, ContainsRegex(absl::StrCat("warning: val_rmse [^\n]*", warning)));
  }
  EXPECT_THAT(ElementsOf(page, "p"), Contains(ContainsRegex("Best epoch [0-9]: val_rmse")));
  EXPECT_THAT(ElementsOf(page, "figcaption"),
              IsSupersetOf({"rmse by epoch", "loss by epoch", "mae by epoch", "throughput by epoch",
                            "Ratings", "Ratings per user", "Ratings per item"}));

  // The folded table is history.csv, digit for digit.
  const std::vector<std::string> cells = ElementsOf(page, "td");
  for (const char* const figure :
       {"train_loss", "train_rmse", "l2_penalty", "val_loss", "val_rmse", "val_mae",
        "learning_rate", "samples_per_second", "seconds", "pause_seconds"}) {
    EXPECT_THAT(ElementsOf(page, "th"), Contains(figure));
    const std::vector<std::string> column = HistoryColumn(Path("first"), figure);
    ASSERT_THAT(column, SizeIs(3));
    EXPECT_THAT(cells, IsSupersetOf(column)) << figure;
  }
  // The model and the data set are those of the run's own announcement and of cfdata.
  const std::string log = ReadFile(Path("first/log.txt")).value();
  for (const char* const table : {"users", "items"}) {
    const std::vector<std::string> lines = LinesOf(Path("first/log.txt"));
    const auto line = std::find_if(lines.begin(), lines.end(), [&](const std::string& text) {
      return text.find(std::string("table ") + table) != std::string::npos;
    });
    ASSERT_NE(line, lines.end()) << log;
    int found = 0;
    for (const std::string& cell : cells) {
      if (cell.find(" x ") == std::string::npos) continue;
      found += line->find(cell) != std::string::npos ? 1 : 0;
    }
    EXPECT_EQ(found, 1) << *line;
  }
  const std::string statistics = RunProgram("cfdata", {"stats", Path("data")}).output;
  for (const char* const line : {"mean", "std", "25%", "max"}) {
    EXPECT_THAT(ElementsOf(page, "th"), Contains(line));
    EXPECT_THAT(statistics, HasSubstr(line));
  }
  // The best snapshot recommends what cfsnapshot prints.
  const std::vector<std::string> subheadings = ElementsOf(page, "h3");
  ASSERT_THAT(subheadings, SizeIs(4));
  const std::string user = subheadings[1].substr(5, subheadings[1].find(',') - 5);
  const std::vector<std::string> recommended = [&] {
    const std::string out =
        RunProgram("cfsnapshot", {"recommend", cluster_->SnapshotPath("first", "best"), "--user",
                                  user, "--top", "10", "--format", "csv"})
            .output;
    std::vector<std::string> predictions;
    std::size_t begin = out.find('\n');
    while (begin != std::string::npos && begin + 1 < out.size()) {
      const std::string line = out.substr(begin + 1, out.find('\n', begin + 1) - begin - 1);
      const std::size_t comma = line.find(',');
      predictions.push_back(line.substr(comma + 1, line.find(',', comma + 1) - comma - 1));
      begin = out.find('\n', begin + 1);
    }
    return predictions;
  }();
  ASSERT_THAT(recommended, SizeIs(10));
  EXPECT_THAT(cells, IsSupersetOf(recommended));
  EXPECT_THAT(ElementsOf(page, "pre"), ElementsAre(HasSubstr("batch_size: 2000")));
}

TEST_F(Report, IsMadeAgainWithoutTouchingAnythingElse) {
  ASSERT_EQ(Train("again", {"train.batch_size=2000", "train.epochs=2"}).exit_code, 0);
  const std::string page = PageOf("again");
  const std::vector<std::string> before = ContentsOf(Path("again"));
  fs::remove(Path("again/report.html"));
  const Process::Result result = RunReport({Path("again")});
  EXPECT_EQ(result.exit_code, kExitFinished) << result.errors;
  EXPECT_EQ(result.output, "-> " + Path("again") + "/report.html\n");
  EXPECT_EQ(PageOf("again"), page) << "nothing in it depends on when it is made";
  EXPECT_EQ(ContentsOf(Path("again")), before);

  ASSERT_EQ(Train("other", {"train.batch_size=1000", "train.epochs=1"}).exit_code, 0);
  const Process::Result beside =
      RunReport({Path("again"), "--beside", Path("other"), "--out", Path("beside.html")});
  EXPECT_EQ(beside.exit_code, kExitFinished) << beside.errors;
  EXPECT_EQ(PageOf("again"), page);
  const std::string both = ReadFile(Path("beside.html")).value_or("");
  EXPECT_THAT(ElementsOf(both, "li"), IsSupersetOf({"again: val_rmse", "other: val_rmse"}));
  const std::vector<std::string> cells = ElementsOf(both, "td");
  EXPECT_THAT(cells, IsSupersetOf({"2000", "1000"})) << "the fields in which they differ";
  EXPECT_THAT(cells, IsSupersetOf(HistoryColumn(Path("other"), "val_rmse")));
}

TEST_F(Report, TellsHowARunStoppedOrFailed) {
  {
    const std::unique_ptr<ClusterJob> job = cluster_->Start(
        {.launcher = Launcher::kCfrun,
         .ranks = 2,
         .run = "stopped",
         .set = {"train.epochs=100000", "early_stopping.patience=0", "snapshot.every_epochs=0"}});
    ASSERT_TRUE(job->WaitForLog("Epoch 1/")) << job->Wait().errors;
    // Of a run that is not at its end, too.
    const Process::Result alive = RunReport({Path("stopped"), "--out", Path("alive.html")});
    EXPECT_EQ(alive.exit_code, kExitFinished) << alive.errors;
    EXPECT_THAT(ElementsOf(ReadFile(Path("alive.html")).value_or(""), "h1"),
                ElementsAre("stopped: running"));
    ASSERT_EQ(RunProgram("cfrun", {"stop", Path("stopped")}).exit_code, 0);
    EXPECT_EQ(job->Wait().exit_code, kExitContinue);
  }
  const std::string stopped = PageOf("stopped");
  EXPECT_THAT(ElementsOf(stopped, "h1"), ElementsAre("stopped: stopped"));
  EXPECT_EQ(ElementsOf(stopped, "h2"), kHeadings);
  EXPECT_THAT(stopped, HasSubstr("<p class=\"warning\">Stopped at epoch "));

  const Process::Result diverged =
      Train("failed", {"optimizer.sgd.learning_rate=1000000", "train.epochs=3"});
  EXPECT_EQ(diverged.exit_code, kExitFailed);
  const std::string failed = PageOf("failed");
  EXPECT_THAT(ElementsOf(failed, "h1"), ElementsAre("failed: failed"));
  EXPECT_EQ(ElementsOf(failed, "h2"), kHeadings);
  EXPECT_THAT(failed, HasSubstr("<p class=\"warning\">Failed: "));
  EXPECT_THAT(ElementsOf(failed, "figcaption"), Contains("Ratings per user"));
}

TEST_F(Report, OfGeneratedDataWithoutTitlesOrValidation) {
  const Process::Result made =
      RunProgram("cfdata", {"synth", "--users", "60", "--items", "40", "--ratings", "300", "--csv",
                            Path("plain"), "--out", Path("titled")});
  ASSERT_EQ(made.exit_code, 0) << made.errors;
  const Process::Result imported = RunProgram(
      "cfdata", {"import", "--ratings", Path("plain/ratings.csv"), "--out", Path("untitled")});
  ASSERT_EQ(imported.exit_code, 0) << imported.errors;
  const std::string config = Path("plain.textproto");
  std::ofstream(config) << "model { matrix_factorization { dim: 4 } }\n"
                           "early_stopping { monitor: \"train_rmse\" }\n"
                           "train { batch_size: 100 epochs: 1 }\n";
  const Process::Result result = cluster_->Run({.launcher = Launcher::kAlone,
                                                .config = config,
                                                .data = Path("untitled"),
                                                .run = "untitled-run"});
  ASSERT_EQ(result.exit_code, 0) << result.errors;
  const std::string page = PageOf("untitled-run");
  EXPECT_EQ(ElementsOf(page, "h2"), kHeadings);
  EXPECT_THAT(ElementsOf(page, "p"),
              IsSupersetOf({"It has no titles: items are named by their raw ids.",
                            "One epoch is a point in each chart, not a curve."}));
  EXPECT_THAT(ElementsOf(page, "p"), Contains(HasSubstr("Nothing is kept from training")));
  EXPECT_THAT(ElementsOf(page, "th"), Contains(ContainsRegex("^item [0-9]+$")));
}

// The disk is full, the folder is not ours: the run has ended as it has. Method: a folder comes to be in
// the way while the job trains; one that was there before is moved aside.
TEST_F(Report, ThatCannotBeWrittenIsOneLine) {
  fs::create_directories(Path("blocked/report.html/in/the/way"));
  const std::unique_ptr<ClusterJob> job = cluster_->Start(
      {.launcher = Launcher::kAlone,
       .run = "blocked",
       .set = {"train.epochs=100000", "early_stopping.patience=0", "snapshot.every_epochs=0"}});
  ASSERT_TRUE(job->WaitForLog("Epoch 1/")) << job->Wait().errors;
  EXPECT_TRUE(fs::is_directory(Path("blocked/report.html.damaged/in/the/way")));
  fs::create_directories(Path("blocked/report.html/in/the/way"));
  ASSERT_EQ(RunProgram("cfrun", {"stop", Path("blocked")}).exit_code, 0);
  const Process::Result result = job->Wait();
  EXPECT_EQ(result.exit_code, kExitContinue) << result.errors;
  const std::vector<std::string> lines = LinesOf(Path("blocked/log.txt"));
  EXPECT_THAT(lines, Contains(AllOf(HasSubstr("report.html was not written: "),
                                    HasSubstr(Path("blocked/report.html")))));
  EXPECT_THAT(ReadFile(Path("blocked/verdict")).value_or(""), HasSubstr("cause: request"));
}

TEST_F(Report, NamesWhatIsWrong) {
  const Process::Result none = RunReport({Path("nowhere")});
  EXPECT_EQ(none.exit_code, kExitUserInput);
  EXPECT_EQ(none.errors, "cfrun: " + Path("nowhere") + ": no run is here\n");
  const Process::Result without = RunReport({});
  EXPECT_EQ(without.exit_code, kExitUserInput);
  EXPECT_THAT(without.errors, HasSubstr("cfrun report: RUN is missing"));
}

TEST_F(Report, FitsADeskAndAPhone) {
  if (::access(kChromium, X_OK) != 0) GTEST_SKIP() << "there is no " << kChromium;
  ASSERT_EQ(Train("laid-out", {"train.batch_size=2000", "train.epochs=2"}).exit_code, 0);
  const std::size_t figures = ElementsOf(PageOf("laid-out"), "figure").size();
  EXPECT_GE(figures, 8U);
  const std::string expected = "overflow=0 headings=" + std::to_string(kHeadings.size()) +
                               " figures=" + std::to_string(figures);
  for (const int width : {1280, 390}) {
    EXPECT_EQ(LayOut(Path("laid-out/report.html"), width), expected) << width;
  }
}

}  // namespace
}  // namespace cf::report_test

#include "report/report_page.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/page/well_formed.h"
#include "tests/unit/report/report_fixture.h"
#include "tests/unit/report/without_validation.h"

namespace cf::report_page_test {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::SizeIs;

const std::vector<std::string> kHeadings = {
    "Figures",       "How it ran",           "Model", "Data set", "Sample recommendations",
    "Configuration", "Where this comes from"};

ReportContent ContentOf(const ReportedFolder& folder) {
  const RunView run = folder.View();
  absl::StatusOr<ReportData> data =
      DescribeData(run, {.samples_max = ~std::uint64_t{0}, .row_bytes_max = ~std::uint64_t{0}});
  Check(data.ok(), "the test's data set can be read");
  return {.run = run, .data = *std::move(data)};
}

TEST(ReportPage, ShowsAFinishedRun) {
  const ReportedFolder folder;
  const std::string page = FormatReportPage(ContentOf(folder));
  EXPECT_THAT(ElementsOf(page, "h1"), ElementsAre("run: finished"));
  EXPECT_EQ(ElementsOf(page, "h2"), kHeadings);
  EXPECT_THAT(ElementsOf(page, "p"),
              Contains("Best epoch 1: val_rmse 0.8750 -> run/snapshots/best."));
  EXPECT_THAT(page, Not(HasSubstr("class=\"warning\"")));
  EXPECT_THAT(
      ElementsOf(page, "figcaption"),
      ElementsAre("rmse by epoch", "loss by epoch", "mae by epoch", "throughput by epoch",
                  "L2 penalty by epoch", "Ratings", "Ratings per user", "Ratings per item"));
  EXPECT_THAT(ElementsOf(page, "th"),
              IsSupersetOf({"val_rmse", "best (epoch 1)", "last (epoch 3)", "users", "items",
                            "total", "optimizer.adam.learning_rate"}));
  EXPECT_THAT(ElementsOf(page, "th"), Contains(HasSubstr("Film \"")).Times(Ge(59)));
  EXPECT_THAT(ElementsOf(page, "td"),
              IsSupersetOf({"0.875", "1.3", "60 x 10 + bias", "660", "1,650", "0.003", "0.001",
                            "2 ranks on n0, n1; 4 compute threads", "6.0s", "24.7k samples/s",
                            "2023-11-14 22:13:20 UTC", "random .1, seed 42"}));
  EXPECT_THAT(ElementsOf(page, "th"), Not(Contains("early_stopping.monitor")));
  EXPECT_THAT(ElementsOf(page, "h3"), SizeIs(4));
  EXPECT_THAT(ElementsOf(page, "summary"),
              ElementsAre("Every epoch, as history.csv", "All fields"));
  EXPECT_THAT(ElementsOf(page, "pre"), ElementsAre(HasSubstr("learning_rate: 0.003")));
  EXPECT_THAT(ElementsOf(page, "title"), Contains("val_rmse, best: epoch 1, rmse 0.875"));
}

TEST(ReportPage, IsTheSameBytesEachTime) {
  const ReportedFolder folder;
  EXPECT_EQ(FormatReportPage(ContentOf(folder)), FormatReportPage(ContentOf(folder)));
}

TEST(ReportPage, EscapesTitles) {
  const ReportedFolder folder;
  ReportContent content = ContentOf(folder);
  content.data->top.items[0] = "<script>alert(1)</script> & \xff";
  content.data->sample_users[0].recommended[0].name = "</td><b>";
  content.run.verdict->text = "<i>";
  const std::string page = FormatReportPage(content);
  EXPECT_THAT(ElementsOf(page, "th"),
              IsSupersetOf({"<script>alert(1)</script> & \xef\xbf\xbd", "</td><b>"}));
  EXPECT_THAT(page, AllOf(Not(HasSubstr("<script")), Not(HasSubstr("<b>"))));
}

// A list of untrained rows would mean nothing.
TEST(ReportPage, SaysWhyAUserHasNoList) {
  const ReportedFolder folder;
  ReportContent content = ContentOf(folder);
  content.data->sample_users[2].recommended.clear();
  EXPECT_THAT(ElementsOf(FormatReportPage(content), "p"),
              Contains("Nothing is left to recommend."));
  content.data->sample_users[2].training_ratings = 0;
  EXPECT_THAT(ElementsOf(FormatReportPage(content), "p"),
              Contains("No rating of this user was trained on, so nothing is recommended."));
}

TEST(ReportPage, SaysHowARunEndedThatDidNotFinish) {
  const ReportedFolder folder;
  ReportContent content = ContentOf(folder);
  content.run.state = RunState::kStopped;
  content.run.verdict->text = "stopped at epoch 4, step 7 of 100; the same command continues";
  content.run.snapshot->mutable_position()->set_step_in_epoch(7);
  std::string page = FormatReportPage(content);
  EXPECT_THAT(ElementsOf(page, "h1"), ElementsAre("run: stopped"));
  EXPECT_THAT(page, HasSubstr("<p class=\"warning\">Stopped at epoch 4, step 7 of 100; the same "
                              "command continues.</p>"));
  EXPECT_THAT(ElementsOf(page, "td"), Contains(HasSubstr("in mid-epoch, step 7 of 100")));

  content.run.state = RunState::kFailed;
  content.run.verdict->text = "the training loss is not finite by step 9";
  page = FormatReportPage(content);
  EXPECT_THAT(ElementsOf(page, "p"),
              Contains("Failed: the training loss is not finite by step 9."));

  content.run.state = RunState::kInterrupted;
  content.run.verdict.reset();
  page = FormatReportPage(content);
  EXPECT_THAT(ElementsOf(page, "p"), Contains(HasSubstr("Interrupted: the job was killed; ")));

  content.run.state = RunState::kRunning;
  content.run.holder = "process 7 on host n0";
  page = FormatReportPage(content);
  EXPECT_THAT(ElementsOf(page, "p"), Contains(HasSubstr("process 7 on host n0 trains it.")));
  EXPECT_EQ(ElementsOf(page, "h2"), kHeadings);
}

TEST(ReportPage, SaysWhatIsNotThere) {
  const ReportedFolder folder;
  ReportContent content = ContentOf(folder);
  content.run.history.resize(1);
  content.data->has_titles = false;
  content.data->sample_users.clear();
  content.data->no_sample_users = "the model is of another kind";
  std::string page = FormatReportPage(content);
  EXPECT_THAT(ElementsOf(page, "p"),
              IsSupersetOf({"One epoch is a point in each chart, not a curve.",
                            "It has no titles: items are named by their raw ids.",
                            "There are none: the model is of another kind."}));

  RunView bare;
  bare.path = "/runs/bare/";
  page = FormatReportPage({.run = bare, .no_data = "the run does not say"});
  EXPECT_THAT(ElementsOf(page, "h1"), ElementsAre("bare: new"));
  EXPECT_EQ(ElementsOf(page, "h2"), kHeadings);
  EXPECT_THAT(ElementsOf(page, "figure"), IsEmpty());
  EXPECT_THAT(
      ElementsOf(page, "p"),
      IsSupersetOf({"No job has begun here.", "No epoch is finished, so there are no figures.",
                    "The run ended before it had tables.",
                    "Nothing of the data set is shown: the run does not say."}));
}

TEST(ReportPage, SaysWhereNothingIsValidated) {
  const ReportedFolder folder;
  ReportContent content = ContentOf(folder);
  content.run.job->clear_split();
  for (EpochFigures& epoch : content.run.history) epoch.figures = WithoutValidation(epoch.figures);
  const std::string page = FormatReportPage(content);
  EXPECT_THAT(ElementsOf(page, "p"), Contains(HasSubstr("Nothing is kept from training")));
  EXPECT_THAT(
      ElementsOf(page, "figcaption"),
      ElementsAre("rmse by epoch", "loss by epoch", "throughput by epoch", "L2 penalty by epoch",
                  "Ratings", "Ratings per user", "Ratings per item"));
  EXPECT_THAT(ElementsOf(page, "th"), Not(Contains("val_rmse")));
}

// A dense layer is one long row in the store; people know it by its inputs and units.
TEST(ReportPage, ShowsDenseLayersByTheirUnits) {
  const ReportedFolder folder;
  ReportContent content = ContentOf(folder);
  Ranker& ranker = *content.run.snapshot->mutable_job()->mutable_model()->mutable_ranker();
  ranker.mutable_user()->set_dim(6);
  ranker.mutable_item()->set_dim(4);
  ranker.add_dense()->set_units(8);
  ranker.add_dense()->set_units(1);
  FillDefaults(*content.run.snapshot->mutable_job());
  const std::string page = FormatReportPage(content);
  EXPECT_THAT(ElementsOf(page, "td"),
              IsSupersetOf({"60 x 6", "90 x 4", "10 x 8 + bias", "8 x 1 + bias", "88", "9"}));
}

TEST(ReportPage, ShowsAnotherRunBesideIt) {
  const ReportedFolder folder;
  ReportContent content = ContentOf(folder);
  content.beside = content.run;
  content.beside->path = "/runs/other";
  content.beside->history.pop_back();
  content.beside->job->mutable_train()->set_batch_size(77);
  std::string page = FormatReportPage(content);
  EXPECT_THAT(ElementsOf(page, "p"), Contains("Beside it: /runs/other, finished."));
  EXPECT_THAT(page, Not(HasSubstr("do not compare")));
  EXPECT_THAT(ElementsOf(page, "li"),
              IsSupersetOf({"run: val_rmse", "run: train_rmse", "other: val_rmse"}));
  EXPECT_THAT(ElementsOf(page, "th"), IsSupersetOf({"run: best (epoch 1)", "run: last (epoch 3)",
                                                    "other: last (epoch 2)", "train.batch_size"}));
  EXPECT_THAT(ElementsOf(page, "td"), Contains("77"));
  EXPECT_THAT(ElementsOf(page, "summary"), ElementsAre("Every epoch of run, as history.csv",
                                                       "Every epoch of other, as history.csv",
                                                       "All fields of run", "All fields of other"));

  content.beside->snapshot->mutable_data()->set_digest("00");
  content.beside->snapshot->mutable_data()->set_split("given");
  page = FormatReportPage(content);
  EXPECT_THAT(ElementsOf(page, "p"),
              IsSupersetOf({"The two runs have different data sets: their figures do not compare.",
                            "The two runs have different splits: their figures do not compare."}));
}

}  // namespace
}  // namespace cf::report_page_test

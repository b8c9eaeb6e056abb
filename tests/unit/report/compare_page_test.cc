#include "report/compare_page.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/page/well_formed.h"
#include "tests/unit/report/comparison_fixture.h"

namespace cf::compare_page_test {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::SizeIs;

std::string PageOf(const std::vector<RunView>& views) {
  const absl::StatusOr<Comparison> comparison = CompareRuns(views, "");
  Check(comparison.ok(), "these runs compare");
  return FormatComparePage(*comparison);
}

TEST(ComparePage, ShowsTableCurvesAndEachRun) {
  const std::string page = PageOf({MakeRunView("/runs/lr <1>", {0.9, 0.85}),
                                   MakeRunView("/runs/b", {0.8}, {"train.epochs=1"})});
  EXPECT_THAT(ElementsOf(page, "h1"), ElementsAre("runs: 2 runs"));
  EXPECT_THAT(ElementsOf(page, "p"), Contains("Best: b, val_rmse 0.8000 at epoch 1."));
  EXPECT_THAT(ElementsOf(page, "th"), IsSupersetOf({"run", "val_rmse", "b", "lr <1>"}));
  EXPECT_THAT(ElementsOf(page, "td"), IsSupersetOf({"finished", "0.8000", "0.8500"}));
  EXPECT_THAT(ElementsOf(page, "figcaption"),
              ElementsAre("val_rmse by epoch", "val_rmse by trained seconds", "val_loss by epoch",
                          "val_loss by trained seconds", "train_loss by epoch",
                          "train_loss by trained seconds", "samples/s by epoch"));
  EXPECT_THAT(ElementsOf(page, "title"), Contains("lr <1>: epoch 2, val_rmse 0.85"));
  EXPECT_THAT(ElementsOf(page, "title"), Contains("lr <1>: seconds 4, val_rmse 0.85"));
  EXPECT_THAT(ElementsOf(page, "summary"),
              ElementsAre("b: finished, val_rmse 0.8000 at epoch 1",
                          "lr <1>: finished, val_rmse 0.8500 at epoch 2"));
  EXPECT_THAT(ElementsOf(page, "pre")[0],
              AllOf(HasSubstr("digest 0123456789abcdef"), HasSubstr("learning_rate: 0.001")));
}

TEST(ComparePage, OfARunThatHasNothingYet) {
  RunView view;
  view.path = "/runs/a";
  const std::string page = PageOf({view});
  EXPECT_THAT(ElementsOf(page, "h1"), ElementsAre("runs: 1 run"));
  EXPECT_THAT(ElementsOf(page, "figure"), IsEmpty());
  EXPECT_THAT(ElementsOf(page, "summary"), ElementsAre("a: new"));
}

TEST(ComparePage, TellsWhatEachValueLedTo) {
  std::vector<RunView> views;
  for (const char* const rate : {"0.01", "0.002", "0.01", "0.002"}) {
    const double error = 0.8 + 0.01 * static_cast<double>(views.size());
    views.push_back(MakeRunView("/runs/r" + std::to_string(views.size()), {error},
                                {std::string("optimizer.adam.learning_rate=") + rate,
                                 "train.seed=" + std::to_string(views.size())}));
  }
  const std::string page = PageOf(views);
  EXPECT_THAT(ElementsOf(page, "h2"), Contains("Values of fields"));
  // The seed, different in each, is in the first table only.
  EXPECT_THAT(page, HasSubstr("<th scope=\"row\">optimizer.adam.learning_rate</th>"
                              "<td class=\"right\">0.002</td><td class=\"right\">2</td>"
                              "<td class=\"right\">0.8100</td><td>r1</td></tr>"));
  EXPECT_THAT(page, Not(HasSubstr("<th scope=\"row\">train.seed")));
}

TEST(ComparePage, OfAHundredRunsHighlightsTheFirst) {
  std::vector<RunView> views;
  for (int k = 0; k < 100; ++k) {
    views.push_back(MakeRunView("/runs/r" + std::to_string(100 + k), {1.0, 0.8 + 0.001 * k}));
  }
  const std::string page = PageOf(views);
  const std::vector<std::string> legend = ElementsOf(page, "li");
  EXPECT_THAT(legend, SizeIs(7 * 13));
  EXPECT_EQ(legend[11], "r111");
  EXPECT_EQ(legend[12], "88 others");
  EXPECT_EQ(PageOf(views), page) << "the same bytes each time";
}

TEST(ComparePage, RepeatsTheWarnings) {
  RunView other = MakeRunView("/runs/b", {0.8});
  other.snapshot->mutable_data()->set_digest("fedcba9876543210");
  EXPECT_THAT(ElementsOf(PageOf({MakeRunView("/runs/a", {0.9}), other}), "p"),
              Contains(HasSubstr("The runs have 2 different data sets")));
}

}  // namespace
}  // namespace cf::compare_page_test

#include "common/page/html_page.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/page/page_style.h"
#include "tests/unit/page/well_formed.h"

namespace cf::html_page_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

HtmlPage MakePage() {
  HtmlPage page("Runs <of> \"today\" & more");
  page.AddWarning("2 data sets: the figures do not compare");
  page.AddHeading("Table");
  page.AddText("caf\xe9 \x01");
  page.AddTable({.columns = {{"run"}, {"val_rmse", true}},
                 .rows = {{{"first & best", "0.8375"}, 0}, {{"<script>", ""}, {}}}});
  page.AddCharts({{.title = "One",
                   .x_label = "epoch",
                   .y_label = "loss",
                   .series = {{.name = "first", .points = {{1, 2}, {2, 1}}}}},
                  {.title = "Two", .x_label = "epoch", .y_label = "loss"}});
  page.AddSubheading("Bars & tables");
  page.AddCharts(
      std::vector<BarChart>{{.title = "Three", .x_label = "rating", .y_label = "count"}});
  page.AddDetails("Configuration", "train {\n  epochs: 3\n}\n");
  page.AddDetails("Epochs", HtmlTable{.columns = {{"epoch"}}, .rows = {{{"1 <first>"}, {}}}});
  return page;
}

TEST(HtmlPage, IsWellFormedAndHoldsWhatItWasGiven) {
  const std::string page = MakePage().Format();
  EXPECT_THAT(ElementsOf(page, "h1"), ElementsAre("Runs <of> \"today\" & more"));
  EXPECT_EQ(ElementsOf(page, "title").front(), "Runs <of> \"today\" & more");
  EXPECT_THAT(ElementsOf(page, "h2"), ElementsAre("Table"));
  EXPECT_THAT(ElementsOf(page, "th"),
              ElementsAre("run", "val_rmse", "first & best", "<script>", "epoch", "1 <first>"));
  EXPECT_THAT(ElementsOf(page, "h3"), ElementsAre("Bars & tables"));
  EXPECT_THAT(ElementsOf(page, "summary"), ElementsAre("Configuration", "Epochs"));
  EXPECT_THAT(ElementsOf(page, "td"), ElementsAre("0.8375", ""));
  EXPECT_THAT(ElementsOf(page, "figcaption"), ElementsAre("One", "Two", "Three"));
  EXPECT_THAT(ElementsOf(page, "pre"), ElementsAre("train {   epochs: 3 } "));
  EXPECT_THAT(ElementsOf(page, "p"), ElementsAre("2 data sets: the figures do not compare",
                                                 "caf\xef\xbf\xbd \xef\xbf\xbd"));
  EXPECT_THAT(page, HasSubstr("<td class=\"right\">0.8375"));
}

// The path of a field is longer than its values: it takes several lines, not a wide column.
TEST(HtmlPage, HeadingsMayBreakBehindDots) {
  HtmlPage page("Page");
  page.AddTable({.columns = {{"run"}, {"train.batch_size"}}, .rows = {}});
  EXPECT_THAT(page.Format(), HasSubstr("train.<wbr/>batch_size"));
  EXPECT_THAT(ElementsOf(page.Format(), "th"), ElementsAre("run", "train.batch_size"));
}

// A page is opened from a disk or sent by mail, years later: it fetches nothing and runs nothing.
TEST(HtmlPage, NeedsNothingBesideIt) {
  const std::string page = MakePage().Format();
  for (const char* const part : {"<script", "<link", "http", "src=", "@import", "url("}) {
    EXPECT_THAT(page, Not(HasSubstr(part)));
  }
  EXPECT_THAT(page, HasSubstr("prefers-color-scheme: dark"));
  EXPECT_THAT(page, HasSubstr("width=device-width"));
}

TEST(HtmlPage, IsTheSameBytesEachTime) {
  EXPECT_EQ(MakePage().Format(), MakePage().Format());
}

TEST(HtmlPage, StyleMayStandInXmlAsItIs) {
  EXPECT_EQ(std::string(kPageStyle).find_first_of("<&"), std::string::npos);
}

}  // namespace
}  // namespace cf::html_page_test

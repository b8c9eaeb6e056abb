#include "report/report_data_sections.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include "common/page/ticks.h"
#include "common/text/numbers.h"

namespace cf {
namespace {

BarChart ValueChart(const Histogram& histogram) {
  const bool each = !histogram.empty() && histogram.front().low == histogram.front().high;
  BarChart chart = {.title = "Ratings",
                    .x_label = "rating",
                    .y_label = "ratings",
                    .labels = each ? BarLabels::kCentred : BarLabels::kAtEdges};
  for (const HistogramBin& bin : histogram) {
    const std::string low = absl::StrFormat("%.4g", bin.low);
    chart.bars.push_back({.label = low,
                          .name = each ? absl::StrCat("rating ", low)
                                       : absl::StrFormat("ratings from %s to %.4g", low, bin.high),
                          .value = static_cast<double>(bin.count)});
  }
  return chart;
}

BarChart CountChart(const Histogram& histogram, const std::string& of, const std::string& what) {
  BarChart chart = {.title = absl::StrCat("Ratings per ", of),
                    .x_label = absl::StrCat("ratings of a single ", of, ", from"),
                    .y_label = what,
                    .labels = BarLabels::kAtEdges};
  for (const HistogramBin& bin : histogram) {
    const auto low = static_cast<std::uint64_t>(bin.low);
    const auto last = static_cast<std::uint64_t>(bin.high) - 1;
    chart.bars.push_back(
        {.label = TickTexts({bin.low}).front(),
         .name = absl::StrCat(what, " with ", WithThousands(low),
                              last > low ? absl::StrCat(" to ", WithThousands(last)) : ""),
         .value = static_cast<double>(bin.count)});
  }
  return chart;
}

/// "4.5", and of predictions "4.513".
std::string RatingText(float rating) {
  return absl::StrFormat("%g", static_cast<double>(rating));
}
std::string PredictionText(float rating) {
  return FixedText(static_cast<double>(rating), 3);
}

void AddTopRatings(const TopRatings& top, HtmlPage& page) {
  page.AddSubheading(absl::StrCat("The ", top.items.size(), " most rated items by the ",
                                  top.users.size(), " most active users"));
  HtmlTable table;
  table.columns.push_back({.name = "item / user"});
  for (const std::string& user : top.users) table.columns.push_back({.name = user, .right = true});
  for (std::size_t item = 0; item < top.items.size(); ++item) {
    HtmlTable::Row& row = table.rows.emplace_back();
    row.cells.push_back(top.items[item]);
    for (const std::optional<float>& rating : top.ratings[item]) {
      row.cells.push_back(rating.has_value() ? RatingText(*rating) : "");
    }
  }
  page.AddTable(table);
}

HtmlTable ItemsTable(const std::string& heading, const std::string& figure,
                     std::string (*text)(float), const std::vector<ListedItem>& items) {
  const bool genres = std::any_of(items.begin(), items.end(),
                                  [](const ListedItem& item) { return !item.genres.empty(); });
  HtmlTable table = {.columns = {{.name = heading}, {.name = figure, .right = true}}, .rows = {}};
  if (genres) table.columns.push_back({.name = "genres"});
  for (const ListedItem& item : items) {
    HtmlTable::Row& row = table.rows.emplace_back();
    row.cells = {item.name, text(item.rating)};
    if (genres) row.cells.push_back(item.genres);
  }
  return table;
}

}  // namespace

void AddDataSet(const std::optional<ReportData>& described, const std::string& why_not,
                HtmlPage& page) {
  page.AddHeading("Data set");
  if (!described.has_value()) {
    page.AddWarning(absl::StrCat("Nothing of the data set is shown: ", why_not, "."));
    return;
  }
  const ReportData& data = *described;
  page.AddText(absl::StrFormat(
      "%s: %s users, %s items, %s %s, density %.4g%%.", data.name, WithThousands(data.users),
      WithThousands(data.items), WithThousands(data.samples),
      data.has_ratings ? "ratings" : "interactions", 100 * data.statistics.density()));
  if (!data.has_titles) page.AddText("It has no titles: items are named by their raw ids.");
  HtmlTable table = {.columns = {{.name = ""},
                                 {.name = data.has_ratings ? "rating" : "(all 1)", .right = true},
                                 {.name = "per user", .right = true},
                                 {.name = "per item", .right = true}},
                     .rows = {}};
  for (const StatisticsRow& row : StatisticsRows(data.statistics)) {
    table.rows.push_back(
        {.cells = {row.name, row.cells[0], row.cells[1], row.cells[2]}, .style = {}});
  }
  page.AddTable(table);
  std::vector<BarChart> charts;
  if (!data.ratings.empty()) charts.push_back(ValueChart(data.ratings));
  charts.push_back(CountChart(data.per_user, "user", "users"));
  charts.push_back(CountChart(data.per_item, "item", "items"));
  page.AddCharts(charts);
  AddTopRatings(data.top, page);
}

void AddRecommendations(const std::optional<ReportData>& described, HtmlPage& page) {
  page.AddHeading("Sample recommendations");
  if (!described.has_value()) {
    page.AddText("They need the data set.");
    return;
  }
  const ReportData& data = *described;
  if (!data.no_sample_users.empty()) {
    page.AddWarning(absl::StrCat("There are none: ", data.no_sample_users, "."));
    return;
  }
  page.AddText(
      absl::StrCat("Users of most, median and fewest ratings, and the best of what they have not "
                   "rated, by snapshot ",
                   data.snapshot, "."));
  for (const SampleUser& user : data.sample_users) {
    page.AddSubheading(absl::StrCat("User ", user.raw_id, ", ", user.description, ": ",
                                    WithThousands(user.ratings),
                                    user.ratings == 1 ? " rating" : " ratings", ", ",
                                    WithThousands(user.training_ratings), " of them trained on"));
    page.AddTable(ItemsTable("rated highest", "rating", RatingText, user.highest));
    if (user.recommended.empty()) {
      page.AddText(user.training_ratings == 0
                       ? "No rating of this user was trained on, so nothing is recommended."
                       : "Nothing is left to recommend.");
      continue;
    }
    page.AddTable(ItemsTable("recommended", data.score_name, PredictionText, user.recommended));
  }
}

}  // namespace cf

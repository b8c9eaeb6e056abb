#include "report/compare_page.h"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_join.h>

#include "common/config/config.h"
#include "common/page/html_page.h"
#include "common/text/numbers.h"

namespace cf {
namespace {

constexpr std::size_t kHighlighted = 12;  // More lines cannot be followed by eye.
constexpr std::size_t kValuesMax = 12;    // A field with more is better read in the first table.

std::string Sentence(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') {
    text[0] = static_cast<char>(text[0] - 'a' + 'A');
  }
  return text + ".";
}

std::optional<std::size_t> StyleOf(std::size_t run) {
  return run < kHighlighted ? std::optional(run) : std::nullopt;
}

HtmlTable TableOf(const Comparison& comparison) {
  HtmlTable table;
  for (const ComparisonColumn& column : comparison.columns) {
    table.columns.push_back({.name = column.name, .right = column.right});
  }
  for (std::size_t k = 0; k < comparison.runs.size(); ++k) {
    HtmlTable::Row row = {.cells = {}, .style = StyleOf(k)};
    for (const ComparisonCell& cell : comparison.cells[k]) row.cells.push_back(cell.text);
    table.rows.push_back(std::move(row));
  }
  return table;
}

// --- Curves --------------------------------------------------------------------------------------

enum class Abscissa { kEpoch, kSeconds };

/// The curve of one run. A figure that an epoch does not have leaves no point.
ChartSeries CurveOf(const ComparedRun& run, Abscissa abscissa, const std::string& figure,
                    bool mark_best) {
  ChartSeries series = {.name = run.name};
  double seconds = 0;
  for (const EpochFigures& epoch : run.view.history) {
    seconds += epoch.figures.Find("seconds").value_or(0);
    const std::optional<double> value = epoch.figures.Find(figure);
    if (!value.has_value()) continue;
    const double x = abscissa == Abscissa::kEpoch ? epoch.epoch : seconds;
    series.points.push_back({x, *value});
    if (mark_best && run.best.has_value() && run.best->epoch == epoch.epoch) {
      series.best = series.points.back();
    }
  }
  return series;
}

/// Adds the chart of a figure, under the name that people know it by, unless no run has it.
void AddChart(const Comparison& comparison, const std::string& name, Abscissa abscissa,
              const std::string& figure, std::vector<LineChart>& charts) {
  const bool by_epoch = abscissa == Abscissa::kEpoch;
  LineChart chart = {.title = absl::StrCat(name, " by ", by_epoch ? "epoch" : "trained seconds"),
                     .x_label = by_epoch ? "epoch" : "seconds",
                     .y_label = name,
                     .y_scale = YScale::kAuto,
                     .x_whole = by_epoch};
  bool any = false;
  for (std::size_t k = 0; k < comparison.runs.size(); ++k) {
    chart.series.push_back(CurveOf(comparison.runs[k], abscissa, figure,
                                   name == comparison.figure && k < kHighlighted));
    chart.series.back().muted = k >= kHighlighted;
    any = any || !chart.series.back().points.empty();
  }
  if (any) charts.push_back(std::move(chart));
}

std::vector<LineChart> ChartsOf(const Comparison& comparison) {
  std::vector<std::string> figures = {comparison.figure};
  for (const char* const figure : {"val_loss", "train_loss"}) {
    if (figure != comparison.figure) figures.emplace_back(figure);
  }
  std::vector<LineChart> charts;
  for (const std::string& figure : figures) {
    for (const Abscissa abscissa : {Abscissa::kEpoch, Abscissa::kSeconds}) {
      AddChart(comparison, figure, abscissa, figure, charts);
    }
  }
  AddChart(comparison, "samples/s", Abscissa::kEpoch, "samples_per_second", charts);
  return charts;
}

// --- Fields --------------------------------------------------------------------------------------

/// What a value of a field led to.
struct Outcome {
  std::size_t runs = 0;
  std::optional<std::size_t> best;  ///< The best run with it.
};

/// A row for each value of the fields of which some value has several runs.
HtmlTable ValuesOf(const Comparison& comparison) {
  const auto deciding = std::find_if(
      comparison.columns.begin(), comparison.columns.end(),
      [&](const ComparisonColumn& column) { return column.name == comparison.figure; });
  const auto figure = static_cast<std::size_t>(deciding - comparison.columns.begin());
  HtmlTable table;
  table.columns = {{.name = "field"},
                   {.name = "value", .right = true},
                   {.name = "runs", .right = true},
                   {.name = "best " + comparison.figure, .right = true},
                   {.name = "of run"}};
  for (std::size_t column = 0; column < comparison.columns.size(); ++column) {
    if (!comparison.columns[column].is_field) continue;
    // Numbers in their order, then words in theirs.
    std::map<std::pair<double, std::string>, Outcome> outcomes;
    for (std::size_t k = 0; k < comparison.runs.size(); ++k) {
      const ComparisonCell& value = comparison.cells[k][column];
      if (value.text.empty()) continue;
      Outcome& outcome = outcomes[{value.number.value_or(0), value.text}];
      ++outcome.runs;
      const std::optional<double> reached = comparison.cells[k][figure].number;
      if (!reached.has_value()) continue;
      const bool larger = deciding->larger_is_better;
      const double before = outcome.best ? *comparison.cells[*outcome.best][figure].number : 0;
      if (!outcome.best || (larger ? *reached > before : *reached < before)) outcome.best = k;
    }
    if (outcomes.size() > kValuesMax || outcomes.size() >= comparison.runs.size()) continue;
    for (const auto& [value, outcome] : outcomes) {
      table.rows.push_back(
          {.cells = {comparison.columns[column].name, value.second, absl::StrCat(outcome.runs),
                     outcome.best ? comparison.cells[*outcome.best][figure].text : "",
                     outcome.best ? comparison.runs[*outcome.best].name : ""},
           .style = {}});
    }
  }
  return table;
}

// --- Runs ----------------------------------------------------------------------------------------

std::string SummaryOf(const ComparedRun& run) {
  const RunView& view = run.view;
  std::string text;
  const auto line = [&text](const std::string& name, const std::string& value) {
    absl::StrAppendFormat(&text, "%-10s%s\n", name, value);
  };
  line("state", NameOf(view.state));
  if (view.verdict.has_value()) line("verdict", view.verdict->text);
  if (!view.holder.empty()) line("job", view.holder);
  if (view.snapshot.has_value()) {
    const Manifest& manifest = *view.snapshot;
    line("data set", absl::StrCat(manifest.data().name(), ", digest ", manifest.data().digest(),
                                  "; split ", manifest.data().split()));
    line("samples",
         absl::StrCat(WithThousands(manifest.statistics().training_samples()), " training, ",
                      WithThousands(manifest.statistics().validation_samples()), " validation"));
    line("snapshot", manifest.name());
  }
  if (view.status.has_value() && view.status->hosts_size() > 0) {
    const std::set<std::string> hosts(view.status->hosts().begin(), view.status->hosts().end());
    line("ranks", absl::StrCat(view.status->hosts_size(), " on ", absl::StrJoin(hosts, ", "), "; ",
                               view.status->threads(), " compute threads"));
  }
  if (!view.history.empty()) {
    line("trained",
         absl::StrCat(view.history.back().epoch, " epochs in ", DurationText(run.seconds), ", ",
                      InShort(run.samples_per_second), " samples/s"));
  }
  if (view.job.has_value()) absl::StrAppend(&text, "\n", PrintJob(*view.job));
  return text;
}

std::string BestOf(const Comparison& comparison, const ComparedRun& run) {
  if (!run.best.has_value()) return "";
  const std::optional<double> figure = run.best->figures.Find(comparison.figure);
  if (!figure.has_value()) return "";
  return absl::StrCat(", ", comparison.figure, " ", FixedText(*figure, 4), " at epoch ",
                      run.best->epoch);
}

}  // namespace

std::string FormatComparePage(const Comparison& comparison) {
  const std::size_t count = comparison.runs.size();
  HtmlPage page(absl::StrCat(std::filesystem::path(comparison.folder).filename().string(), ": ",
                             count, count == 1 ? " run" : " runs"));
  for (const std::string& warning : comparison.warnings) page.AddWarning(Sentence(warning));
  if (comparison.best.has_value()) {
    const ComparedRun& best = comparison.runs[*comparison.best];
    page.AddText(absl::StrCat("Best: ", best.name, BestOf(comparison, best), "."));
  }
  page.AddHeading("Runs");
  page.AddText("The figures are those of each run's best epoch.");
  page.AddTable(TableOf(comparison));
  const std::vector<LineChart> charts = ChartsOf(comparison);
  if (!charts.empty()) {
    page.AddHeading("Curves");
    page.AddCharts(charts);
  }
  const HtmlTable values = ValuesOf(comparison);
  if (!values.rows.empty() && comparison.best.has_value()) {
    page.AddHeading("Values of fields");
    page.AddText("The best of the runs that have a value; the other fields differ among them too.");
    page.AddTable(values);
  }
  page.AddHeading("Each run");
  for (const ComparedRun& run : comparison.runs) {
    page.AddDetails(absl::StrCat(run.name, ": ", NameOf(run.view.state), BestOf(comparison, run)),
                    SummaryOf(run));
  }
  return page.Format();
}

}  // namespace cf

#include "report/report_curves.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <map>
#include <utility>

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include "common/page/ticks.h"
#include "run/history.h"

namespace cf {
namespace {

constexpr std::size_t kEpochsMax = 1000;

constexpr char kLearningRate[] = "learning_rate";
constexpr char kPenalty[] = "l2_penalty";
constexpr char kSpeed[] = "samples_per_second";
constexpr char kSeconds[] = "seconds";
constexpr char kPause[] =
    "pause_seconds";  // Not in a history that was written before there were any.

/// As many digits as give the same bits, as in history.csv.
std::string ExactText(double number) {
  char text[32];  // The longest double has 24 characters.
  return {text, std::to_chars(text, text + sizeof text, number).ptr};
}

/// "rmse" of "val_rmse" and of "train_rmse".
std::string BareName(const std::string& figure) {
  for (const char* const prefix : {"train_", "val_"}) {
    if (absl::StartsWith(figure, prefix)) return figure.substr(std::string(prefix).size());
  }
  return figure;
}

/// The figure by which the run judges its epochs; empty where nothing tells.
std::string JudgedBy(const RunView& view) {
  return view.status.has_value() ? view.status->monitor() : "";
}

std::string Named(const std::string& run, const std::string& what) {
  return run.empty() ? what : absl::StrCat(run, ": ", what);
}

void AddNew(const std::string& name, std::vector<std::string>& names) {
  if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

/// The figures that some run has, in the order of the first that has them.
std::vector<std::string> NamesOf(const std::vector<ReportedRun>& runs) {
  std::vector<std::string> names;
  for (const ReportedRun& run : runs) {
    for (const std::string& name : JudgingNamesOf(run.view->history)) AddNew(name, names);
  }
  return names;
}

ChartSeries SeriesOf(const ReportedRun& run, const std::string& figure) {
  ChartSeries series = {.name = Named(run.name, figure)};
  const std::optional<EpochFigures> best =
      figure == JudgedBy(*run.view) ? BestEpochOf(*run.view) : std::nullopt;
  for (const EpochFigures& row : run.view->history) {
    const std::optional<double> value = row.figures.Find(figure);
    if (!value.has_value()) continue;
    series.points.push_back({static_cast<double>(row.epoch), *value});
    if (best.has_value() && best->epoch == row.epoch) series.best = series.points.back();
  }
  return series;
}

/// A chart of `figures`, of each run; nothing where no epoch has one of them.
std::optional<LineChart> ChartOf(const std::vector<ReportedRun>& runs, const std::string& title,
                                 const std::vector<std::string>& figures) {
  LineChart chart = {.title = absl::StrCat(title, " by epoch"),
                     .x_label = "epoch",
                     .y_label = title,
                     .y_scale = YScale::kAuto,
                     .x_whole = true};
  for (const ReportedRun& run : runs) {
    for (const std::string& figure : figures) {
      ChartSeries series = SeriesOf(run, figure);
      if (!series.points.empty()) chart.series.push_back(std::move(series));
    }
  }
  if (chart.series.empty()) return std::nullopt;
  return chart;
}

bool IsConstant(const LineChart& chart) {
  const double first = chart.series.front().points.front().y;
  return std::all_of(chart.series.begin(), chart.series.end(), [&](const ChartSeries& series) {
    return std::all_of(series.points.begin(), series.points.end(),
                       [&](const ChartPoint& point) { return point.y == first; });
  });
}

}  // namespace

std::optional<EpochFigures> BestEpochOf(const RunView& view) {
  if (!view.snapshot.has_value() || !view.snapshot->has_best_metrics()) return std::nullopt;
  for (const EpochFigures& row : view.history) {
    if (row.epoch == view.snapshot->best_metrics().epoch()) return row;
  }
  return std::nullopt;
}

HtmlTable FiguresTable(const std::vector<ReportedRun>& runs) {
  HtmlTable table;
  table.columns.push_back({.name = "figure"});
  std::vector<EpochFigures> epochs;
  for (const ReportedRun& run : runs) {
    const auto add = [&](const char* which, const EpochFigures& row) {
      table.columns.push_back(
          {.name = Named(run.name, absl::StrCat(which, " (epoch ", row.epoch, ")")),
           .right = true});
      epochs.push_back(row);
    };
    if (const std::optional<EpochFigures> best = BestEpochOf(*run.view); best.has_value()) {
      add("best", *best);
    }
    if (!run.view->history.empty()) add("last", run.view->history.back());
  }
  for (const std::string& name : NamesOf(runs)) {
    HtmlTable::Row& row = table.rows.emplace_back();
    row.cells.push_back(name);
    for (const EpochFigures& epoch : epochs) {
      const std::optional<double> value = epoch.figures.Find(name);
      row.cells.push_back(value.has_value() ? FigureText(*value) : "");
    }
  }
  return table;
}

std::vector<LineChart> CurvesOf(const std::vector<ReportedRun>& runs) {
  std::vector<std::string> kinds;
  std::map<std::string, std::vector<std::string>> figures;  // By bare name.
  std::vector<std::string> names = NamesOf(runs);
  // The figure that decides comes first.
  std::stable_partition(names.begin(), names.end(), [&](const std::string& name) {
    return name == JudgedBy(*runs.front().view);
  });
  for (const std::string& name : names) {
    AddNew(BareName(name), kinds);
    figures[BareName(name)].push_back(name);
  }
  std::vector<LineChart> charts;
  const auto add = [&charts](std::optional<LineChart> chart) {
    if (chart.has_value()) charts.push_back(*std::move(chart));
  };
  for (const std::string& kind : kinds) add(ChartOf(runs, kind, figures[kind]));
  add(ChartOf(runs, "throughput", {kSpeed}));
  for (const auto& [title, figure] :
       {std::pair("learning rate", kLearningRate), {"L2 penalty", kPenalty}}) {
    std::optional<LineChart> chart = ChartOf(runs, title, {figure});
    if (chart.has_value() && !IsConstant(*chart)) add(std::move(chart));
  }
  return charts;
}

HtmlTable EpochsTable(const RunView& view) {
  HtmlTable table;
  std::vector<std::string> names = JudgingNamesOf(view.history);
  names.insert(names.end(), {kPenalty, kLearningRate, kSpeed, kSeconds});
  const auto has_pause = [](const EpochFigures& row) {
    return row.figures.Find(kPause).has_value();
  };
  if (std::ranges::any_of(view.history, has_pause)) names.emplace_back(kPause);
  table.columns = {{.name = "epoch", .right = true}, {.name = "step", .right = true}};
  for (const std::string& name : names) table.columns.push_back({.name = name, .right = true});
  const std::size_t first = view.history.size() - std::min(kEpochsMax, view.history.size());
  for (std::size_t k = first; k < view.history.size(); ++k) {
    const EpochFigures& row = view.history[k];
    HtmlTable::Row& cells = table.rows.emplace_back();
    cells.cells = {absl::StrCat(row.epoch), absl::StrCat(row.step)};
    for (const std::string& name : names) {
      const std::optional<double> value = row.figures.Find(name);
      cells.cells.push_back(value.has_value() ? ExactText(*value) : "");
    }
  }
  return table;
}

}  // namespace cf

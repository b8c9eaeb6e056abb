#include "report/comparison.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <set>
#include <utility>

#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_join.h>

#include "common/base/check.h"
#include "common/config/config.h"
#include "common/config/job_differences.h"
#include "common/config/loss_text.h"
#include "common/metrics/names.h"
#include "common/text/numbers.h"
#include "run/early_stopping.h"

namespace cf {
namespace {

namespace fs = std::filesystem;

// --- Runs ----------------------------------------------------------------------------------------

/// What the run was, or is, trained with; the defaults where it has not come so far as to say.
Job JobOf(const RunView& view) {
  Job job = view.job.value_or(Job());
  FillDefaults(job);
  return job;
}

/// Where `path` leads, without looking at links: a run keeps the name that the user gave it.
fs::path Absolute(const std::string& path) {
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error).lexically_normal();
  return absolute.has_filename() ? absolute : absolute.parent_path();  // Without a last slash.
}

fs::path CommonFolder(const std::vector<RunView>& views) {
  fs::path common = Absolute(views.front().path).parent_path();
  for (const RunView& view : views) {
    const fs::path path = Absolute(view.path).parent_path();
    const auto parted = std::mismatch(common.begin(), common.end(), path.begin(), path.end()).first;
    fs::path shared;
    for (auto part = common.begin(); part != parted; ++part) shared /= *part;
    common = shared;
  }
  return common;
}

ComparedRun MakeRun(RunView view, const Job& job, const fs::path& folder) {
  ComparedRun run;
  run.name = Absolute(view.path).lexically_relative(folder).string();
  StoppingRule rule(job.early_stopping());
  double samples = 0;
  for (const EpochFigures& epoch : view.history) {
    const std::optional<double> figure = epoch.figures.Find(MonitorOf(job));
    if (epoch.epoch == 0) {
      if (figure.has_value() && rule.ObserveStart(*figure)) run.best = epoch;
    } else if (!figure.has_value()) {
      rule.Skip(epoch.epoch);
    } else if (rule.Observe(epoch.epoch, *figure)) {
      run.best = epoch;
    }
    const double seconds = epoch.figures.Find("seconds").value_or(0);
    run.seconds += seconds;
    samples += seconds * epoch.figures.Find("samples_per_second").value_or(0);
  }
  if (run.seconds > 0) run.samples_per_second = samples / run.seconds;
  run.view = std::move(view);
  return run;
}

// --- What makes figures comparable ---------------------------------------------------------------

/// The data set's digest: the same data may go by several names.
std::string DigestOf(const ComparedRun& run) {
  return run.view.snapshot.has_value() ? run.view.snapshot->data().digest() : "";
}

std::string SplitOf(const ComparedRun& run) {
  return run.view.snapshot.has_value() ? run.view.snapshot->data().split() : "";
}

std::string LossOf(const ComparedRun& run) {
  return run.view.job.has_value() ? LossText(JobOf(run.view)) : "";
}

/// "ml-100k 3f2a91bc".
std::string DataOf(const ComparedRun& run) {
  if (!run.view.snapshot.has_value()) return "";
  return absl::StrCat(run.view.snapshot->data().name(), " ", DigestOf(run).substr(0, 8));
}

/// By what runs differ, in words for each: the first run's of each different `of`, in the order of
/// the runs, without those of runs that have none yet.
std::vector<std::string> Distinct(const std::vector<ComparedRun>& runs,
                                  std::string (*of)(const ComparedRun&),
                                  std::string (*in_words)(const ComparedRun&)) {
  std::vector<std::string> distinct;
  std::vector<std::string> words;
  for (const ComparedRun& run : runs) {
    const std::string value = of(run);
    if (value.empty() || std::count(distinct.begin(), distinct.end(), value) > 0) continue;
    distinct.push_back(value);
    words.push_back(in_words(run));
  }
  return words;
}

/// "the runs have 3 different data sets (a; b; c): their figures do not compare, and none is the
/// best". Whether there are any.
bool WarnOfDifferent(const std::string& what, const std::vector<std::string>& distinct,
                     std::vector<std::string>& warnings) {
  constexpr std::size_t kNamed = 4;
  if (distinct.size() < 2) return false;
  const auto end =
      distinct.begin() + static_cast<std::ptrdiff_t>(std::min(kNamed, distinct.size()));
  warnings.push_back(absl::StrCat("the runs have ", distinct.size(), " different ", what, " (",
                                  absl::StrJoin(distinct.begin(), end, "; "),
                                  distinct.size() > kNamed ? "; ..." : "",
                                  "): figures of different ones do not compare, so none is the "
                                  "best"));
  return true;
}

/// Whether one run can be better than another: all are of one data set and split, and either all
/// have the figure, which is no loss, or all have one loss. The warnings say what differs.
bool IsComparable(const std::vector<ComparedRun>& runs, const std::string& figure,
                  std::vector<std::string>& warnings) {
  const bool data = WarnOfDifferent("data sets", Distinct(runs, DigestOf, DataOf), warnings);
  const bool split = WarnOfDifferent("splits", Distinct(runs, SplitOf, SplitOf), warnings);
  const bool measured = std::all_of(runs.begin(), runs.end(), [&](const ComparedRun& run) {
    return !run.best.has_value() || run.best->figures.Find(figure).has_value();
  });
  if (measured && !absl::EndsWith(figure, "_loss")) return !data && !split;
  const bool loss = WarnOfDifferent("losses", Distinct(runs, LossOf, LossOf), warnings);
  return !data && !split && !loss;
}

// --- Cells ---------------------------------------------------------------------------------------

/// The shortest text that gives the same bits when it is read.
std::string ExactText(double number) {
  char text[32];  // The longest double has 24 characters.
  return {text, std::to_chars(text, text + sizeof text, number).ptr};
}

ComparisonCell Word(const std::string& text) {
  return {.text = text, .exact = text};
}

ComparisonCell Number(double number, const std::string& text) {
  ComparisonCell cell = {.text = text, .exact = ExactText(number)};
  if (!std::isnan(number)) cell.number = number;
  return cell;
}

ComparisonCell FigureCell(const std::optional<double>& figure) {
  return figure.has_value() ? Number(*figure, FixedText(*figure, 4)) : ComparisonCell();
}

/// A value of the configuration, which is a number or a word.
ComparisonCell Value(const std::string& value) {
  double number = 0;
  return absl::SimpleAtod(value, &number) && !std::isnan(number)
             ? ComparisonCell{.text = value, .exact = value, .number = number}
             : Word(value);
}

/// Of a field. So many threads as there are cores are written as 0.
ComparisonCell FieldValue(const std::string& path, const std::string& value) {
  return path == "cluster.threads" && value == "0" ? Word("auto") : Value(value);
}

ComparisonCell Epochs(const ComparedRun& run, const Job& job) {
  const std::uint32_t done = run.view.history.empty() ? 0 : run.view.history.back().epoch;
  // Of how many matters while it is not all there will be.
  return Number(done, run.view.state == RunState::kFinished
                          ? absl::StrCat(done)
                          : absl::StrCat(done, "/", job.train().epochs()));
}

/// Builds the table, a column at a time.
class TableBuilder {
 public:
  explicit TableBuilder(Comparison& comparison) : comparison_(comparison) {
    comparison_.cells.resize(comparison_.runs.size());
  }

  template <class CellOf>
  void Add(ComparisonColumn column, const CellOf& cell_of) {
    comparison_.columns.push_back(std::move(column));
    for (std::size_t k = 0; k < comparison_.runs.size(); ++k) {
      comparison_.cells[k].push_back(cell_of(k));
    }
  }

  /// Gives every column its label: as many of the last parts of its name as no other column ends
  /// with.
  void Label() {
    for (ComparisonColumn& column : comparison_.columns) {
      std::size_t dot = column.name.rfind('.');
      while (dot != std::string::npos && Ending(column.name.substr(dot + 1)) > 1) {
        dot = dot == 0 ? std::string::npos : column.name.rfind('.', dot - 1);
      }
      column.label = dot == std::string::npos ? column.name : column.name.substr(dot + 1);
    }
  }

 private:
  /// How many columns' names are `part`, or end with it.
  std::ptrdiff_t Ending(const std::string& part) const {
    return std::count_if(comparison_.columns.begin(), comparison_.columns.end(),
                         [&part](const ComparisonColumn& column) {
                           return absl::EndsWith("." + column.name, "." + part);
                         });
  }

  Comparison& comparison_;
};

/// The fields in which runs differ; a run that has no configuration yet differs in none.
std::vector<FieldDifference> DifferencesOf(const std::vector<ComparedRun>& runs,
                                           const std::vector<Job>& jobs) {
  std::vector<std::size_t> owners;
  std::vector<Job> known;
  for (std::size_t k = 0; k < runs.size(); ++k) {
    if (!runs[k].view.job.has_value()) continue;
    owners.push_back(k);
    known.push_back(jobs[k]);
  }
  std::vector<FieldDifference> differences = DifferingFields(known);
  for (FieldDifference& difference : differences) {
    std::vector<std::string> values(runs.size());
    for (std::size_t k = 0; k < owners.size(); ++k) values[owners[k]] = difference.values[k];
    difference.values = std::move(values);
  }
  return differences;
}

void MakeTable(const std::vector<Job>& jobs, bool largest_is_best, Comparison& comparison) {
  const std::vector<ComparedRun>& runs = comparison.runs;
  TableBuilder table(comparison);
  table.Add({.name = "run"}, [&](std::size_t k) { return Word(runs[k].name); });
  table.Add({.name = "state"}, [&](std::size_t k) { return Word(NameOf(runs[k].view.state)); });
  table.Add({.name = "epochs", .right = true},
            [&](std::size_t k) { return Epochs(runs[k], jobs[k]); });
  table.Add({.name = "best_epoch", .right = true}, [&](std::size_t k) {
    if (!runs[k].best.has_value()) return ComparisonCell();
    return Number(runs[k].best->epoch, absl::StrCat(runs[k].best->epoch));
  });

  // The figure that decides comes first, and train_loss only where it is that. Without a split
  // there is nothing of validation.
  std::vector<EpochFigures> best;
  for (const ComparedRun& run : runs) {
    if (run.best.has_value()) best.push_back(*run.best);
  }
  std::vector<std::string> figures = JudgingNamesOf(best);
  std::erase(figures, "train_loss");
  std::erase(figures, comparison.figure);
  figures.insert(figures.begin(), comparison.figure);
  for (const std::string& figure : figures) {
    const bool largest = figure == comparison.figure ? largest_is_best : LargerIsBetter(figure);
    table.Add({.name = figure, .right = true, .larger_is_better = largest}, [&](std::size_t k) {
      return FigureCell(runs[k].best ? runs[k].best->figures.Find(figure) : std::nullopt);
    });
  }
  table.Add({.name = "samples/s", .right = true, .larger_is_better = true}, [&](std::size_t k) {
    const double speed = runs[k].samples_per_second;
    return speed > 0 ? Number(speed, InShort(speed)) : ComparisonCell();
  });
  const bool short_runs = std::all_of(runs.begin(), runs.end(),
                                      [](const ComparedRun& run) { return run.seconds < 100; });
  table.Add({.name = "seconds", .right = true}, [&](std::size_t k) {
    return Number(runs[k].seconds, absl::StrFormat("%.*f", short_runs ? 2 : 0, runs[k].seconds));
  });

  if (Distinct(runs, DigestOf, DataOf).size() > 1) {
    table.Add({.name = "data set"}, [&](std::size_t k) { return Word(DataOf(runs[k])); });
  }
  for (const FieldDifference& field : DifferencesOf(runs, jobs)) {
    const bool numbers = std::all_of(
        field.values.begin(), field.values.end(),
        [](const std::string& value) { return value.empty() || Value(value).number.has_value(); });
    table.Add({.name = field.path, .right = numbers, .is_field = true},
              [&](std::size_t k) { return FieldValue(field.path, field.values[k]); });
  }
  table.Label();
}

// --- Order ---------------------------------------------------------------------------------------

/// Whether `a` stands before `b` in a column.
bool StandsBefore(const ComparisonCell& a, const ComparisonCell& b, bool larger_first) {
  if (a.number.has_value() != b.number.has_value()) return a.number.has_value();
  if (a.number.has_value()) return larger_first ? *a.number > *b.number : *a.number < *b.number;
  if (a.text.empty() != b.text.empty()) return b.text.empty();
  return a.text < b.text;
}

absl::StatusOr<std::size_t> FindColumn(const std::vector<ComparisonColumn>& columns,
                                       const std::string& name) {
  for (std::size_t k = 0; k < columns.size(); ++k) {
    if (columns[k].name == name || columns[k].label == name) return k;
  }
  // As early_stopping.monitor and history.csv have it, or without what all figures have in front.
  const auto validation = std::find_if(columns.begin(), columns.end(), [&name](const auto& column) {
    return column.name == "val_" + name;
  });
  if (validation != columns.end()) {
    return static_cast<std::size_t>(validation - columns.begin());
  }
  const std::string names = absl::StrJoin(
      columns, ", ",
      [](std::string* text, const ComparisonColumn& column) { text->append(column.name); });
  return absl::InvalidArgumentError(
      absl::StrCat("--sort ", name, ": no such column; expected one of ", names));
}

std::vector<std::size_t> OrderBy(const Comparison& comparison, std::size_t column) {
  std::vector<std::size_t> order(comparison.runs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const bool larger_first = comparison.columns[column].larger_is_better;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return StandsBefore(comparison.cells[a][column], comparison.cells[b][column], larger_first);
  });
  return order;
}

template <class T>
std::vector<T> Arranged(std::vector<T> things, const std::vector<std::size_t>& order) {
  std::vector<T> arranged;
  for (const std::size_t k : order) arranged.push_back(std::move(things[k]));
  return arranged;
}

/// The figure to compare by, and whether its largest value is the best.
std::pair<std::string, bool> ChooseFigure(const std::vector<Job>& jobs,
                                          const std::vector<RunView>& views,
                                          std::vector<std::string>& warnings) {
  std::set<std::pair<std::string, bool>> choices;
  for (std::size_t k = 0; k < jobs.size(); ++k) {
    if (!views[k].job.has_value()) continue;
    choices.insert({MonitorOf(jobs[k]), jobs[k].early_stopping().mode() == EarlyStopping::MAX});
  }
  if (choices.empty()) return {"val_rmse", false};
  if (choices.size() == 1) return *choices.begin();
  const bool validated = std::any_of(views.begin(), views.end(), [](const RunView& view) {
    return !view.history.empty() && view.history.back().figures.Find("val_rmse").has_value();
  });
  const std::string figure = validated ? "val_rmse" : "train_rmse";
  warnings.push_back(
      absl::StrCat("the runs judge their epochs by different figures (early_stopping.monitor or "
                   "mode): they are compared by the ",
                   figure, " of what each holds for its best epoch"));
  return {figure, false};
}

}  // namespace

absl::StatusOr<Comparison> CompareRuns(std::vector<RunView> views, const std::string& sort) {
  Check(!views.empty(), "there is a run to compare");
  std::vector<Job> jobs;
  for (const RunView& view : views) jobs.push_back(JobOf(view));

  Comparison comparison;
  const fs::path folder = CommonFolder(views);
  comparison.folder = folder.string();
  const auto [figure, largest_is_best] = ChooseFigure(jobs, views, comparison.warnings);
  comparison.figure = figure;
  for (std::size_t k = 0; k < views.size(); ++k) {
    comparison.runs.push_back(MakeRun(std::move(views[k]), jobs[k], folder));
  }
  const bool comparable = IsComparable(comparison.runs, figure, comparison.warnings);
  MakeTable(jobs, largest_is_best, comparison);

  const absl::StatusOr<std::size_t> by_figure = FindColumn(comparison.columns, comparison.figure);
  const absl::StatusOr<std::size_t> by =
      sort.empty() ? by_figure : FindColumn(comparison.columns, sort);
  if (!by.ok()) return by.status();
  const std::size_t best = OrderBy(comparison, *by_figure).front();
  const std::vector<std::size_t> order = OrderBy(comparison, *by);
  if (comparable && comparison.cells[best][*by_figure].number.has_value()) {
    comparison.best =
        static_cast<std::size_t>(std::find(order.begin(), order.end(), best) - order.begin());
  }
  comparison.runs = Arranged(std::move(comparison.runs), order);
  comparison.cells = Arranged(std::move(comparison.cells), order);
  return comparison;
}

}  // namespace cf

// cfrun compare: runs side by side, as a table and as a page.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include "common/base/output_file.h"
#include "common/text/display.h"
#include "common/text/numbers.h"
#include "common/text/text_table.h"
#include "launch/command_line.h"
#include "launch/page_output.h"
#include "launch/run_commands.h"
#include "report/compare_page.h"
#include "report/comparison.h"
#include "run/run_view.h"

namespace cf {
namespace {

namespace fs = std::filesystem;

struct Flags {
  std::vector<std::string> runs;
  std::string html;
  std::string csv;
  std::string sort;
  bool overwrite = false;
};

// --- Reading -------------------------------------------------------------------------------------

/// What could be read. What could not was said, a line each.
struct Reading {
  std::vector<RunView> views;
  bool complete = true;
};

Reading ReadRuns(const std::vector<std::string>& words) {
  Reading reading;
  const auto complain = [&reading](const absl::Status& status) {
    std::fprintf(stderr, "cfrun compare: %s\n", std::string(status.message()).c_str());
    reading.complete = false;
  };
  std::set<fs::path> seen;
  std::error_code error;
  for (const std::string& word : words) {
    // `runs/sweep/*` names what else lies there: the file of jobs, tables, the page of last time.
    if (fs::is_regular_file(word, error)) continue;
    const absl::StatusOr<std::vector<std::string>> runs = FindRuns(word);
    if (!runs.ok()) {
      complain(runs.status());
      continue;
    }
    if (runs->empty()) complain(absl::NotFoundError(absl::StrCat(word, ": no run is here")));
    for (const std::string& run : *runs) {
      if (!seen.insert(fs::weakly_canonical(run, error)).second) continue;
      absl::StatusOr<RunView> view = ViewRun(run);
      if (view.ok()) {
        reading.views.push_back(*std::move(view));
      } else {
        complain(view.status());
      }
    }
  }
  return reading;
}

// --- The table -----------------------------------------------------------------------------------

/// Where a heading is best broken in two: behind the "_" or ".", or before the "/", that is nearest
/// its middle; 0 where it has none.
std::size_t BreakOf(const std::string& heading) {
  std::size_t best = 0;
  const auto longer = [&heading](std::size_t at) { return std::max(at, heading.size() - at); };
  for (std::size_t k = 1; k < heading.size(); ++k) {
    const bool breaks = heading[k - 1] == '_' || heading[k - 1] == '.' || heading[k] == '/';
    if (breaks && (best == 0 || longer(k) < longer(best))) best = k;
  }
  return best;
}

/// Whether the column is one that need not be printed line by line, for it says the same of all.
bool IsCommon(const Comparison& comparison, std::size_t column) {
  const std::string& name = comparison.columns[column].name;
  if (comparison.cells.size() < 2 || (name != "state" && name != "epochs")) return false;
  return std::all_of(comparison.cells.begin(), comparison.cells.end(), [&](const auto& cells) {
    return cells[column].text == comparison.cells.front()[column].text;
  });
}

enum class Layout {
  kFull,     ///< Fields by their whole paths.
  kLabels,   ///< Fields by the last parts of these.
  kCompact,  ///< These in two lines, and what is common to all runs in a line of its own.
};

std::string FormatTable(const Comparison& comparison, Layout layout, std::size_t width) {
  std::vector<std::size_t> shown;
  std::vector<std::string> common;
  for (std::size_t k = 0; k < comparison.columns.size(); ++k) {
    if (layout == Layout::kCompact && IsCommon(comparison, k)) {
      common.push_back(comparison.columns[k].name + " " + comparison.cells.front()[k].text);
    } else {
      shown.push_back(k);
    }
  }
  std::vector<TextTable::Column> columns;
  std::vector<std::string> second_line;
  for (const std::size_t k : shown) {
    const ComparisonColumn& column = comparison.columns[k];
    std::string heading = layout == Layout::kFull ? column.name : column.label;
    if (layout == Layout::kCompact) {
      const std::size_t at = BreakOf(heading);
      second_line.push_back(heading.substr(at));
      heading.resize(at);
    }
    columns.push_back({.name = heading, .right = column.right});
  }
  TextTable table(columns);
  if (!second_line.empty()) table.AddRow(second_line);
  for (const std::vector<ComparisonCell>& cells : comparison.cells) {
    std::vector<std::string> texts;
    for (const std::size_t k : shown) texts.push_back(cells[k].text);
    table.AddRow(texts);
  }
  return absl::StrCat(
      common.empty() ? "" : absl::StrCat("all runs: ", absl::StrJoin(common, ", "), "\n"),
      table.FormatText(width));
}

std::size_t WidthOf(const std::string& text) {
  std::size_t width = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    width = std::max(width, DisplayWidth(std::string_view(text).substr(begin, end - begin)));
    begin = end + 1;
  }
  return width;
}

/// The table in the fullest layout that fits a terminal; where none does, in the narrowest.
std::string FormatTable(const Comparison& comparison) {
  const std::size_t width = TerminalWidth(STDOUT_FILENO);
  for (const Layout layout : {Layout::kFull, Layout::kLabels}) {
    constexpr std::size_t kUnbounded = 1 << 20;
    std::string text = FormatTable(comparison, layout, kUnbounded);
    if (WidthOf(text) <= width) return text;
  }
  return FormatTable(comparison, Layout::kCompact, width);
}

std::string FormatCsv(const Comparison& comparison) {
  std::vector<TextTable::Column> columns;
  for (const ComparisonColumn& column : comparison.columns) columns.push_back({column.name});
  TextTable table(columns);
  for (const std::vector<ComparisonCell>& cells : comparison.cells) {
    std::vector<std::string> texts;
    for (const ComparisonCell& cell : cells) texts.push_back(cell.exact);
    table.AddRow(texts);
  }
  return table.Format(TableFormat::kCsv);
}

// --- Output --------------------------------------------------------------------------------------

void Print(const Comparison& comparison) {
  for (const std::string& warning : comparison.warnings) {
    std::printf("%s\n", WrapToWidth(Printable(warning), TerminalWidth(STDOUT_FILENO), 2).c_str());
  }
  std::fputs(FormatTable(comparison).c_str(), stdout);
  if (!comparison.best.has_value()) return;
  const ComparedRun& best = comparison.runs[*comparison.best];
  std::printf("best: %s, %s %s at epoch %u\n", best.name.c_str(), comparison.figure.c_str(),
              FixedText(best.best->figures.Find(comparison.figure).value_or(0), 4).c_str(),
              best.best->epoch);
}

/// The page's place where none is given, as short as it can be said from here.
std::string DefaultPage(const Comparison& comparison) {
  std::error_code error;
  const fs::path page = fs::path(comparison.folder) / "compare.html";
  const fs::path near = page.lexically_relative(fs::current_path(error));
  return near.empty() || *near.begin() == ".." ? page.string() : near.string();
}

absl::Status Write(const std::string& flag, OutputFile file, const std::string& contents) {
  file.Write(contents);
  if (absl::Status written = file.Close(); !written.ok()) return Because(written, flag);
  if (file.is_plain()) std::printf("-> %s\n", file.path().c_str());
  return absl::OkStatus();
}

absl::StatusOr<ExitCode> Compare(const Flags& flags) {
  Reading reading = ReadRuns(flags.runs);
  if (reading.views.empty()) {
    if (!reading.complete) return kExitUserInput;
    return absl::NotFoundError("compare: only files are named, and no run");
  }
  const absl::StatusOr<Comparison> comparison = CompareRuns(std::move(reading.views), flags.sort);
  if (!comparison.ok()) return comparison.status();
  // Whether both may be written is asked before either is.
  std::optional<OutputFile> table;
  if (!flags.csv.empty()) {
    absl::StatusOr<OutputFile> opened =
        OutputFile::Create(flags.csv, {.overwrite = flags.overwrite});
    if (!opened.ok()) return Because(opened.status(), "--csv");
    table.emplace(*std::move(opened));
  }
  absl::StatusOr<OutputFile> page = OpenPageOutput(
      "--html", flags.html.empty() ? DefaultPage(*comparison) : flags.html, flags.overwrite);
  // Runs of somebody else are compared without a page beside them.
  const bool elsewhere = flags.html.empty() && absl::IsPermissionDenied(page.status());
  if (!page.ok() && !elsewhere) return page.status();
  Print(*comparison);
  if (table.has_value()) {
    absl::Status written = Write("--csv", *std::move(table), FormatCsv(*comparison));
    if (!written.ok()) return written;
  }
  if (elsewhere) {
    std::fprintf(stderr, "cfrun compare: no page: %s; --html FILE writes it elsewhere\n",
                 std::string(page.status().message()).c_str());
    return reading.complete ? kExitFinished : kExitUserInput;
  }
  absl::Status written = Write("--html", *std::move(page), FormatComparePage(*comparison));
  if (!written.ok()) return written;
  return reading.complete ? kExitFinished : kExitUserInput;
}

}  // namespace

absl::StatusOr<ExitCode> CompareCommand(const std::vector<std::string>& words) {
  Flags flags;
  ArgumentParser app("cfrun compare",
                     "Compares runs: one table, the best first, and one page with their curves.");
  app.Option("RUN", flags.runs,
             "Run folders, or folders of runs such as a sweep's; files are "
             "passed over, so that runs/sweep/* works")
      .Required();
  app.Option("--html", flags.html, "The page to write (compare.html beside the runs)");
  app.Option("--csv", flags.csv, "Write the table to this file too, with all digits");
  app.Option("--sort", flags.sort,
             "Column to order by, such as seconds (the figure that the runs monitor)");
  app.Switch("--overwrite", flags.overwrite,
             "Replace the files of --html and --csv where they are there already");
  const std::optional<ExitCode> ended = ParseWords(app, words);
  if (ended.has_value()) return *ended;
  return Compare(flags);
}

}  // namespace cf

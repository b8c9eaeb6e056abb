#include "run/history.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <absl/cleanup/cleanup.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include "common/base/check.h"
#include "common/base/files.h"
#include "common/base/status.h"
#include "common/metrics/names.h"

namespace cf {
namespace {

using Figure = std::optional<double> HistoryRow::*;

/// The columns after epoch and step, in the file's order.
constexpr std::pair<const char*, Figure> kFigures[] = {
    {"train_loss", &HistoryRow::train_loss},
    {"train_rmse", &HistoryRow::train_rmse},
    {"l2_penalty", &HistoryRow::l2_penalty},
    {"val_loss", &HistoryRow::val_loss},
    {"val_rmse", &HistoryRow::val_rmse},
    {"val_mae", &HistoryRow::val_mae},
    {"learning_rate", &HistoryRow::learning_rate},
    {"samples_per_second", &HistoryRow::samples_per_second},
    {"seconds", &HistoryRow::seconds},
};
constexpr std::size_t kColumns = 2 + std::size(kFigures);

std::string Header(const std::vector<std::string>& others) {
  std::string line = "epoch,step";
  for (const auto& [name, figure] : kFigures) absl::StrAppend(&line, ",", name);
  for (const std::string& name : others) absl::StrAppend(&line, ",", name);
  return line;
}

const double* Find(const HistoryRow& row, const std::string& name) {
  const auto found = std::find_if(row.others.begin(), row.others.end(),
                                  [&](const NamedFigure& figure) { return figure.name == name; });
  return found == row.others.end() ? nullptr : &found->value;
}

void AppendNumber(double number, std::string& line) {
  char digits[32];  // The longest double has 24 characters.
  const auto end = std::to_chars(digits, digits + sizeof digits, number);
  line.append(digits, end.ptr);
}

std::string ToLine(const HistoryRow& row, const std::vector<std::string>& others) {
  std::string line = absl::StrCat(row.epoch, ",", row.step);
  for (const auto& [name, figure] : kFigures) {
    line += ',';
    if ((row.*figure).has_value()) AppendNumber(*(row.*figure), line);
  }
  for (const std::string& name : others) {
    line += ',';
    if (const double* value = Find(row, name)) AppendNumber(*value, line);
  }
  return line;
}

/// Reads the whole of `cell` as a number.
template <class Number>
bool FromCell(const std::string& cell, Number& number) {
  const char* end = cell.data() + cell.size();
  const std::from_chars_result read = std::from_chars(cell.data(), end, number);
  return read.ec == std::errc() && read.ptr == end;
}

std::optional<HistoryRow> FromLine(const std::string& line,
                                   const std::vector<std::string>& others) {
  const std::vector<std::string> cells = absl::StrSplit(line, ',');
  HistoryRow row;
  if (cells.size() != kColumns + others.size() || !FromCell(cells[0], row.epoch) ||
      !FromCell(cells[1], row.step)) {
    return std::nullopt;
  }
  for (std::size_t k = 0; k < std::size(kFigures); ++k) {
    const std::string& cell = cells[k + 2];
    if (!cell.empty() && !FromCell(cell, (row.*kFigures[k].second).emplace())) return std::nullopt;
  }
  for (std::size_t k = 0; k < others.size(); ++k) {
    const std::string& cell = cells[k + kColumns];
    if (cell.empty()) continue;
    row.others.push_back({.name = others[k]});
    if (!FromCell(cell, row.others.back().value)) return std::nullopt;
  }
  return row;
}

std::string ToText(const std::vector<HistoryRow>& rows, const std::vector<std::string>& others) {
  std::string text = Header(others) + "\n";
  for (const HistoryRow& row : rows) absl::StrAppend(&text, ToLine(row, others), "\n");
  return text;
}

/// The columns that a header has beside those of every history; nothing if it is no such header.
std::optional<std::vector<std::string>> OthersOf(const std::string& header) {
  const std::vector<std::string> columns = absl::StrSplit(header, ',');
  if (columns.size() < kColumns || !absl::StartsWith(header, Header({}))) return std::nullopt;
  std::vector<std::string> others(columns.begin() + kColumns, columns.end());
  if (Header(others) != header || !std::all_of(others.begin(), others.end(), IsMetric)) {
    return std::nullopt;
  }
  return others;
}

// A crash, or a writer at work, can leave half a line without its end, and nothing else: Append
// writes lines whole.
std::string WholeLines(const std::string& text) {
  return text.substr(0, text.rfind('\n') + 1);
}

struct Table {
  std::vector<std::string> others;
  std::vector<HistoryRow> rows;
};

// `text`: whole lines. `path` stands in errors.
absl::StatusOr<Table> ParseTable(const std::string& path, const std::string& text) {
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  lines.pop_back();  // What follows the last line's end.
  Table table;
  for (std::size_t k = 0; k < lines.size(); ++k) {
    const auto refuse = [&](const std::string& expected) {
      return absl::InvalidArgumentError(absl::StrCat(path, ":", k + 1, ": expected ", expected));
    };
    if (k == 0) {
      std::optional<std::vector<std::string>> others = OthersOf(lines[k]);
      if (!others.has_value()) return refuse("\"" + Header({}) + "\"");
      table.others = *std::move(others);
      continue;
    }
    const std::uint32_t last = table.rows.empty() ? 0 : table.rows.back().epoch;
    const std::optional<HistoryRow> row = FromLine(lines[k], table.others);
    if (!row.has_value()) return refuse(absl::StrCat(kColumns + table.others.size(), " numbers"));
    if (row->epoch <= last) return refuse(absl::StrCat("an epoch after ", last));
    table.rows.push_back(*row);
  }
  return table;
}

}  // namespace

HistoryRow RowOf(const EpochMetrics& metrics) {
  HistoryRow row{.epoch = metrics.epoch(),
                 .step = metrics.step(),
                 .train_loss = metrics.train_loss(),
                 .l2_penalty = metrics.l2_penalty(),
                 .learning_rate = metrics.learning_rate()};
  if (metrics.has_train_rmse()) row.train_rmse = metrics.train_rmse();
  if (metrics.has_val_loss()) row.val_loss = metrics.val_loss();
  if (metrics.has_val_rmse()) row.val_rmse = metrics.val_rmse();
  if (metrics.has_val_mae()) row.val_mae = metrics.val_mae();
  for (const MetricFigure& figure : metrics.figures()) {
    row.others.push_back({.name = figure.name(), .value = figure.value()});
  }
  return row;
}

std::vector<NamedFigure> ValidationOf(const EpochMetrics& metrics) {
  const HistoryRow row = RowOf(metrics);
  std::vector<NamedFigure> figures;
  for (const char* name : {"val_loss", "val_rmse", "val_mae"}) {
    const std::optional<double> value = FigureOf(row, name);
    if (value.has_value()) figures.push_back({.name = name, .value = *value});
  }
  figures.insert(figures.end(), row.others.begin(), row.others.end());
  return figures;
}

std::optional<double> FigureOf(const HistoryRow& row, const std::string& name) {
  for (const auto& [figure, member] : kFigures) {
    if (name == figure) return row.*member;
  }
  const double* value = Find(row, name);
  return value == nullptr ? std::nullopt : std::optional(*value);
}

std::vector<std::string> FigureNamesOf(std::span<const HistoryRow> rows) {
  std::vector<std::string> names;
  for (const char* name : {"val_rmse", "val_loss", "val_mae", "train_rmse", "train_loss"}) {
    const auto has = [name](const HistoryRow& row) { return FigureOf(row, name).has_value(); };
    if (std::any_of(rows.begin(), rows.end(), has)) names.emplace_back(name);
  }
  for (const HistoryRow& row : rows) {
    for (const NamedFigure& figure : row.others) {
      if (std::find(names.begin(), names.end(), figure.name) == names.end()) {
        names.push_back(figure.name);
      }
    }
  }
  return names;
}

absl::StatusOr<History> History::Open(const std::string& path,
                                      const std::vector<std::string>& others) {
  absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok() && !absl::IsNotFound(text.status())) return text.status();
  absl::StatusOr<Table> table = ParseTable(path, WholeLines(text.value_or("")));
  if (!table.ok()) return table.status();
  History history(path);
  history.others_ = std::move(table->others);
  history.rows_ = std::move(table->rows);
  for (const std::string& name : others) {
    if (std::find(history.others_.begin(), history.others_.end(), name) == history.others_.end()) {
      history.others_.push_back(name);
    }
  }
  const std::string whole = ToText(history.rows_, history.others_);
  if (!text.ok() || whole != *text) {
    const absl::Status written = WriteFileAtomically(path, whole);
    if (!written.ok()) return written;
  }
  return history;
}

absl::StatusOr<std::vector<HistoryRow>> History::Read(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok() && !absl::IsNotFound(text.status())) return text.status();
  return Parse(text.value_or(""), path);
}

absl::StatusOr<std::vector<HistoryRow>> History::Parse(const std::string& text,
                                                       const std::string& name) {
  absl::StatusOr<Table> table = ParseTable(name, WholeLines(text));
  if (!table.ok()) return table.status();
  return std::move(table->rows);
}

absl::Status History::CutBackTo(std::uint32_t epoch) {
  const std::size_t before = rows_.size();
  std::erase_if(rows_, [epoch](const HistoryRow& row) { return row.epoch > epoch; });
  return rows_.size() == before ? absl::OkStatus()
                                : WriteFileAtomically(path_, ToText(rows_, others_));
}

absl::Status History::Append(const HistoryRow& row) {
  Check(row.epoch > (rows_.empty() ? 0 : rows_.back().epoch), "epochs are appended in order");
  for (const NamedFigure& figure : row.others) {
    Check(std::find(others_.begin(), others_.end(), figure.name) != others_.end(),
          "every figure has a column");
  }
  const int file = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (file < 0) return ErrnoError(errno, path_);
  const absl::Cleanup close = [file] { ::close(file); };
  const std::string line = ToLine(row, others_) + "\n";
  const ssize_t written = ::write(file, line.data(), line.size());
  if (written < 0) return ErrnoError(errno, path_);
  if (static_cast<std::size_t>(written) != line.size()) return ErrnoError(ENOSPC, path_);
  if (::fdatasync(file) != 0) return ErrnoError(errno, path_);
  rows_.push_back(row);
  return absl::OkStatus();
}

}  // namespace cf

#include "run/history.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <iterator>
#include <optional>
#include <span>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <absl/cleanup/cleanup.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include "common/base/check.h"
#include "common/base/fault_point.h"
#include "common/base/files.h"
#include "common/base/status.h"
#include "common/metrics/names.h"

namespace cf {
namespace {

/// The figures that every history has, and those of the ones that were written before pauses were.
constexpr std::span<const char* const> kUsual = kUsualFigures;
constexpr std::span<const char* const> kUsualBeforePauses = kUsual.first(kUsual.size() - 1);

/// The columns of a table behind epoch and step.
struct Columns {
  std::span<const char* const> usual = kUsual;
  std::vector<std::string> others = {};
};

std::string Header(const Columns& columns) {
  std::string line = "epoch,step";
  for (const char* name : columns.usual) absl::StrAppend(&line, ",", name);
  for (const std::string& name : columns.others) absl::StrAppend(&line, ",", name);
  return line;
}

void AppendCell(const std::optional<double>& number, std::string& line) {
  line += ',';
  if (!number.has_value()) return;
  char digits[32];  // The longest double has 24 characters.
  const auto end = std::to_chars(digits, digits + sizeof digits, *number);
  line.append(digits, end.ptr);
}

std::string ToLine(const EpochFigures& epoch, const std::vector<std::string>& others) {
  std::string line = absl::StrCat(epoch.epoch, ",", epoch.step);
  for (const char* name : kUsualFigures) AppendCell(epoch.figures.Find(name), line);
  for (const std::string& name : others) AppendCell(epoch.figures.Find(name), line);
  return line;
}

/// Reads the whole of `cell` as a number.
template <class Number>
bool FromCell(const std::string& cell, Number& number) {
  const char* end = cell.data() + cell.size();
  const std::from_chars_result read = std::from_chars(cell.data(), end, number);
  return read.ec == std::errc() && read.ptr == end;
}

std::optional<EpochFigures> FromLine(const std::string& line, const Columns& columns) {
  const std::vector<std::string> cells = absl::StrSplit(line, ',');
  const std::size_t usual = columns.usual.size();
  EpochFigures epoch;
  if (cells.size() != 2 + usual + columns.others.size() || !FromCell(cells[0], epoch.epoch) ||
      !FromCell(cells[1], epoch.step)) {
    return std::nullopt;
  }
  for (std::size_t k = 0; k + 2 < cells.size(); ++k) {
    const std::string& cell = cells[k + 2];
    if (cell.empty()) continue;
    double value = 0;
    if (!FromCell(cell, value)) return std::nullopt;
    epoch.figures.Set(k < usual ? columns.usual[k] : columns.others[k - usual], value);
  }
  return epoch;
}

std::string ToText(const std::vector<EpochFigures>& rows, const std::vector<std::string>& others) {
  std::string text = Header({.others = others}) + "\n";
  for (const EpochFigures& row : rows) absl::StrAppend(&text, ToLine(row, others), "\n");
  return text;
}

/// The columns that a header names; nothing if it is no header of ours.
std::optional<Columns> ColumnsOf(const std::string& header) {
  const bool with_pauses = absl::StartsWith(header, Header({}));
  Columns columns{.usual = with_pauses ? kUsual : kUsualBeforePauses};
  if (!absl::StartsWith(header, Header(columns))) return std::nullopt;
  const std::vector<std::string> names = absl::StrSplit(header, ',');
  columns.others.assign(names.begin() + static_cast<long>(2 + columns.usual.size()), names.end());
  if (Header(columns) != header) return std::nullopt;
  const std::vector<std::string>& others = columns.others;
  for (auto name = others.begin(); name != others.end(); ++name) {
    if (!IsMetric(*name) || IsUsual(*name) || std::find(others.begin(), name, *name) != name) {
      return std::nullopt;
    }
  }
  return columns;
}

bool HasColumn(const std::string& name, const std::vector<std::string>& others) {
  return IsUsual(name) || std::ranges::find(others, name) != others.end();
}

// A crash, or a writer at work, can leave half a line without its end, and nothing else: Append
// writes lines whole.
std::string WholeLines(const std::string& text) {
  return text.substr(0, text.rfind('\n') + 1);
}

struct Table {
  std::vector<std::string> others;
  std::vector<EpochFigures> rows;
};

/// What is sound of a text that ParseTable refuses.
Table SalvageTable(const std::string& text) {
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  Table table;
  const std::optional<Columns> columns = ColumnsOf(lines.front());
  if (!columns.has_value()) return table;
  table.others = columns->others;
  for (const std::string& line : std::span(lines).subspan(1)) {
    std::optional<EpochFigures> row = FromLine(line, *columns);
    const bool follows =
        row.has_value() && (table.rows.empty() || row->epoch > table.rows.back().epoch);
    if (follows) table.rows.push_back(*std::move(row));
  }
  return table;
}

// `text`: whole lines. `path` stands in errors.
absl::StatusOr<Table> ParseTable(const std::string& path, const std::string& text) {
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  lines.pop_back();  // What follows the last line's end.
  Table table;
  Columns columns;
  for (std::size_t k = 0; k < lines.size(); ++k) {
    const auto refuse = [&](const std::string& expected) {
      return absl::InvalidArgumentError(absl::StrCat(path, ":", k + 1, ": expected ", expected));
    };
    if (k == 0) {
      std::optional<Columns> found = ColumnsOf(lines[k]);
      if (!found.has_value()) return refuse("\"" + Header({}) + "\"");
      columns = *std::move(found);
      table.others = columns.others;
      continue;
    }
    const std::optional<EpochFigures> row = FromLine(lines[k], columns);
    if (!row.has_value()) {
      const std::size_t numbers = 2 + columns.usual.size() + columns.others.size();
      return refuse(absl::StrCat(numbers, " numbers"));
    }
    if (!table.rows.empty() && row->epoch <= table.rows.back().epoch) {
      return refuse(absl::StrCat("an epoch after ", table.rows.back().epoch));
    }
    table.rows.push_back(*row);
  }
  return table;
}

}  // namespace

absl::StatusOr<History> History::Open(const std::string& path,
                                      const std::vector<std::string>& others) {
  absl::StatusOr<std::string> text = ReadOwnFile(path);
  if (!text.ok() && !absl::IsNotFound(text.status())) return text.status();
  absl::StatusOr<Table> table = ParseTable(path, WholeLines(text.value_or("")));
  if (!table.ok()) return table.status();
  History history(path);
  history.others_ = std::move(table->others);
  history.epochs_ = std::move(table->rows);
  for (const std::string& name : others) {
    if (std::find(history.others_.begin(), history.others_.end(), name) == history.others_.end()) {
      history.others_.push_back(name);
    }
  }
  const std::string whole = ToText(history.epochs_, history.others_);
  if (!text.ok() || whole != *text) {
    const absl::Status written = WriteFileAtomically(path, whole);
    // A disk that is full holds nothing up.
    if (!written.ok() && !absl::IsResourceExhausted(written)) return written;
    history.behind_ = !written.ok();
  }
  return history;
}

absl::StatusOr<History> History::OpenOrSetAside(const std::string& path,
                                                const std::vector<std::string>& others,
                                                std::string& remark) {
  absl::StatusOr<History> opened = Open(path, others);
  if (!absl::IsInvalidArgument(opened.status())) return opened;
  const Table sound = SalvageTable(WholeLines(ReadOwnFile(path).value_or("")));
  const absl::StatusOr<std::string> aside = MoveAside(path);
  if (!aside.ok()) return aside.status();
  remark = absl::StrCat(opened.status().message(), "; it is ", *aside, " now, and ",
                        sound.rows.size(), " sound lines of it are kept");
  std::vector<std::string> columns = sound.others;
  for (const std::string& name : others) {
    if (!HasColumn(name, columns)) columns.push_back(name);
  }
  opened = Open(path, columns);
  if (!opened.ok() || sound.rows.empty()) return opened;
  absl::Status written = opened->Restore(sound.rows);
  if (!written.ok() && !absl::IsResourceExhausted(written)) return written;
  return opened;
}

absl::StatusOr<std::vector<EpochFigures>> History::Read(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadOwnFile(path);
  if (!text.ok() && !absl::IsNotFound(text.status())) return text.status();
  return Parse(text.value_or(""), path);
}

absl::StatusOr<std::vector<EpochFigures>> History::Parse(const std::string& text,
                                                         const std::string& name) {
  absl::StatusOr<Table> table = ParseTable(name, WholeLines(text));
  if (!table.ok()) return table.status();
  return std::move(table->rows);
}

absl::Status History::Clear() {
  if (epochs_.empty()) return absl::OkStatus();
  epochs_.clear();
  return WriteWhole();
}

absl::Status History::CutBackTo(std::uint32_t epoch) {
  const std::size_t before = epochs_.size();
  std::erase_if(epochs_, [epoch](const EpochFigures& line) { return line.epoch > epoch; });
  return epochs_.size() == before ? absl::OkStatus() : WriteWhole();
}

absl::Status History::Restore(std::span<const EpochFigures> epochs) {
  bool is_new = false;
  for (const EpochFigures& epoch : epochs) {
    const auto place = std::ranges::lower_bound(epochs_, epoch.epoch, {}, &EpochFigures::epoch);
    if (place != epochs_.end() && place->epoch == epoch.epoch) continue;
    EpochFigures line = {.epoch = epoch.epoch, .step = epoch.step};
    for (const Figure& figure : epoch.figures) {
      if (HasColumn(figure.name, others_)) line.figures.Set(figure.name, figure.value);
    }
    epochs_.insert(place, std::move(line));
    is_new = true;
  }
  return is_new ? WriteWhole() : absl::OkStatus();
}

absl::Status History::Append(const EpochFigures& epoch) {
  Check(epochs_.empty() || epoch.epoch > epochs_.back().epoch, "epochs are appended in order");
  for (const Figure& figure : epoch.figures) {
    Check(HasColumn(figure.name, others_), "every figure has a column");
  }
  epochs_.push_back(epoch);
  if (behind_) return WriteWhole();
  behind_ = true;
  if (const int fault = ErrnoAt("history.append", path_.c_str()); fault != 0) {
    return ErrnoError(fault, path_);
  }
  const int file = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (file < 0) return ErrnoError(errno, path_);
  const absl::Cleanup close = [file] { ::close(file); };
  const std::string line = ToLine(epoch, others_) + "\n";
  const ssize_t written = ::write(file, line.data(), line.size());
  if (written < 0) return ErrnoError(errno, path_);
  if (static_cast<std::size_t>(written) != line.size()) return ErrnoError(ENOSPC, path_);
  if (::fdatasync(file) != 0) return ErrnoError(errno, path_);
  behind_ = false;
  return absl::OkStatus();
}

absl::Status History::Flush() {
  return behind_ ? WriteWhole() : absl::OkStatus();
}

std::vector<EpochFigures> History::Unwritten() const {
  if (!behind_) return {};
  // What stands in its place has none of them.
  const std::vector<EpochFigures> written = Read(path_).value_or(std::vector<EpochFigures>());
  std::vector<EpochFigures> lines;
  std::ranges::set_difference(epochs_, written, std::back_inserter(lines), {}, &EpochFigures::epoch,
                              &EpochFigures::epoch);
  return lines;
}

absl::Status History::WriteWhole() {
  absl::Status written = WriteFileAtomically(path_, ToText(epochs_, others_));
  behind_ = !written.ok();
  return written;
}

}  // namespace cf

#include "coordinator/history.h"

#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <absl/cleanup/cleanup.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include "common/base/check.h"
#include "common/base/files.h"
#include "common/base/status.h"

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

std::string Header() {
  std::string line = "epoch,step";
  for (const auto& [name, figure] : kFigures) absl::StrAppend(&line, ",", name);
  return line;
}

std::string ToLine(const HistoryRow& row) {
  std::string line = absl::StrCat(row.epoch, ",", row.step);
  for (const auto& [name, figure] : kFigures) {
    line += ',';
    if (!(row.*figure).has_value()) continue;
    char digits[32];  // The longest double has 24 characters.
    const auto end = std::to_chars(digits, digits + sizeof digits, *(row.*figure));
    line.append(digits, end.ptr);
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

std::optional<HistoryRow> FromLine(const std::string& line) {
  const std::vector<std::string> cells = absl::StrSplit(line, ',');
  HistoryRow row;
  if (cells.size() != kColumns || !FromCell(cells[0], row.epoch) || !FromCell(cells[1], row.step)) {
    return std::nullopt;
  }
  for (std::size_t k = 0; k < std::size(kFigures); ++k) {
    const std::string& cell = cells[k + 2];
    if (!cell.empty() && !FromCell(cell, (row.*kFigures[k].second).emplace())) return std::nullopt;
  }
  return row;
}

std::string ToText(const std::vector<HistoryRow>& rows) {
  std::string text = Header() + "\n";
  for (const HistoryRow& row : rows) absl::StrAppend(&text, ToLine(row), "\n");
  return text;
}

// A crash, or a writer at work, can leave half a line without its end, and nothing else: Append
// writes lines whole.
std::string WholeLines(const std::string& text) {
  return text.substr(0, text.rfind('\n') + 1);
}

// `text`: whole lines. `path` stands in errors.
absl::StatusOr<std::vector<HistoryRow>> ParseRows(const std::string& path,
                                                  const std::string& text) {
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  lines.pop_back();  // What follows the last line's end.
  std::vector<HistoryRow> rows;
  for (std::size_t k = 0; k < lines.size(); ++k) {
    const auto refuse = [&](const std::string& expected) {
      return absl::InvalidArgumentError(absl::StrCat(path, ":", k + 1, ": expected ", expected));
    };
    if (k == 0) {
      if (lines[k] != Header()) return refuse("\"" + Header() + "\"");
      continue;
    }
    const std::optional<HistoryRow> row = FromLine(lines[k]);
    const std::uint32_t last = rows.empty() ? 0 : rows.back().epoch;
    if (!row.has_value()) return refuse(absl::StrCat(kColumns, " numbers"));
    if (row->epoch <= last) return refuse(absl::StrCat("an epoch after ", last));
    rows.push_back(*row);
  }
  return rows;
}

}  // namespace

absl::StatusOr<History> History::Open(const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok() && !absl::IsNotFound(text.status())) return text.status();
  const std::string whole = WholeLines(text.value_or(""));
  absl::StatusOr<std::vector<HistoryRow>> rows = ParseRows(path, whole);
  if (!rows.ok()) return rows.status();
  History history(path);
  history.rows_ = *std::move(rows);
  if (!text.ok() || whole.empty() || whole.size() != text->size()) {
    const absl::Status written = WriteFileAtomically(path, ToText(history.rows_));
    if (!written.ok()) return written;
  }
  return history;
}

absl::StatusOr<std::vector<HistoryRow>> History::Read(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok() && !absl::IsNotFound(text.status())) return text.status();
  return ParseRows(path, WholeLines(text.value_or("")));
}

absl::Status History::CutBackTo(std::uint32_t epoch) {
  const std::size_t before = rows_.size();
  std::erase_if(rows_, [epoch](const HistoryRow& row) { return row.epoch > epoch; });
  return rows_.size() == before ? absl::OkStatus() : WriteFileAtomically(path_, ToText(rows_));
}

absl::Status History::Append(const HistoryRow& row) {
  Check(row.epoch > (rows_.empty() ? 0 : rows_.back().epoch), "epochs are appended in order");
  const int file = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (file < 0) return ErrnoError(errno, path_);
  const absl::Cleanup close = [file] { ::close(file); };
  const std::string line = ToLine(row) + "\n";
  const ssize_t written = ::write(file, line.data(), line.size());
  if (written < 0) return ErrnoError(errno, path_);
  if (static_cast<std::size_t>(written) != line.size()) return ErrnoError(ENOSPC, path_);
  if (::fdatasync(file) != 0) return ErrnoError(errno, path_);
  rows_.push_back(row);
  return absl::OkStatus();
}

}  // namespace cf

#include "common/dataset/columns.h"

#include <algorithm>
#include <span>
#include <utility>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include "common/dataset/layout.h"
#include "common/dataset/vocabulary.h"

namespace cf {
absl::Status DamagedDataset(const std::string& path, const std::string& what) {
  return absl::DataLossError(absl::StrCat(path, ": ", what));
}

absl::StatusOr<MappedFile> OpenColumn(const std::string& path, std::uint64_t rows,
                                      std::size_t width) {
  absl::StatusOr<MappedFile> file = MappedFile::Open(path);
  if (!file.ok()) return DamagedDataset(path, "the data set lacks this column");
  const std::uint64_t found = file->bytes().size();
  if (found % width != 0 || found / width != rows) {
    return DamagedDataset(path,
                          absl::StrCat("has ", found, " bytes, expected ", rows, " times ", width));
  }
  return file;
}

absl::Status CheckOffsets(const std::string& path, std::span<const std::uint64_t> offsets,
                          std::uint64_t end) {
  if (offsets.front() == 0 && offsets.back() == end &&
      std::is_sorted(offsets.begin(), offsets.end())) {
    return absl::OkStatus();
  }
  return DamagedDataset(path,
                        "the offsets do not ascend from the first to the last byte or sample");
}

absl::StatusOr<TextColumn> TextColumn::Open(const std::string& path, std::uint32_t rows) {
  TextColumn column;
  const std::string offsets_path = path + layout::kTextOffsets;
  absl::StatusOr<MappedFile> offsets =
      OpenColumn(offsets_path, std::uint64_t{rows} + 1, sizeof(std::uint64_t));
  if (!offsets.ok()) return offsets.status();
  column.offsets = *std::move(offsets);
  absl::StatusOr<MappedFile> bytes = MappedFile::Open(path + layout::kTextBytes);
  if (!bytes.ok())
    return DamagedDataset(path + layout::kTextBytes, "the data set lacks this column");
  column.bytes = *std::move(bytes);
  absl::Status checked =
      CheckOffsets(offsets_path, column.offsets.As<std::uint64_t>(), column.bytes.bytes().size());
  if (!checked.ok()) return checked;
  return column;
}

std::string_view TextColumn::At(RowId row) const {
  const std::span<const std::uint64_t> begin = offsets.As<std::uint64_t>();
  if (Index(row) + 1 >= begin.size()) return {};  // A data set without titles.
  const std::span<const char> all = bytes.As<char>();
  const std::uint64_t last = std::min<std::uint64_t>(begin[Index(row) + 1], all.size());
  const std::uint64_t first = std::min(begin[Index(row)], last);
  return {all.data() + first, last - first};
}

absl::StatusOr<RawIdColumn> RawIdColumn::Open(const std::string& path, std::uint32_t rows,
                                              bool numeric) {
  RawIdColumn ids;
  ids.numeric = numeric;
  const std::string order_path = path + layout::kOrder;
  absl::StatusOr<MappedFile> order = OpenColumn(order_path, rows, sizeof(RowId));
  if (!order.ok()) return order.status();
  ids.order = *std::move(order);
  for (const RowId id : ids.order.As<RowId>()) {
    if (Index(id) >= rows) return DamagedDataset(order_path, "an id is out of range");
  }
  if (numeric) {
    absl::StatusOr<MappedFile> numbers =
        OpenColumn(path + layout::kNumbers, rows, sizeof(std::int64_t));
    if (!numbers.ok()) return numbers.status();
    ids.numbers = *std::move(numbers);
  } else {
    absl::StatusOr<TextColumn> strings = TextColumn::Open(path, rows);
    if (!strings.ok()) return strings.status();
    ids.strings = *std::move(strings);
  }
  return ids;
}

std::string RawIdColumn::Text(RowId id) const {
  if (!numeric) return std::string(strings.At(id));
  const std::span<const std::int64_t> values = numbers.As<std::int64_t>();
  return Index(id) < values.size() ? std::to_string(values[Index(id)]) : "";
}

std::optional<RowId> RawIdColumn::Find(const std::string& raw) const {
  const std::span<const RowId> sorted = order.As<RowId>();
  const auto find = [sorted](const auto& value, const auto& value_at) -> std::optional<RowId> {
    const auto place = std::lower_bound(
        sorted.begin(), sorted.end(), value,
        [&value_at](RowId id, const auto& wanted) { return value_at(id) < wanted; });
    if (place == sorted.end() || Index(*place) >= sorted.size()) return std::nullopt;
    if (value_at(*place) != value) return std::nullopt;
    return *place;
  };
  if (!numeric) {
    return find(std::string_view(raw), [this](RowId id) { return strings.At(id); });
  }
  const std::optional<std::int64_t> number = NumberOf(raw);
  if (!number.has_value()) return std::nullopt;
  const std::span<const std::int64_t> values = numbers.As<std::int64_t>();
  // An id that is out of range sorts anywhere and is never found.
  return find(*number, [values](RowId id) {
    return Index(id) < values.size() ? std::optional(values[Index(id)]) : std::nullopt;
  });
}

}  // namespace cf

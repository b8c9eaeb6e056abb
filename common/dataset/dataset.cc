#include "common/dataset/dataset.h"

#include <algorithm>
#include <bit>
#include <filesystem>
#include <system_error>

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <google/protobuf/text_format.h>

#include "common/base/status.h"
#include "common/dataset/layout.h"
#include "common/dataset/vocabulary.h"

namespace cf {
namespace {

// A manifest does not nest, and a later one hardly will; a bound keeps hostile text, whose unknown
// fields may nest without an end, from exhausting the stack.
constexpr int kNestingMax = 32;

// Items that are looked at before their pages may be given back.
constexpr std::size_t kCheckedAtOnce = std::size_t{1} << 22;

absl::Status Damaged(const std::string& path, const std::string& what) {
  return absl::DataLossError(absl::StrCat(path, ": ", what));
}

/// Maps a column that must have `rows` values of `width` bytes.
absl::Status OpenColumn(const std::string& path, std::uint64_t rows, std::size_t width,
                        MappedFile* column) {
  absl::StatusOr<MappedFile> file = MappedFile::Open(path);
  if (!file.ok()) return Damaged(path, "the data set lacks this column");
  const std::uint64_t found = file->bytes().size();
  if (found % width != 0 || found / width != rows) {
    return Damaged(path, absl::StrCat("has ", found, " bytes, expected ", rows, " times ", width));
  }
  *column = *std::move(file);
  return absl::OkStatus();
}

absl::Status CheckOffsets(const std::string& path, std::span<const std::uint64_t> offsets,
                          std::uint64_t end) {
  if (offsets.front() == 0 && offsets.back() == end &&
      std::is_sorted(offsets.begin(), offsets.end())) {
    return absl::OkStatus();
  }
  return Damaged(path, "the offsets do not ascend from the first to the last byte or sample");
}

absl::StatusOr<DatasetManifest> ReadManifest(const std::string& folder) {
  const std::string path = absl::StrCat(folder, "/", layout::kManifest);
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (absl::IsNotFound(text.status())) {
    // A job's own path is relative to where somebody stood who wrote it.
    std::error_code error;
    const std::filesystem::path here = std::filesystem::current_path(error);
    const std::string from =
        error || std::filesystem::path(folder).is_absolute()
            ? ""
            : absl::StrCat(" as seen from ", here.string(), "; --data says where it is, and");
    return absl::NotFoundError(absl::StrCat(folder, ": not a data set (no ", layout::kManifest, ")",
                                            from.empty() ? ";" : from, " cfdata import makes one"));
  }
  if (!text.ok()) return text.status();
  // The version first: a later one may have fields that this program does not know.
  DatasetManifest manifest;
  google::protobuf::TextFormat::Parser parser;
  parser.AllowUnknownField(true);
  parser.SetRecursionLimit(kNestingMax);
  if (!parser.ParseFromString(*text, &manifest)) return Damaged(path, "is not a manifest");
  if (manifest.version() != layout::kVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": version ", manifest.version(), " of the format, this program reads ",
                     layout::kVersion, "; import the data set again"));
  }
  return manifest;
}

}  // namespace

absl::StatusOr<Dataset::TextColumn> Dataset::TextColumn::Open(const std::string& path,
                                                              std::uint32_t rows) {
  TextColumn column;
  const std::string offsets_path = path + layout::kTextOffsets;
  absl::Status opened =
      OpenColumn(offsets_path, std::uint64_t{rows} + 1, sizeof(std::uint64_t), &column.offsets);
  if (!opened.ok()) return opened;
  absl::StatusOr<MappedFile> bytes = MappedFile::Open(path + layout::kTextBytes);
  if (!bytes.ok()) return Damaged(path + layout::kTextBytes, "the data set lacks this column");
  column.bytes = *std::move(bytes);
  absl::Status checked =
      CheckOffsets(offsets_path, column.offsets.As<std::uint64_t>(), column.bytes.bytes().size());
  if (!checked.ok()) return checked;
  return column;
}

std::string_view Dataset::TextColumn::At(RowId row) const {
  const std::span<const std::uint64_t> begin = offsets.As<std::uint64_t>();
  if (Index(row) + 1 >= begin.size()) return {};  // A data set without titles.
  const std::span<const char> all = bytes.As<char>();
  return std::string_view(all.data(), all.size())
      .substr(begin[Index(row)], begin[Index(row) + 1] - begin[Index(row)]);
}

absl::StatusOr<Dataset::RawIds> Dataset::RawIds::Open(const std::string& path, std::uint32_t rows,
                                                      bool numeric) {
  RawIds ids;
  ids.numeric = numeric;
  const std::string order_path = path + layout::kOrder;
  absl::Status opened = OpenColumn(order_path, rows, sizeof(RowId), &ids.order);
  if (!opened.ok()) return opened;
  for (const RowId id : ids.order.As<RowId>()) {
    if (Index(id) >= rows) return Damaged(order_path, "an id is out of range");
  }
  if (numeric) {
    opened = OpenColumn(path + layout::kNumbers, rows, sizeof(std::int64_t), &ids.numbers);
    if (!opened.ok()) return opened;
  } else {
    absl::StatusOr<TextColumn> strings = TextColumn::Open(path, rows);
    if (!strings.ok()) return strings.status();
    ids.strings = *std::move(strings);
  }
  return ids;
}

std::string Dataset::RawIds::Text(RowId id) const {
  return numeric ? std::to_string(numbers.As<std::int64_t>()[Index(id)])
                 : std::string(strings.At(id));
}

std::optional<RowId> Dataset::RawIds::Find(const std::string& raw) const {
  const std::span<const RowId> sorted = order.As<RowId>();
  const auto find = [sorted](const auto& value, const auto& value_at) -> std::optional<RowId> {
    const auto place = std::lower_bound(
        sorted.begin(), sorted.end(), value,
        [&value_at](RowId id, const auto& wanted) { return value_at(id) < wanted; });
    if (place == sorted.end() || value_at(*place) != value) return std::nullopt;
    return *place;
  };
  if (!numeric) {
    return find(std::string_view(raw), [this](RowId id) { return strings.At(id); });
  }
  const std::optional<std::int64_t> number = NumberOf(raw);
  if (!number.has_value()) return std::nullopt;
  const std::span<const std::int64_t> values = numbers.As<std::int64_t>();
  return find(*number, [values](RowId id) { return values[Index(id)]; });
}

absl::StatusOr<Dataset> Dataset::Open(const std::string& folder, Pages pages) {
  absl::StatusOr<DatasetManifest> manifest = ReadManifest(folder);
  if (!manifest.ok()) return manifest.status();
  Dataset data(pages);
  data.folder_ = folder;
  data.manifest_ = std::make_shared<const DatasetManifest>(*std::move(manifest));
  data.sources_.assign(data.manifest_->sources().begin(), data.manifest_->sources().end());
  absl::Status opened = data.OpenColumns();
  if (opened.ok()) opened = data.CheckRanges();
  if (!opened.ok()) return opened;
  data.GiveBackPages();
  return data;
}

absl::Status Dataset::OpenColumns() {
  const DatasetManifest& manifest = *manifest_;
  const std::uint64_t samples = manifest.samples();
  struct Column {
    const char* name;
    std::uint64_t rows;
    std::size_t width;
    MappedFile* file;
    bool present;
  };
  for (const Column& column : {
           Column{layout::kUserOffsets, std::uint64_t{manifest.users()} + 1, 8, &user_offsets_,
                  true},
           Column{layout::kItems, samples, 4, &item_column_, true},
           Column{layout::kRatings, samples, 4, &ratings_, true},
           Column{layout::kTimestamps, samples, 8, &timestamps_, manifest.has_timestamps()},
           Column{layout::kValidation, (samples + 63) / 64, 8, &validation_,
                  manifest.has_validation()},
       }) {
    if (!column.present) continue;
    absl::Status opened =
        OpenColumn(absl::StrCat(folder_, "/", column.name), column.rows, column.width, column.file);
    if (!opened.ok()) return opened;
  }
  absl::StatusOr<RawIds> users = RawIds::Open(absl::StrCat(folder_, "/", layout::kUserIds),
                                              manifest.users(), manifest.numeric_user_ids());
  if (!users.ok()) return users.status();
  user_ids_ = *std::move(users);
  absl::StatusOr<RawIds> items = RawIds::Open(absl::StrCat(folder_, "/", layout::kItemIds),
                                              manifest.items(), manifest.numeric_item_ids());
  if (!items.ok()) return items.status();
  item_ids_ = *std::move(items);
  if (!manifest.has_titles()) return absl::OkStatus();
  absl::StatusOr<TextColumn> titles =
      TextColumn::Open(absl::StrCat(folder_, "/", layout::kTitles), manifest.items());
  if (!titles.ok()) return titles.status();
  titles_ = *std::move(titles);
  absl::StatusOr<TextColumn> genres =
      TextColumn::Open(absl::StrCat(folder_, "/", layout::kGenres), manifest.items());
  if (!genres.ok()) return genres.status();
  genres_ = *std::move(genres);
  if (unrated_items() == 0) return absl::OkStatus();
  for (const auto& [name, column] : {std::pair(layout::kUnratedIds, &unrated_ids_),
                                     std::pair(layout::kUnratedTitles, &unrated_titles_),
                                     std::pair(layout::kUnratedGenres, &unrated_genres_)}) {
    absl::StatusOr<TextColumn> opened =
        TextColumn::Open(absl::StrCat(folder_, "/", name), unrated_items());
    if (!opened.ok()) return opened.status();
    *column = *std::move(opened);
  }
  return absl::OkStatus();
}

absl::Status Dataset::CheckRanges() const {
  absl::Status checked =
      CheckOffsets(absl::StrCat(folder_, "/", layout::kUserOffsets), user_offsets(), samples());
  if (!checked.ok()) return checked;
  // Without an early end the compiler makes one vector comparison of it: 20 M ids in a few ms.
  RowId largest{0};
  for (std::span<const RowId> left = item_column(); !left.empty();) {
    const std::span<const RowId> some = left.first(std::min(left.size(), kCheckedAtOnce));
    for (const RowId item : some) largest = std::max(largest, item);
    left = left.subspan(some.size());
    GiveBackPages();
  }
  if (samples() == 0 || Index(largest) >= items()) {
    return Damaged(absl::StrCat(folder_, "/", layout::kItems), "an id is out of range");
  }
  return absl::OkStatus();
}

void Dataset::GiveBackPages() const {
  if (!gives_pages_back()) return;
  for (const MappedFile* const column : {&user_offsets_, &item_column_, &ratings_, &timestamps_,
                                         &validation_, &user_ids_.order, &item_ids_.order}) {
    column->GiveBack(0, column->bytes().size());
  }
}

std::vector<RowId> Dataset::FindTitle(const std::string& title) const {
  std::vector<RowId> exact;
  std::vector<RowId> similar;
  for (std::uint32_t i = 0; i < items(); ++i) {
    const std::string_view candidate = titles_.At(RowId{i});
    if (candidate.empty()) continue;
    if (candidate == title) {
      exact.push_back(RowId{i});
    } else if (absl::EqualsIgnoreCase(absl::string_view(candidate.data(), candidate.size()),
                                      title)) {
      similar.push_back(RowId{i});
    }
  }
  return exact.empty() ? similar : exact;
}

absl::Status Dataset::VerifyDigest() const {
  const absl::StatusOr<std::string> found = layout::DigestOf(folder_, *manifest_);
  if (!found.ok()) return found.status();
  if (*found == digest()) return absl::OkStatus();
  return Damaged(folder_,
                 absl::StrCat("the columns' digest is ", *found, ", the manifest says ", digest()));
}

}  // namespace cf

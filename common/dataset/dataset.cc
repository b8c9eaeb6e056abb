#include "common/dataset/dataset.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <google/protobuf/text_format.h>

#include "common/base/status.h"
#include "common/dataset/layout.h"

namespace cf {
namespace {

// A manifest does not nest, and a later one hardly will; a bound keeps hostile text, whose unknown
// fields may nest without an end, from exhausting the stack.
constexpr int kNestingMax = 32;

// Items that are looked at before their pages may be given back.
constexpr std::size_t kCheckedAtOnce = std::size_t{1} << 22;

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
  if (!parser.ParseFromString(*text, &manifest)) return DamagedDataset(path, "is not a manifest");
  if (manifest.version() != layout::kVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": version ", manifest.version(), " of the format, this program reads ",
                     layout::kVersion, "; import the data set again"));
  }
  return manifest;
}

}  // namespace

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

Dataset Dataset::Of(std::string folder, DatasetManifest manifest, DatasetColumns columns) {
  Dataset data(Pages::kStay);
  data.folder_ = std::move(folder);
  data.manifest_ = std::make_shared<const DatasetManifest>(std::move(manifest));
  data.sources_.assign(data.manifest_->sources().begin(), data.manifest_->sources().end());
  data.columns_ = std::move(columns);
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
           Column{layout::kUserOffsets, std::uint64_t{manifest.users()} + 1, 8,
                  &columns_.user_offsets, true},
           Column{layout::kItems, samples, 4, &columns_.items, true},
           Column{layout::kRatings, samples, 4, &columns_.ratings, true},
           Column{layout::kTimestamps, samples, 8, &columns_.timestamps, manifest.has_timestamps()},
           Column{layout::kValidation, (samples + 63) / 64, 8, &columns_.validation,
                  manifest.has_validation()},
       }) {
    if (!column.present) continue;
    absl::StatusOr<MappedFile> opened =
        OpenColumn(absl::StrCat(folder_, "/", column.name), column.rows, column.width);
    if (!opened.ok()) return opened.status();
    *column.file = *std::move(opened);
  }
  absl::StatusOr<RawIdColumn> users = RawIdColumn::Open(
      absl::StrCat(folder_, "/", layout::kUserIds), manifest.users(), manifest.numeric_user_ids());
  if (!users.ok()) return users.status();
  columns_.user_ids = *std::move(users);
  absl::StatusOr<RawIdColumn> items = RawIdColumn::Open(
      absl::StrCat(folder_, "/", layout::kItemIds), manifest.items(), manifest.numeric_item_ids());
  if (!items.ok()) return items.status();
  columns_.item_ids = *std::move(items);
  return OpenTexts();
}

absl::Status Dataset::OpenTexts() {
  struct Column {
    const char* name;
    std::uint32_t rows;
    TextColumn* column;
  };
  for (const Column& text : {
           Column{layout::kTitles, has_titles() ? items() : 0, &columns_.titles},
           Column{layout::kGenres, has_titles() ? items() : 0, &columns_.genres},
           Column{layout::kUnratedIds, has_titles() ? unrated_items() : 0, &columns_.unrated_ids},
           Column{layout::kUnratedTitles, has_titles() ? unrated_items() : 0,
                  &columns_.unrated_titles},
           Column{layout::kUnratedGenres, has_titles() ? unrated_items() : 0,
                  &columns_.unrated_genres},
       }) {
    if (text.rows == 0) continue;
    absl::StatusOr<TextColumn> opened =
        TextColumn::Open(absl::StrCat(folder_, "/", text.name), text.rows);
    if (!opened.ok()) return opened.status();
    *text.column = *std::move(opened);
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
    return DamagedDataset(absl::StrCat(folder_, "/", layout::kItems), "an id is out of range");
  }
  return absl::OkStatus();
}

void Dataset::GiveBackPages() const {
  if (!gives_pages_back()) return;
  for (const MappedFile* const column :
       {&columns_.user_offsets, &columns_.items, &columns_.ratings, &columns_.timestamps,
        &columns_.validation, &columns_.user_ids.order, &columns_.item_ids.order}) {
    column->GiveBack(0, column->bytes().size());
  }
}

std::vector<RowId> Dataset::FindTitle(const std::string& title) const {
  std::vector<RowId> exact;
  std::vector<RowId> similar;
  for (std::uint32_t i = 0; i < items(); ++i) {
    const std::string_view candidate = columns_.titles.At(RowId{i});
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

absl::Status Dataset::CheckColumns(CheckShare share) const {
  return cf::CheckColumns(folder_, *manifest_, share, /*keep_cached=*/!gives_pages_back());
}

absl::Status Dataset::Verify() const {
  if (absl::Status same = CheckColumns(); !same.ok()) return same;
  if (manifest_->checksums().empty()) return absl::OkStatus();  // That was the digest.
  const absl::StatusOr<std::string> found = DigestOf(folder_, *manifest_);
  if (!found.ok()) return found.status();
  if (*found == digest()) return absl::OkStatus();
  return DamagedDataset(absl::StrCat(folder_, "/", layout::kManifest),
                        absl::StrCat("the columns' digest is ", *found, ", not ", digest()));
}

}  // namespace cf

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/base/ids.h"
#include "common/dataset/column_sums.h"
#include "common/dataset/columns.h"
#include "common/dataset/dataset.pb.h"

namespace cf {

/// A data set on disk, mapped for reading: samples in canonical order (user id, item id), raw ids,
/// titles. docs/dataset_format.md has the format.
///
/// Owner:   whoever opened it; spans hold as long as it (moving it keeps them).
/// Threads: any; constant after opening.
/// Bounds:  memory is the pages of the columns that are read; nothing is copied. Where memory is
///          short, passes over the samples (SamplesPass) give their pages back.
/// Invariants: ids are dense, in order of falling frequency; every user and item has a sample; a
///          pair (user, item) occurs once.
class Dataset {
 public:
  /// Maps the columns and checks the manifest's version, every size, and that offsets and ids are
  /// in range. NotFound if `folder` is not a data set; FailedPrecondition if its version is another
  /// one's; DataLoss if a column is damaged.
  enum class Pages {
    kStay,  ///< What was read is in memory as long as the system likes.
    kAreGivenBack,
  };
  static absl::StatusOr<Dataset> Open(const std::string& folder, Pages pages = Pages::kStay);

  /// One whose columns somebody else has mapped, from an export of `folder`: nothing of them is read
  /// here, so that it takes no time. What is out of range in them has no raw id and no title, but
  /// whoever goes by user_offsets() and item_column() looks first. Requires: the columns are as long
  /// as the manifest says.
  static Dataset Of(std::string folder, DatasetManifest manifest, DatasetColumns columns);

  const std::string& folder() const { return folder_; }
  const std::string& name() const { return manifest_->name(); }
  const std::vector<std::string>& sources() const { return sources_; }
  /// XXH3-128 of all columns, in hexadecimal; the same data in another file order has the same.
  const std::string& digest() const { return manifest_->digest(); }

  bool gives_pages_back() const { return pages_ == Pages::kAreGivenBack; }
  /// Of all columns, where they are given back.
  void GiveBackPages() const;

  std::uint32_t users() const { return manifest_->users(); }
  std::uint32_t items() const { return manifest_->items(); }
  std::uint64_t samples() const { return columns_.items.As<RowId>().size(); }

  /// The samples of user u are those from user_offsets()[u] up to user_offsets()[u + 1].
  std::span<const std::uint64_t> user_offsets() const {
    return columns_.user_offsets.As<std::uint64_t>();
  }
  /// The item of each sample.
  std::span<const RowId> item_column() const { return columns_.items.As<RowId>(); }
  /// The rating of each sample; all 1 without has_ratings().
  std::span<const float> ratings() const { return columns_.ratings.As<float>(); }
  bool has_ratings() const { return manifest_->has_ratings(); }
  /// The time of each sample in seconds since 1970 (UTC); empty if there are none.
  std::span<const std::int64_t> timestamps() const {
    return columns_.timestamps.As<std::int64_t>();
  }
  /// One bit for each sample, in words from the lowest bit up: whether it came from the given
  /// validation file. Empty if none was given.
  std::span<const std::uint64_t> given_validation() const {
    return columns_.validation.As<std::uint64_t>();
  }

  std::string user_raw_id(RowId user) const { return columns_.user_ids.Text(user); }
  std::string item_raw_id(RowId item) const { return columns_.item_ids.Text(item); }
  /// The id of a raw id; nothing if no sample has it.
  std::optional<RowId> FindUser(const std::string& raw) const {
    return columns_.user_ids.Find(raw);
  }
  std::optional<RowId> FindItem(const std::string& raw) const {
    return columns_.item_ids.Find(raw);
  }

  bool has_titles() const { return manifest_->has_titles(); }
  /// Empty if unknown.
  std::string title(RowId item) const { return std::string(columns_.titles.At(item)); }
  /// As "Action|Comedy"; empty if unknown.
  std::string genres(RowId item) const { return std::string(columns_.genres.At(item)); }
  /// The items of that title, by id (several films may share one); if none has exactly it, those
  /// that differ in upper and lower case of ASCII letters only.
  std::vector<RowId> FindTitle(const std::string& title) const;

  /// Items of the title file that no sample has, in the order of their raw ids: for finding them by
  /// title, as they have no RowId. None in data sets that were made before these were kept.
  std::uint32_t unrated_items() const { return manifest_->unrated_titles(); }
  /// Requires: k < unrated_items().
  std::string unrated_raw_id(std::uint32_t k) const {
    return std::string(columns_.unrated_ids.At(RowId{k}));
  }
  std::string unrated_title(std::uint32_t k) const {
    return std::string(columns_.unrated_titles.At(RowId{k}));
  }
  std::string unrated_genres(std::uint32_t k) const {
    return std::string(columns_.unrated_genres.At(RowId{k}));
  }

  /// What the import counted: titles that no sample needs, repeated pairs, and training samples
  /// left out for being in the given validation file.
  std::uint64_t titles_without_ratings() const { return manifest_->titles_without_ratings(); }
  std::uint64_t duplicates() const { return manifest_->duplicates(); }
  std::uint64_t leaks() const { return manifest_->leaks(); }
  /// Whether items' raw ids are their titles, and how many items of the files became one with
  /// another by that.
  bool items_keyed_by_title() const { return manifest_->items_keyed_by_title(); }
  std::uint32_t items_merged() const { return manifest_->items_merged(); }

  /// Reads everything and compares it with the manifest's checksums and digest(). DataLoss names the
  /// file that differs.
  absl::Status Verify() const;

  /// Reads a share of it for who is about to use it: see cf::CheckColumns.
  absl::Status CheckColumns(CheckShare share = {}) const;

  /// What it is made of, for whoever writes it elsewhere.
  const DatasetColumns& columns() const { return columns_; }
  const DatasetManifest& manifest() const { return *manifest_; }

 private:
  explicit Dataset(Pages pages) : pages_(pages) {}
  absl::Status OpenColumns();
  absl::Status OpenTexts();
  absl::Status CheckRanges() const;

  Pages pages_;
  std::string folder_;
  std::shared_ptr<const DatasetManifest> manifest_;
  std::vector<std::string> sources_;

  DatasetColumns columns_;
};

/// A pass over the samples of users, whose ids ascend: where the data set gives pages back, no more
/// than those of some million samples stay.
///
/// Owner:   whoever looks at the samples.
/// Threads: one; others may look at the data set meanwhile.
class SamplesPass {
 public:
  explicit SamplesPass(const Dataset& data)
      : data_(data), step_(data.gives_pages_back() ? kStep : ~std::uint64_t{0}) {}
  ~SamplesPass() { data_.GiveBackPages(); }
  SamplesPass(const SamplesPass&) = delete;
  SamplesPass& operator=(const SamplesPass&) = delete;

  /// The samples of users below `user` have been looked at.
  void ComesTo(RowId user) {
    const std::uint64_t sample = data_.user_offsets()[Index(user)];
    if (sample - given_back_ < step_) return;
    given_back_ = sample;
    data_.GiveBackPages();
  }

 private:
  static constexpr std::uint64_t kStep = std::uint64_t{1} << 20;

  const Dataset& data_;
  const std::uint64_t step_;
  std::uint64_t given_back_ = 0;  // Up to this sample.
};

}  // namespace cf

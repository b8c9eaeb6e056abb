#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "common/config/job.pb.h"
#include "common/dataset/dataset.h"
#include "common/dataset/split.h"

namespace cf {

/// Whose a feature is.
enum class FeatureSide : std::uint8_t { kUser, kItem, kSample };

constexpr FeatureSide SideOf(Feature::Source source) {
  if (source == Feature::USER_HISTORY) return FeatureSide::kUser;
  return source == Feature::ITEM_GENRES ? FeatureSide::kItem : FeatureSide::kSample;
}

/// What the data set knows of every user, item or sample by one source, as rows of the feature's
/// table. A function of data set and split: every rank of a job finds the same.
///
/// The rows of genres are their names in bytewise order, those of years the years from the first to
/// the last that a sample has, those of weekdays Monday to Sunday, those of histories the items.
///
/// Owner:   whoever made it.
/// Threads: any; constant.
/// Bounds:  4 bytes for each genre of each item; of a history kBytesPerTrainingSample.
///          Timestamps are looked up in the mapped data set, which must outlive this.
class FeatureLists {
 public:
  static constexpr std::size_t kBytesPerTrainingSample = sizeof(RowId);

  /// FailedPrecondition, in one line with the data set's name, if it lacks what `source` needs.
  static absl::StatusOr<FeatureLists> Make(Feature::Source source, const Dataset& data,
                                           const DataSplit& split);

  /// What is known of a feature whose vectors somebody has made already, as in an export.
  struct Made {
    std::uint32_t rows = 0;
    std::vector<std::string> names = {};
    /// Of a feature of samples: the row of the newest one and of each, and where the samples are.
    RowId newest{};
    std::span<const RowId> rows_of_samples = {};
    std::span<const std::uint64_t> user_offsets = {};
    std::span<const RowId> item_column = {};
  };
  /// Lists without those of users and items: RowsOf may not be asked. Spans are borrowed, and what is
  /// out of range in them is as new as the newest sample. Requires: newest < rows, of samples.
  static FeatureLists Of(Feature::Source source, Made made);

  Feature::Source source() const { return source_; }
  FeatureSide side() const { return SideOf(source_); }
  /// How many rows the feature's table has.
  std::uint32_t rows() const { return rows_; }
  /// By row: a genre, year or weekday; none of a history, whose rows are items.
  const std::vector<std::string>& names() const { return names_; }

  /// The rows that a user or an item has, ascending. Requires: side() is theirs.
  std::span<const RowId> RowsOf(RowId entry) const {
    const std::uint64_t first = offsets_[Index(entry)];
    return std::span(lists_).subspan(first, offsets_[Index(entry) + 1] - first);
  }
  /// What the sum of `count` rows is multiplied by: 1 / count for genres, 1 / sqrt(count) for a
  /// history.
  float WeightOf(std::size_t count) const;

  /// The row of a sample; nothing if the pair is not in the data set. Requires: side() is kSample.
  std::optional<RowId> RowOfSample(RowId user, RowId item) const;
  /// The row of a sample by its number. Requires: as RowOfSample; there is such a sample.
  RowId RowOfSample(std::uint64_t sample) const;
  /// That of the newest sample: for pairs that are not in the data set. Requires: as RowOfSample.
  RowId newest() const { return newest_; }

 private:
  explicit FeatureLists(Feature::Source source) : source_(source) {}
  absl::Status TakeGenres(const Dataset& data);
  absl::Status TakeTimestamps(const Dataset& data);
  RowId RowAt(std::int64_t timestamp) const;
  void TakeHistories(const Dataset& data, const DataSplit& split);

  Feature::Source source_;
  std::uint32_t rows_ = 0;
  std::vector<std::string> names_;
  std::vector<std::uint64_t> offsets_;  // By user or item: where its rows begin in
  std::vector<RowId> lists_;

  // The data set's columns, for a source that each sample has its own value of.
  std::span<const std::uint64_t> user_offsets_;
  std::span<const RowId> item_column_;
  std::span<const std::int64_t> timestamps_;
  std::span<const RowId> rows_of_samples_;  // Instead of timestamps, where these are made already.
  int first_year_ = 0;
  RowId newest_{};
};

/// Those of all features of a job's model, in its order. FailedPrecondition names the field, too.
absl::StatusOr<std::vector<FeatureLists>> MakeFeatureLists(const Job& job, const Dataset& data,
                                                           const DataSplit& split);

}  // namespace cf

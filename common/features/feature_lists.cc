#include "common/features/feature_lists.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <string_view>
#include <utility>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include "common/base/activity.h"
#include "common/base/check.h"
#include "common/base/status.h"
#include "common/model/model_spec.h"

namespace cf {
namespace {

constexpr const char* kWeekdays[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                     "Friday", "Saturday", "Sunday"};

// Seconds of the year 10000: what is above them counts something else, such as milliseconds.
constexpr std::int64_t kSecondsMax = 253'402'300'800;

std::chrono::sys_days DayOf(std::int64_t timestamp) {
  return std::chrono::floor<std::chrono::days>(
      std::chrono::sys_seconds(std::chrono::seconds(timestamp)));
}

int YearOf(std::int64_t timestamp) {
  return static_cast<int>(std::chrono::year_month_day(DayOf(timestamp)).year());
}

/// From Monday, 0.
std::uint32_t WeekdayOf(std::int64_t timestamp) {
  return std::chrono::weekday(DayOf(timestamp)).iso_encoding() - 1;
}

/// Each of an item's genres once.
std::vector<std::string> GenresOf(const Dataset& data, RowId item) {
  std::vector<std::string> genres = absl::StrSplit(data.genres(item), '|', absl::SkipEmpty());
  std::sort(genres.begin(), genres.end());
  genres.erase(std::unique(genres.begin(), genres.end()), genres.end());
  return genres;
}

}  // namespace

absl::StatusOr<FeatureLists> FeatureLists::Make(Feature::Source source, const Dataset& data,
                                                const DataSplit& split) {
  FeatureLists made(source);
  absl::Status taken;
  switch (SideOf(source)) {
    case FeatureSide::kItem:
      taken = made.TakeGenres(data);
      break;
    case FeatureSide::kSample:
      taken = made.TakeTimestamps(data);
      break;
    case FeatureSide::kUser:
      made.TakeHistories(data, split);
      break;
  }
  if (!taken.ok()) return taken;
  return made;
}

FeatureLists FeatureLists::Of(Feature::Source source, Made made) {
  FeatureLists lists(source);
  lists.rows_ = made.rows;
  lists.names_ = std::move(made.names);
  lists.newest_ = made.newest;
  lists.rows_of_samples_ = made.rows_of_samples;
  lists.user_offsets_ = made.user_offsets;
  lists.item_column_ = made.item_column;
  return lists;
}

absl::Status FeatureLists::TakeGenres(const Dataset& data) {
  std::map<std::string, std::uint32_t> rows;
  for (std::uint32_t item = 0; item < data.items() && data.has_titles(); ++item) {
    for (std::string& genre : GenresOf(data, RowId{item})) rows.emplace(std::move(genre), 0);
  }
  if (rows.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("needs genres, which come with cfdata import --titles (those of u.item with "
                     "--genres, too), "
                     "and ",
                     data.name(), " has none"));
  }
  for (auto& [genre, row] : rows) {
    row = rows_++;
    names_.push_back(genre);
  }
  offsets_.push_back(0);
  for (std::uint32_t item = 0; item < data.items(); ++item) {
    for (const std::string& genre : GenresOf(data, RowId{item})) {
      lists_.push_back(RowId{rows.at(genre)});
    }
    offsets_.push_back(lists_.size());
  }
  return absl::OkStatus();
}

absl::Status FeatureLists::TakeTimestamps(const Dataset& data) {
  user_offsets_ = data.user_offsets();
  item_column_ = data.item_column();
  timestamps_ = data.timestamps();
  if (timestamps_.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("needs timestamps, and ", data.name(), " has none"));
  }
  const auto [first, last] = std::minmax_element(timestamps_.begin(), timestamps_.end());
  if (*first < 0 || *last >= kSecondsMax) {
    return absl::FailedPreconditionError(
        absl::StrCat("needs timestamps in seconds since 1970, and those of ", data.name(),
                     " go from ", *first, " to ", *last));
  }
  if (source_ == Feature::TIMESTAMP_WEEKDAY) {
    names_.assign(std::begin(kWeekdays), std::end(kWeekdays));
  } else {
    first_year_ = YearOf(*first);
    for (int year = first_year_; year <= YearOf(*last); ++year)
      names_.push_back(absl::StrCat(year));
  }
  rows_ = static_cast<std::uint32_t>(names_.size());
  newest_ = RowAt(*last);
  return absl::OkStatus();
}

void FeatureLists::TakeHistories(const Dataset& data, const DataSplit& split) {
  Check(split.whole(), "histories are of all users");
  rows_ = data.items();
  lists_.reserve(split.training_count());
  offsets_.push_back(0);
  SamplesPass pass(data);
  for (std::uint32_t user = 0; user < data.users(); ++user) {
    Activity::Tick();
    pass.ComesTo(RowId{user});
    for (std::uint64_t s = data.user_offsets()[user]; s < data.user_offsets()[user + 1]; ++s) {
      if (!split.is_validation(s)) lists_.push_back(data.item_column()[s]);
    }
    offsets_.push_back(lists_.size());
  }
}

float FeatureLists::WeightOf(std::size_t count) const {
  if (count == 0) return 0;
  const auto n = static_cast<double>(count);
  return static_cast<float>(1.0 / (source_ == Feature::USER_HISTORY ? std::sqrt(n) : n));
}

std::optional<RowId> FeatureLists::RowOfSample(RowId user, RowId item) const {
  const std::uint64_t end =
      std::min<std::uint64_t>(user_offsets_[Index(user) + 1], item_column_.size());
  const std::uint64_t begin = std::min(user_offsets_[Index(user)], end);
  const std::span<const RowId> own = item_column_.subspan(begin, end - begin);
  const auto found = std::lower_bound(own.begin(), own.end(), item);
  if (found == own.end() || *found != item) return std::nullopt;
  return RowOfSample(begin + static_cast<std::uint64_t>(found - own.begin()));
}

RowId FeatureLists::RowOfSample(std::uint64_t sample) const {
  if (rows_of_samples_.empty()) return RowAt(timestamps_[sample]);
  const RowId row = rows_of_samples_[sample];
  return Index(row) < rows_ ? row : newest_;
}

RowId FeatureLists::RowAt(std::int64_t timestamp) const {
  if (source_ == Feature::TIMESTAMP_WEEKDAY) return RowId{WeekdayOf(timestamp)};
  return RowId{static_cast<std::uint32_t>(YearOf(timestamp) - first_year_)};
}

absl::StatusOr<std::vector<FeatureLists>> MakeFeatureLists(const Job& job, const Dataset& data,
                                                           const DataSplit& split) {
  std::vector<FeatureLists> lists;
  const std::unique_ptr<const ModelSpec> model = ModelSpec::Make(job);
  const std::span<const Feature> features = model->features();
  for (std::size_t k = 0; k < features.size(); ++k) {
    absl::StatusOr<FeatureLists> made = FeatureLists::Make(features[k].source(), data, split);
    if (!made.ok()) {
      return Because(made.status(),
                     absl::StrCat("model.", model->kind_name(), ".feature.", k, ".source is ",
                                  Feature::Source_Name(features[k].source())));
    }
    lists.push_back(*std::move(made));
  }
  return lists;
}

}  // namespace cf

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "common/dataset/histogram.h"
#include "common/dataset/statistics.h"
#include "run/run_view.h"

namespace cf {

/// An item with a figure beside it: a rating that was given, or is predicted.
struct ListedItem {
  std::string name;  ///< Its title; where it has none "item" and its raw id.
  std::string genres;
  float rating = 0;
};

/// A user with what the model recommends.
struct SampleUser {
  std::string raw_id;
  std::string description;  ///< "the most active"
  std::uint64_t ratings = 0;
  std::uint32_t training_ratings = 0;
  std::vector<ListedItem> highest = {};  ///< What the user has rated highest.
  /// The best of what the user has not rated; none if nothing was trained on.
  std::vector<ListedItem> recommended = {};
};

/// The ratings that the users with the most ratings gave the items with the most.
struct TopRatings {
  std::vector<std::string> users;                          ///< Raw ids, the most active first.
  std::vector<std::string> items;                          ///< Names, the most rated first.
  std::vector<std::vector<std::optional<float>>> ratings;  ///< By item and user.
};

/// What a report says of a run's data set, and by the model of it.
struct ReportData {
  std::string name;
  std::uint32_t users = 0;
  std::uint32_t items = 0;
  std::uint64_t samples = 0;
  bool has_ratings = true;
  bool has_titles = true;
  DatasetStatistics statistics;
  Histogram ratings;  ///< Empty without ratings.
  Histogram per_user;
  Histogram per_item;
  TopRatings top;
  std::string snapshot;                  ///< The name of the one that recommends.
  std::string score_name = "predicted";  ///< What it orders by: "predicted" of ratings only.
  std::vector<SampleUser> sample_users;
  std::string no_sample_users;  ///< Why there are none; empty where there are.
};

struct ReportDataOptions {
  std::string data = {};            ///< Folder of the data set; empty: where the job had it.
  std::uint64_t samples_max = 0;    ///< A larger data set is not described.
  std::uint64_t row_bytes_max = 0;  ///< Nothing is recommended from larger row files.
};

/// Reads the run's data set a few times, and its best snapshot (the last, where the job does not
/// restore the best) once; no more than a handful of users are scored. FailedPrecondition: the data
/// set is too large, or another one than the run's; NotFound: the run does not name one; else
/// Dataset::Open's.
absl::StatusOr<ReportData> DescribeData(const RunView& run, const ReportDataOptions& options);

}  // namespace cf

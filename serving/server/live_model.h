#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "serving/item_choice.h"
#include "serving/open_model.h"
#include "serving/pair_predictor.h"

namespace cf {

/// A model that is being served, with what its answers name it by.
///
/// Owner:   whoever answers with it shares it; it lives as long as the last answer.
/// Threads: any.
/// Bounds:  the model's, a choice of items for each genre that was asked for, and once a prediction
///          has fallen back, a mean for each user and item.
class LiveModel {
 public:
  /// Errors are OpenModel's and those of reading its digest.
  static absl::StatusOr<std::shared_ptr<const LiveModel>> Open(const OpenModel::Options& options);

  const OpenModel& open() const { return *open_; }
  /// Over all of its parameters, as `cfsnapshot digest` prints it.
  const std::string& digest() const { return digest_; }
  /// The snapshot's name.
  const std::string& version() const { return version_; }

  /// The items with one of these genres, written in any case; null where none is named. NotFound and
  /// FailedPrecondition as FindGenre's.
  absl::StatusOr<std::shared_ptr<const ItemChoice>> OfGenres(
      const std::vector<std::string>& genres) const;

  /// As PairPredictor's with fallback, one at a time.
  Prediction PredictOrFallBack(std::optional<RowId> user, std::optional<RowId> item) const;

 private:
  LiveModel(std::unique_ptr<OpenModel> open, std::string digest);

  std::unique_ptr<const OpenModel> open_;
  std::string digest_;
  std::string version_;
  std::map<std::string, std::string> genres_;  // Those that there are, by their lower case.
  // Workers share these, which are made when somebody first needs them.
  mutable std::mutex mutex_;
  mutable std::map<std::vector<std::string>, std::shared_ptr<const ItemChoice>> choices_;
  mutable std::optional<PairPredictor> fallback_;
};

/// Which model is served. A new one is opened beside the old one, which is served until then, and by
/// whoever has it until the end of the answer.
///
/// Owner:   the service.
/// Threads: any; Open one at a time.
class ModelKeeper {
 public:
  explicit ModelKeeper(OpenModel::Options options) : options_(std::move(options)) {}

  /// Opens what is at the path now, and serves it. Where that fails, the model that was served goes
  /// on.
  absl::Status Open();

  /// Whether there is something else at the path than Open last found there, such as where a link
  /// was swapped.
  bool HasMoved() const;

  /// Null before the first Open.
  std::shared_ptr<const LiveModel> Current() const;

  std::uint64_t opened() const;  ///< How often Open went well,
  std::uint64_t failed() const;  ///< and how often it did not.

 private:
  const OpenModel::Options options_;
  // The one that opens and all workers meet here.
  mutable std::mutex mutex_;
  std::shared_ptr<const LiveModel> current_;
  std::string found_;  // What was at the path: where links lead to, and which file that is.
  std::uint64_t opened_ = 0;
  std::uint64_t failed_ = 0;
};

}  // namespace cf

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "serving/fold_in.h"
#include "serving/given_user.h"
#include "serving/item_choice.h"
#include "serving/open_model.h"
#include "serving/pair_predictor.h"

namespace cf {

/// Which models are served.
struct ServedPaths {
  OpenModel::Options model;
  /// One that scores what the first proposes: a ranker behind a retrieval. An empty path: none.
  OpenModel::Options rank = {};
};

/// A model that is being served, with what its answers name it by, and perhaps one that ranks what it
/// proposes.
///
/// Owner:   whoever answers with it shares it; it lives as long as the last answer.
/// Threads: any.
/// Bounds:  the model's, a choice of items for each genre that was asked for, once a prediction
///          has fallen back a mean for each user and item, and once somebody was folded in a FoldIn.
class LiveModel {
 public:
  /// What answers name a model by: its digest, as `cfsnapshot digest` prints it, and its snapshot's
  /// name.
  struct Name {
    std::string digest;
    std::string version;
  };

  /// Errors are OpenModel's and those of reading digests. FailedPrecondition: the two models are not of
  /// the same data set.
  static absl::StatusOr<std::shared_ptr<const LiveModel>> Open(const ServedPaths& paths);

  /// The model that proposes items, and is asked for all but scores.
  const OpenModel& open() const { return *open_; }
  const Name& name() const { return name_; }
  /// The model that scores: the one that ranks, where there is one.
  const OpenModel& scoring() const { return rank_ == nullptr ? *open_ : *rank_; }
  /// Null where there is no other.
  const Name* rank_name() const { return rank_ == nullptr ? nullptr : &rank_name_; }

  /// The items with one of these genres, written in any case; null where none is named. NotFound and
  /// FailedPrecondition as FindGenre's.
  absl::StatusOr<std::shared_ptr<const ItemChoice>> OfGenres(
      const std::vector<std::string>& genres) const;

  /// All genres that items have, by their names in lower case.
  const std::map<std::string, std::string>& genres() const { return genres_; }

  /// The model that learns from ratings, of which ratings have to be between the smallest and the
  /// largest of training: the one that scores, or else the other. Null where both learn from clicks,
  /// as which ratings count then, too.
  const OpenModel* rated() const;

  /// Whether ForGiven can answer: FoldIn::Possible of each model.
  absl::Status CanFoldIn() const;

  /// The list of somebody whose ratings or clicks are given. Each model folds them in for itself, since
  /// their vectors have nothing to do with each other; else as ForUsers. The first one waits until what
  /// all users are like is found. Errors are FoldIn's.
  absl::StatusOr<ItemList> ForGiven(const GivenUser& user, const ListOptions& options,
                                    std::size_t proposed) const;

  /// Calls `visit` with the list of each user, as Recommender::ForUsers does. Where a model ranks, the
  /// best `proposed` items of the first model, scored by it, from which diversity chooses. Scores are
  /// raw sums of scoring().
  absl::Status ForUsers(std::span<const RowId> users, const ManyUsersOptions& options,
                        std::size_t proposed, const ListVisitor& visit) const;

  /// As PairPredictor's with fallback, of the model that scores, one at a time.
  Prediction PredictOrFallBack(std::optional<RowId> user, std::optional<RowId> item) const;

 private:
  /// A fold-in that is made when somebody first needs it, while others who need it wait.
  class FoldInOf {
   public:
    absl::StatusOr<UserRow> Solve(const OpenModel& open, const GivenUser& user) const;

   private:
    mutable std::once_flag once_;
    mutable std::optional<absl::StatusOr<FoldIn>> made_;
  };

  /// An opened model and its name.
  struct Named {
    std::unique_ptr<const OpenModel> open;
    Name name;
  };
  static absl::StatusOr<Named> OpenNamed(const OpenModel::Options& options);
  LiveModel(Named model, Named rank);

  std::unique_ptr<const OpenModel> open_;
  Name name_;
  std::unique_ptr<const OpenModel> rank_;
  Name rank_name_;
  std::map<std::string, std::string> genres_;  // Those that there are, by their lower case.
  // Workers share these, which are made when somebody first needs them.
  mutable std::mutex mutex_;
  mutable std::map<std::vector<std::string>, std::shared_ptr<const ItemChoice>> choices_;
  mutable std::optional<PairPredictor> fallback_;
  FoldInOf fold_in_;
  FoldInOf rank_fold_in_;
};

/// Which model is served. A new one is opened beside the old one, which is served until then, and by
/// whoever has it until the end of the answer.
///
/// Owner:   the service.
/// Threads: any; Open one at a time.
class ModelKeeper {
 public:
  explicit ModelKeeper(ServedPaths paths) : paths_(std::move(paths)) {}

  /// Opens what is at the paths now, and serves it. Where that fails, the model that was served goes
  /// on.
  absl::Status Open();

  /// Whether there is something else at a path than Open last found there, such as where a link
  /// was swapped.
  bool HasMoved() const;

  /// Null before the first Open.
  std::shared_ptr<const LiveModel> Current() const;

  std::uint64_t opened() const;  ///< How often Open went well,
  std::uint64_t failed() const;  ///< and how often it did not.

 private:
  std::string WhatIsThere() const;

  const ServedPaths paths_;
  // The one that opens and all workers meet here.
  mutable std::mutex mutex_;
  std::shared_ptr<const LiveModel> current_;
  std::string found_;  // What was at the paths: where links lead to, and which file that is.
  std::uint64_t opened_ = 0;
  std::uint64_t failed_ = 0;
};

}  // namespace cf

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <absl/status/statusor.h>

#include "serving/catalogue.h"
#include "serving/row_loss.h"
#include "serving/served_model.h"

namespace cf {

/// Finds the row of somebody who is in no table, from what they gave items: the row that the model's
/// own loss would have with all else as it is, drawn to what users are like. So a model answers
/// people of whom it has learned nothing, or more of those it knows, without being trained again.
///
/// Owner:   whoever made it; the model and the catalogue outlive it.
/// Threads: any; constant. Calls set the float mode of the calling thread.
/// Bounds:  a matrix of a row's numbers, and a few numbers for each item; a call holds another such
///          matrix and a row of derivatives for each rating.
class FoldIn {
 public:
  /// What draws a row to where it would be without ratings.
  enum class Pull : std::uint8_t {
    /// How rows of trained users are spread: their covariance, weighed by how far the model's
    /// predictions are off, about the row of the average user (docs/fold_in.md).
    kSpread,
    /// The model's own L2, as often as training would add it to the row of so many ratings.
    kL2,
  };

  /// The longest row that is solved for: time grows with the third power, and so does Make's.
  static constexpr std::size_t kLongestRow = 1025;

  /// FailedPrecondition, in one line: users are not in memory, no user was trained, or rows are longer
  /// than kLongestRow. Takes no time.
  static absl::Status Possible(const ServedModel& model, const Catalogue& catalogue);

  /// FailedPrecondition, in one line: as Possible, with kL2 the model has none, or its weights are too
  /// large to be solved for. Goes once or twice over all samples.
  static absl::StatusOr<FoldIn> Make(const ServedModel& model, const Catalogue& catalogue,
                                     Pull pull = Pull::kSpread);

  /// The user of these ratings or clicks. Of an item that is given more than once the last counts;
  /// items of which the model has learned nothing are passed over. Where nothing is left it is the
  /// average user.
  /// InvalidArgument: an item is not in the data set, or a rating is not between the smallest and
  /// the largest of training. FailedPrecondition: weights are too large to be solved for.
  absl::StatusOr<UserRow> Solve(std::span<const GivenRating> given) const;

 private:
  FoldIn(const ServedModel& model, const Catalogue& catalogue, Pull pull);

  absl::Status CheckGiven(const GivenRating& given) const;
  absl::Status LearnSpread();
  RowPull PullOfL2(std::size_t ratings) const;
  std::vector<double> RowOf(RowId user) const;
  UserRow NothingBeside() const;
  UserRow Beside(std::span<const GivenRating> given) const;
  UserRow Compose(std::span<const double> row, UserRow beside) const;

  const ServedModel* model_;
  const Catalogue* catalogue_;
  Pull pull_;
  std::unique_ptr<const RowLoss> loss_;  // Null where every user is the same.
  std::vector<double> mean_;             // Of the rows of trained users.
  UserRow mean_beside_;                  // Of what stands beside these.
  // The pull of kSpread: its centre is the row of somebody without ratings, and its curvature is at the
  // mean. With kL2 it has no strength.
  RowPull spread_;
};

/// What a known user has given: the training ratings, and then what has happened since.
std::vector<GivenRating> GivenWithTraining(const Catalogue& catalogue, RowId user,
                                           std::span<const GivenRating> since);

/// Of each item that is given the last rating, by ascending item.
std::vector<GivenRating> LastOfEach(std::span<const GivenRating> given);

/// How often 2 * lambda * w is added to a row of `ratings` samples while training goes over them
/// once: in how many of an epoch's batches it is on average, docs/arithmetic.md. `steps` is the
/// batches of an epoch, `group` train.user_group.
double TouchedSteps(std::size_t ratings, double steps, std::uint32_t group);

}  // namespace cf

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <absl/status/statusor.h>

#include "common/base/ids.h"
#include "common/math/symmetric.h"
#include "serving/catalogue.h"
#include "serving/served_model.h"

namespace cf {

/// What somebody gave an item. Of a model of interactions the item alone counts: a click.
struct GivenRating {
  RowId item{};
  float rating = 1;
  bool operator==(const GivenRating&) const = default;
};

/// What draws a row to where it would be without ratings: half of (row - centre)' strength (row -
/// centre) is added to the loss.
struct RowPull {
  std::vector<double> centre;
  SymmetricMatrix strength;
  /// RowLoss::Curvature near the centre, from which a search for the minimum may set out.
  SymmetricMatrix curvature;
};

/// The loss of a model as a function of one user's row, all other rows and layers being what they
/// are. A row is the vector that training learns of a user, and the bias behind it where the model
/// has biases; a factorisation's has the user's features in it, since what is found for somebody new is
/// their sum alone. Features that stand beside the vectors are a UserRow's, and constant here.
///
/// Owner:   FoldIn; the model and the catalogue outlive it.
/// Threads: any; constant. Threads that call it have called SetFloatMode().
/// Bounds:  of losses over the items, a few numbers for each of kTableItems at most; a call holds a
///          row of derivatives for each rating.
class RowLoss {
 public:
  /// Of how many items or samples means over all of them are made at most.
  static constexpr std::size_t kTableItems = 4096;

  /// That of the model's objective: of ratings, of interactions against drawn negatives, or of a
  /// softmax over items.
  static std::unique_ptr<const RowLoss> Make(const ServedModel& model, const Catalogue& catalogue);

  virtual ~RowLoss() = default;

  /// Numbers of a row.
  std::size_t size() const { return size_; }

  /// The row with the least sum of the given ratings' losses and the pull. Requires: the items are
  /// ascending, each once; the pull's strength is positive definite, as far as rounding lets it be.
  /// Errors are FactorOf's.
  virtual absl::StatusOr<std::vector<double>> Minimise(std::span<const GivenRating> given,
                                                       const UserRow& beside,
                                                       const RowPull& pull) const = 0;

  /// The second derivative of one rating's loss by the row, at `row`: the mean over what users rate
  /// in training.
  virtual SymmetricMatrix Curvature(std::span<const double> row, const UserRow& beside) const = 0;

  /// The row of somebody of whom nothing is known but what all users are like: where `pull` draws,
  /// or nearer to what they rate in training, as far as the loss can tell that of one user from that
  /// of all. Errors are FactorOf's.
  virtual absl::StatusOr<std::vector<double>> Average(const RowPull& pull,
                                                      const UserRow& beside) const;

  /// How much more the losses scatter than they would if they were negative logarithms of
  /// probabilities: the mean square of their slopes over their mean curvature, which is 1 there. Of
  /// squared errors it is twice their mean. Measured on validation samples where there are some.
  virtual double Dispersion() const { return 1; }

 protected:
  explicit RowLoss(std::size_t size) : size_(size) {}

 private:
  std::size_t size_;
};

/// The factor of a second derivative or of a spread. FailedPrecondition, in one line: there is none,
/// because the model's weights are too large or, in an export that is damaged, no numbers.
absl::StatusOr<Cholesky> FactorOf(const SymmetricMatrix& matrix);

/// How many items make up means, and those of a systematic sample of the training samples: an item
/// may come more than once, as often as users rate it.
std::vector<RowId> ItemsAsRated(const Catalogue& catalogue, std::size_t count);

}  // namespace cf

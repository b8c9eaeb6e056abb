#include "serving/rating_loss.h"

#include <algorithm>
#include <cmath>

#include "serving/point_loss.h"
#include "serving/user_scores.h"

namespace cf {
namespace {

constexpr int kStepsMost = 40;
constexpr int kHalvingsMost = 30;
constexpr double kPromiseLeast = 1e-12;  // Of the value: what a step must promise to be made.
constexpr double kFallLeast = 1e-4;      // Of what a step promises (Armijo).

// Fewer validation samples than that say little; training samples stand in for them.
constexpr std::uint64_t kValidationLeast = 256;

// Ratings of training that means are made of.
constexpr std::uint64_t kRatingsSeen = 8192;

// For how many ratings of all users one pull counts where the average user is found: fewer would
// leave that at the mean of the rows, which is not what fits ratings best, more would fit the sample.
constexpr double kRatingsOfOnePull = 400;

// A model without an error would leave ratings nothing to be wrong in, and the pull no strength.
constexpr double kDispersionLeast = 1e-3;

struct RatingOfUser {
  RowId user{};
  GivenRating given;
};

// Every so many of the validation or else of the training samples.
std::vector<RatingOfUser> SystematicSample(const Catalogue& catalogue, bool of_validation) {
  const std::uint64_t count =
      of_validation ? catalogue.validation_samples() : catalogue.training_samples();
  const std::uint64_t every = std::max<std::uint64_t>(1, (count + kRatingsSeen - 1) / kRatingsSeen);
  const Dataset& data = catalogue.data();
  std::vector<RatingOfUser> sample;
  std::uint64_t met = 0;
  for (std::uint32_t user = 0; user < data.users(); ++user) {
    const Catalogue::Samples own = catalogue.SamplesOf(RowId{user});
    for (std::uint64_t s = own.first; s < own.last; ++s) {
      if (catalogue.IsValidation(s) != of_validation || met++ % every != 0) continue;
      const RowId item = data.item_column()[s];
      // An export that is damaged may name any.
      if (Index(item) >= data.items()) continue;
      sample.push_back({.user = RowId{user}, .given = {.item = item, .rating = data.ratings()[s]}});
    }
  }
  return sample;
}

/// A loss and its derivatives at a row.
struct Place {
  std::vector<double> row;
  double value = 0;
  std::vector<double> gradient = {};
  std::vector<double> curvatures = {};  // By rating.
};

/// The sum that is minimised.
class Sum {
 public:
  Sum(const Objective& objective, std::span<const GivenRating> given, const RowPull& pull,
      UserScores& scores)
      : objective_(objective), given_(given), pull_(pull), scores_(scores), raw_(given.size()) {}

  Place At(std::vector<double> row) {
    Place place{.row = std::move(row)};
    const std::size_t size = place.row.size();
    scores_.At(place.row, raw_);
    std::vector<double> away = place.row;
    for (std::size_t k = 0; k < size; ++k) away[k] -= pull_.centre[k];
    place.gradient.resize(size);
    pull_.strength.Multiply(away, place.gradient);
    for (std::size_t k = 0; k < size; ++k) place.value += 0.5 * away[k] * place.gradient[k];
    place.curvatures.resize(given_.size());
    for (std::size_t s = 0; s < given_.size(); ++s) {
      const PointLoss loss = LossAt(objective_, raw_[s], static_cast<double>(given_[s].rating));
      place.value += loss.value;
      place.curvatures[s] = loss.curvature;
      raw_[s] = loss.slope;
    }
    scores_.AddSlopes(raw_, place.gradient);
    return place;
  }

  /// The factor of the second derivative where At was last called, with `place`.
  absl::StatusOr<Cholesky> Curvature(const Place& place) const {
    SymmetricMatrix matrix = pull_.strength;
    scores_.AddProducts(place.curvatures, matrix);
    return FactorOf(matrix);
  }

 private:
  const Objective& objective_;
  std::span<const GivenRating> given_;
  const RowPull& pull_;
  UserScores& scores_;
  std::vector<double> raw_;  // The raw sums, and then the slopes there.
};

// A step from `place`, and by how much it would lower the sum's linear part.
double StepOf(const Place& place, const Cholesky& curvature, std::vector<double>& step) {
  step = place.gradient;
  curvature.Solve(step);
  double promise = 0;
  for (std::size_t k = 0; k < step.size(); ++k) promise += step[k] * place.gradient[k];
  return promise;
}

// Goes along `step` as far as the sum falls. False: nowhere.
bool Go(Sum& sum, const std::vector<double>& step, double promise, Place& place) {
  double length = 1;
  for (int halving = 0; halving < kHalvingsMost; ++halving, length /= 2) {
    std::vector<double> row = place.row;
    for (std::size_t k = 0; k < row.size(); ++k) row[k] -= length * step[k];
    Place next = sum.At(std::move(row));
    if (!(next.value <= place.value - kFallLeast * length * promise)) continue;
    place = std::move(next);
    return true;
  }
  return false;
}

class RatingLoss final : public RowLoss {
 public:
  RatingLoss(const ServedModel& model, const Catalogue& catalogue)
      : RowLoss(RowSize(model)),
        model_(model),
        as_rated_(TrainingSample(catalogue)),
        dispersion_(DispersionOf(model, catalogue)) {}

  absl::StatusOr<std::vector<double>> Minimise(std::span<const GivenRating> given,
                                               const UserRow& beside,
                                               const RowPull& pull) const override {
    std::vector<RowId> items;
    for (const GivenRating& one : given) items.push_back(one.item);
    const std::unique_ptr<UserScores> scores = UserScores::Of(model_, std::move(items), beside);
    Sum sum(model_.objective(), given, pull, *scores);
    Place place = sum.At(pull.centre);
    std::vector<double> step;
    for (int made = 0; made < kStepsMost; ++made) {
      const absl::StatusOr<Cholesky> curvature = sum.Curvature(place);
      if (!curvature.ok()) return curvature.status();
      const double promise = StepOf(place, *curvature, step);
      if (!(promise > kPromiseLeast * (1 + place.value))) break;
      if (!Go(sum, step, promise, place)) break;
      // Where one step was enough, a second one need not be looked for.
      if (!(StepOf(place, *curvature, step) > kPromiseLeast * (1 + place.value))) break;
    }
    return place.row;
  }

  SymmetricMatrix Curvature(std::span<const double> row, const UserRow& beside) const override {
    std::vector<RowId> items;
    for (const GivenRating& one : as_rated_) items.push_back(one.item);
    const std::unique_ptr<UserScores> scores = UserScores::Of(model_, std::move(items), beside);
    std::vector<double> raw(as_rated_.size());
    scores->At(row, raw);
    std::vector<double> weights(as_rated_.size());
    for (std::size_t s = 0; s < weights.size(); ++s) {
      // No curvature of these losses depends on the rating.
      weights[s] =
          LossAt(model_.objective(), raw[s], 0).curvature / static_cast<double>(as_rated_.size());
    }
    SymmetricMatrix mean(size());
    scores->AddProducts(weights, mean);
    return mean;
  }

  // As a user who has given what many have, and is drawn as much more for it.
  absl::StatusOr<std::vector<double>> Average(const RowPull& pull,
                                              const UserRow& beside) const override {
    RowPull of_many = pull;
    of_many.strength.Scale(
        std::max(1.0, static_cast<double>(as_rated_.size()) / kRatingsOfOnePull));
    return Minimise(as_rated_, beside, of_many);
  }

  double Dispersion() const override { return dispersion_; }

 private:
  static double DispersionOf(const ServedModel& model, const Catalogue& catalogue) {
    const bool of_validation = catalogue.validation_samples() >= kValidationLeast;
    ServedModel::Workspace workspace = model.MakeWorkspace();
    double squares = 0;
    double curvature = 0;
    for (const RatingOfUser& one : SystematicSample(catalogue, of_validation)) {
      if (catalogue.UserTrainingRatings(one.user) == 0) continue;
      if (catalogue.ItemTrainingRatings(one.given.item) == 0) continue;
      float raw = 0;
      model.ScoreItems(one.user, one.given.item, workspace, std::span(&raw, 1));
      const PointLoss loss = LossAt(model.objective(), static_cast<double>(raw),
                                    static_cast<double>(one.given.rating));
      squares += loss.slope * loss.slope;
      curvature += loss.curvature;
    }
    const double dispersion = squares / curvature;
    return std::isfinite(dispersion) ? std::max(dispersion, kDispersionLeast) : 1;
  }

  static std::vector<GivenRating> TrainingSample(const Catalogue& catalogue) {
    std::vector<GivenRating> sample;
    for (const RatingOfUser& one : SystematicSample(catalogue, false)) {
      sample.push_back(one.given);
    }
    return sample;
  }

  const ServedModel& model_;
  const std::vector<GivenRating> as_rated_;  // What users gave in training.
  const double dispersion_;
};

}  // namespace

std::unique_ptr<const RowLoss> MakeRatingLoss(const ServedModel& model,
                                              const Catalogue& catalogue) {
  return std::make_unique<RatingLoss>(model, catalogue);
}

}  // namespace cf

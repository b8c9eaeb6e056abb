#include "serving/fold_in.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include "common/math/math.h"
#include "common/model/retrieval.h"
#include "common/text/numbers.h"
#include "serving/user_scores.h"

namespace cf {
namespace {

// Trained users of whom means are made: an error of 1 / sqrt(2 * 4096) in each variance.
constexpr std::size_t kUsersSeen = 4096;

// Numbers of ratings at which users' uncertainty is looked at: so many quantiles.
constexpr std::size_t kQuantiles = 4;

// No spread is taken to be narrower: a direction in which all users are alike stays one.
constexpr double kVarianceLeast = 1e-8;

std::vector<RowId> TrainedUsers(const Catalogue& catalogue) {
  std::vector<RowId> users;
  for (std::uint32_t k = 0; k < catalogue.data().users(); ++k) {
    if (catalogue.UserTrainingRatings(RowId{k}) > 0) users.push_back(RowId{k});
  }
  const std::size_t every = (users.size() + kUsersSeen - 1) / kUsersSeen;
  std::vector<RowId> seen;
  for (std::size_t k = 0; k < users.size(); k += every) seen.push_back(users[k]);
  return seen;
}

// The covariance of rows about their mean. Few rows say little of so many numbers: as many as there
// are numbers would be mixed half and half with a spread that is the same in all directions of the
// vector.
SymmetricMatrix Covariance(const DenseRows& away, std::size_t vector_dim) {
  const std::size_t size = away.columns();
  const auto users = static_cast<double>(away.rows());
  const double mixed = users + static_cast<double>(size);
  SymmetricMatrix covariance(size);
  covariance.AddProducts(std::vector<double>(away.rows(), 1 / users), away);
  double mean_variance = 0;
  for (std::size_t k = 0; k < vector_dim; ++k) mean_variance += covariance.at(k, k);
  if (vector_dim > 0) mean_variance /= static_cast<double>(vector_dim);
  std::vector<double> even(size, mean_variance);
  for (std::size_t k = vector_dim; k < size; ++k) even[k] = covariance.at(k, k);
  covariance.Scale(users / mixed);
  for (std::size_t k = 0; k < size; ++k) {
    covariance.AddToDiagonal(k, static_cast<double>(size) / mixed * even[k] + kVarianceLeast);
  }
  return covariance;
}

absl::StatusOr<SymmetricMatrix> InverseOf(const SymmetricMatrix& matrix) {
  const absl::StatusOr<Cholesky> factor = FactorOf(matrix);
  if (!factor.ok()) return factor.status();
  return factor->Inverse();
}

// Some numbers of ratings that stand for those of all users.
std::vector<std::uint32_t> RatingsOf(const Catalogue& catalogue, const std::vector<RowId>& users) {
  std::vector<std::uint32_t> counts;
  for (const RowId user : users) counts.push_back(catalogue.UserTrainingRatings(user));
  std::sort(counts.begin(), counts.end());
  std::vector<std::uint32_t> quantiles;
  for (std::size_t k = 0; k < kQuantiles; ++k) {
    quantiles.push_back(counts[(2 * k + 1) * counts.size() / (2 * kQuantiles)]);
  }
  return quantiles;
}

// Whether no row decides anything.
bool IsSameForAll(const ServedModel& model) {
  return model.spec().counts_items() || RowSize(model) == 0;
}

bool HasL2(const TableSpec& users) {
  return users.l2_vectors > 0 && (!users.shape.biases || users.l2_biases > 0);
}

}  // namespace

double TouchedSteps(std::size_t ratings, double steps, std::uint32_t group) {
  const double groups = std::ceil(static_cast<double>(ratings) / std::max(1U, group));
  if (steps <= 1) return std::min(groups, 1.0);
  return steps * (1 - math::Exp(groups * math::Log(1 - 1 / steps)));
}

std::vector<GivenRating> GivenWithTraining(const Catalogue& catalogue, RowId user,
                                           std::span<const GivenRating> since) {
  std::vector<GivenRating> given;
  const Dataset& data = catalogue.data();
  const Catalogue::Samples own = catalogue.SamplesOf(user);
  for (std::uint64_t s = own.first; s < own.last; ++s) {
    const RowId item = data.item_column()[s];
    // An export that is damaged may name any.
    if (catalogue.IsValidation(s) || Index(item) >= data.items()) continue;
    given.push_back({.item = item, .rating = data.ratings()[s]});
  }
  given.insert(given.end(), since.begin(), since.end());
  return given;
}

std::vector<GivenRating> LastOfEach(std::span<const GivenRating> given) {
  // The last of an item in front of those before it.
  std::vector<GivenRating> counted(given.rbegin(), given.rend());
  std::ranges::stable_sort(counted, {}, &GivenRating::item);
  const auto repeated = std::ranges::unique(counted, {}, &GivenRating::item);
  counted.erase(repeated.begin(), repeated.end());
  return counted;
}

absl::Status FoldIn::Possible(const ServedModel& model, const Catalogue& catalogue) {
  if (!model.has_users()) {
    return absl::FailedPreconditionError(
        "nobody is folded in where users stay in the snapshot: there is no memory for them");
  }
  if (RowSize(model) > kLongestRow) {
    return absl::FailedPreconditionError(
        absl::StrCat("vectors of ", UserTableOf(model.spec()).shape.dim,
                     " numbers are too long to fold anybody in: ", kLongestRow - 1, " at most"));
  }
  const auto trained = [](std::uint32_t ratings) { return ratings > 0; };
  if (!IsSameForAll(model) && std::ranges::none_of(catalogue.user_training_ratings(), trained)) {
    return absl::FailedPreconditionError("no user has a training sample, so nobody is folded in");
  }
  return absl::OkStatus();
}

absl::StatusOr<FoldIn> FoldIn::Make(const ServedModel& model, const Catalogue& catalogue,
                                    Pull pull) {
  if (absl::Status possible = Possible(model, catalogue); !possible.ok()) return possible;
  if (pull == Pull::kL2 && !HasL2(UserTableOf(model.spec()))) {
    return absl::FailedPreconditionError(
        "the model's users have no L2, so nothing of it draws a row that is folded in");
  }
  SetFloatMode();
  FoldIn fold_in(model, catalogue, pull);
  if (IsSameForAll(model)) return fold_in;
  fold_in.loss_ = RowLoss::Make(model, catalogue);
  if (absl::Status learned = fold_in.LearnSpread(); !learned.ok()) return learned;
  return fold_in;
}

FoldIn::FoldIn(const ServedModel& model, const Catalogue& catalogue, Pull pull)
    : model_(&model), catalogue_(&catalogue), pull_(pull), mean_(RowSize(model)) {
  mean_beside_ = NothingBeside();
}

UserRow FoldIn::NothingBeside() const {
  UserRow beside{.vector = std::vector<float>(model_->users().padded_dim())};
  for (const ServedFeature& feature : model_->features()) {
    const bool stands_beside =
        !model_->spec().adds_features() && feature.lists.side() == FeatureSide::kUser;
    beside.features.emplace_back(stands_beside ? feature.rows.padded_dim() : 0);
  }
  return beside;
}

std::vector<double> FoldIn::RowOf(RowId user) const {
  const WeightTable& users = model_->user_embeddings();
  std::vector<double> row(mean_.size());
  std::copy_n(users.vector(user), users.dim(), row.begin());
  if (row.size() > users.dim()) row.back() = static_cast<double>(users.bias(user));
  return row;
}

absl::Status FoldIn::LearnSpread() {
  const std::vector<RowId> users = TrainedUsers(*catalogue_);
  const double share = 1 / static_cast<double>(users.size());
  DenseRows away(users.size(), mean_.size());
  for (std::size_t u = 0; u < users.size(); ++u) {
    const std::vector<double> row = RowOf(users[u]);
    std::copy(row.begin(), row.end(), away.row(u).begin());
    for (std::size_t k = 0; k < row.size(); ++k) mean_[k] += share * row[k];
    for (std::size_t f = 0; f < mean_beside_.features.size(); ++f) {
      std::vector<float>& to = mean_beside_.features[f];
      for (std::size_t k = 0; k < to.size(); ++k) {
        to[k] += static_cast<float>(share) * model_->features()[f].composed.vector(users[u])[k];
      }
    }
  }
  spread_.centre = mean_;
  spread_.curvature = loss_->Curvature(mean_, mean_beside_);
  if (pull_ == Pull::kL2) return absl::OkStatus();
  for (std::size_t u = 0; u < users.size(); ++u) {
    for (std::size_t k = 0; k < mean_.size(); ++k) away.row(u)[k] -= mean_[k];
  }
  const SymmetricMatrix covariance = Covariance(away, model_->user_embeddings().dim());
  const double dispersion = loss_->Dispersion();
  // Rows are estimates, and those of users with few ratings have stayed near to where all are: a
  // step of expectation and maximisation adds how uncertain they are.
  SymmetricMatrix spread = covariance;
  const absl::StatusOr<SymmetricMatrix> inverse = InverseOf(covariance);
  if (!inverse.ok()) return inverse.status();
  for (const std::uint32_t ratings : RatingsOf(*catalogue_, users)) {
    SymmetricMatrix certainty = *inverse;
    certainty.Add(static_cast<double>(ratings) / dispersion, spread_.curvature);
    const absl::StatusOr<SymmetricMatrix> uncertainty = InverseOf(certainty);
    if (!uncertainty.ok()) return uncertainty.status();
    spread.Add(1.0 / static_cast<double>(kQuantiles), *uncertainty);
  }
  absl::StatusOr<SymmetricMatrix> strength = InverseOf(spread);
  if (!strength.ok()) return strength.status();
  spread_.strength = *std::move(strength);
  spread_.strength.Scale(dispersion);
  absl::StatusOr<std::vector<double>> average = loss_->Average(spread_, mean_beside_);
  if (!average.ok()) return average.status();
  spread_.centre = *std::move(average);
  return absl::OkStatus();
}

RowPull FoldIn::PullOfL2(std::size_t ratings) const {
  const TableSpec users = UserTableOf(model_->spec());
  const Job& job = model_->spec().job();
  const std::optional<SoftmaxShape> softmax = SoftmaxOf(job);
  const double weight = static_cast<double>(
      softmax.has_value() ? softmax->weight : model_->objective().inverse_batch);
  const double steps = std::ceil(static_cast<double>(catalogue_->training_samples()) /
                                 static_cast<double>(job.train().batch_size()));
  const double touched = TouchedSteps(ratings, steps, job.train().user_group());
  RowPull pull = {.centre = std::vector<double>(mean_.size()),
                  .strength = SymmetricMatrix(mean_.size()),
                  .curvature = spread_.curvature};
  for (std::size_t k = 0; k < mean_.size(); ++k) {
    const double lambda = k < users.shape.dim ? users.l2_vectors : users.l2_biases;
    pull.strength.AddToDiagonal(k, 2 * lambda * touched / weight);
  }
  return pull;
}

absl::Status FoldIn::CheckGiven(const GivenRating& given) const {
  if (Index(given.item) >= model_->items().rows()) {
    return absl::InvalidArgumentError(
        absl::StrCat("an item has the row ", Index(given.item), " of ", model_->items().rows()));
  }
  if (!model_->spec().predicts_ratings()) return absl::OkStatus();
  const float least = model_->objective().rating_min;
  const float most = least + model_->objective().rating_range;
  if (given.rating >= least && given.rating <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the rating ", FloatText(given.rating), " of item ",
                   catalogue_->data().item_raw_id(given.item), " is not between ", FloatText(least),
                   " and ", FloatText(most), ", as those of training are"));
}

UserRow FoldIn::Beside(std::span<const GivenRating> given) const {
  UserRow beside = NothingBeside();
  for (std::size_t f = 0; f < beside.features.size(); ++f) {
    if (beside.features[f].empty()) continue;
    // An export that is damaged may have fewer rows of the feature than items.
    std::vector<RowId> items;
    for (const GivenRating& one : given) {
      if (Index(one.item) < model_->features()[f].rows.rows()) items.push_back(one.item);
    }
    float no_bias = 0;  // What stands beside a vector has none.
    model_->features()[f].Compose(items, model_->kernels(), beside.features[f].data(), no_bias);
  }
  return beside;
}

UserRow FoldIn::Compose(std::span<const double> row, UserRow beside) const {
  const std::size_t dim = model_->user_embeddings().dim();
  UserRow user = std::move(beside);
  if (const Network* tower = model_->scorer().tower(NetworkRole::kUser)) {
    const std::vector<float> input(row.begin(), row.end());
    RunTower(*tower, {.vectors = input.data()}, 1, user.vector.data(), user.vector.size());
    return user;
  }
  for (std::size_t k = 0; k < dim; ++k) user.vector[k] = static_cast<float>(row[k]);
  if (row.size() > dim) user.bias = static_cast<float>(row[dim]);
  return user;
}

absl::StatusOr<UserRow> FoldIn::Solve(std::span<const GivenRating> given) const {
  SetFloatMode();
  for (const GivenRating& one : given) {
    if (absl::Status checked = CheckGiven(one); !checked.ok()) return checked;
  }
  if (loss_ == nullptr) return NothingBeside();
  std::vector<GivenRating> counted = LastOfEach(given);
  std::erase_if(counted, [&](const GivenRating& one) {
    return catalogue_->ItemTrainingRatings(one.item) == 0;
  });
  if (counted.empty()) return Compose(spread_.centre, mean_beside_);
  UserRow beside = Beside(counted);
  const absl::StatusOr<std::vector<double>> row =
      pull_ == Pull::kSpread ? loss_->Minimise(counted, beside, spread_)
                             : loss_->Minimise(counted, beside, PullOfL2(counted.size()));
  if (!row.ok()) return row.status();
  return Compose(*row, std::move(beside));
}

}  // namespace cf

#include "serving/click_loss.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "common/math/float_rows.h"
#include "common/math/math.h"
#include "common/math/softplus.h"
#include "common/model/retrieval.h"
#include "serving/minimum.h"
#include "serving/user_scores.h"

namespace cf {
namespace {

constexpr std::size_t kCurvatureItems = 1024;

// Of negatives half as many items are as good; a softmax over half of them loses 2 % of NDCG@10.
constexpr std::size_t kNegativesTable = RowLoss::kTableItems / 2;

/// The vector that a user's row becomes, and its derivatives: that of the row, or of the tower.
class UserTower {
 public:
  UserTower(const ServedModel& model, const UserRow& beside) : beside_(beside) {
    tower_ = model.scorer().tower(NetworkRole::kUser);
    if (tower_ == nullptr) return;
    passage_.emplace(WithoutDropout(tower_->shape()), Network::Passage::Use::kTraining, 1);
  }

  // `row` is without its bias.
  void Forward(std::span<const double> row, std::span<double> vector) {
    if (tower_ == nullptr) {
      for (std::size_t k = 0; k < row.size(); ++k) {
        vector[k] = row[k] + static_cast<double>(beside_.vector[k]);
      }
      return;
    }
    for (std::size_t k = 0; k < row.size(); ++k) passage_->input(0)[k] = static_cast<float>(row[k]);
    tower_->Forward(1, *passage_);
    std::copy_n(passage_->outputs(0), vector.size(), vector.begin());
  }

  // From derivatives by the vector, where Forward last was, to those by the row.
  void Backward(std::span<const double> by_vector, std::span<double> by_row) {
    if (tower_ == nullptr) {
      std::copy(by_vector.begin(), by_vector.end(), by_row.begin());
      return;
    }
    for (std::size_t k = 0; k < by_vector.size(); ++k) {
      passage_->output_slopes(0)[k] = static_cast<float>(by_vector[k]);
    }
    tower_->Backward(1, {}, {}, *passage_);
    std::copy_n(passage_->input_slope(0), by_row.size(), by_row.begin());
  }

 private:
  const UserRow& beside_;
  const Network* tower_;
  std::optional<Network::Passage> passage_;
};

/// What somebody gave, and room for what is computed of it again and again.
struct Request {
  std::span<const GivenRating> given;
  std::vector<RowId> items = {};  ///< Those that are given, and perhaps others behind them.
  std::vector<const float*> vectors = {};  ///< By item, as are these.
  std::vector<double> raw = {};
  std::vector<double> values = {};
  std::vector<double> slopes = {};
};

/// A user's vector and bias with the sums that an evaluation of the loss needs.
struct Evaluation {
  explicit Evaluation(std::size_t padded_dim) : vector(padded_dim), by_vector(padded_dim) {}

  std::vector<double> vector;  ///< With zeros behind it, as items' vectors have them.
  double bias = 0;
  std::vector<double> by_vector;  ///< The derivatives of the loss.
  double by_bias = 0;
};

class ClickLoss : public RowLoss {
 public:
  absl::StatusOr<std::vector<double>> Minimise(std::span<const GivenRating> given,
                                               const UserRow& beside,
                                               const RowPull& pull) const override {
    UserTower tower(model_, beside);
    const std::size_t row_dim = model_.user_embeddings().dim();
    const std::size_t dim = model_.items().dim();
    std::vector<double> vector(dim);
    std::vector<double> away(size());
    Request request{.given = given};
    Prepare(request);
    const auto at = [&](std::span<const double> row, std::span<double> gradient) {
      Evaluation evaluation(model_.items().padded_dim());
      tower.Forward(row.first(row_dim), vector);
      std::ranges::copy(vector, evaluation.vector.begin());
      evaluation.bias =
          static_cast<double>(beside.bias) + (row.size() > row_dim ? row[row_dim] : 0.0);
      double value = Evaluate(request, evaluation);
      for (std::size_t k = 0; k < row.size(); ++k) away[k] = row[k] - pull.centre[k];
      pull.strength.Multiply(away, gradient);
      for (std::size_t k = 0; k < row.size(); ++k) value += 0.5 * away[k] * gradient[k];
      std::vector<double> by_row(row_dim);
      std::copy_n(evaluation.by_vector.begin(), dim, vector.begin());
      tower.Backward(vector, by_row);
      for (std::size_t k = 0; k < row_dim; ++k) gradient[k] += by_row[k];
      if (row.size() > row_dim) gradient[row_dim] += evaluation.by_bias;
      return value;
    };
    SymmetricMatrix metric = pull.strength;
    metric.Add(static_cast<double>(given.size()), pull.curvature);
    const absl::StatusOr<Cholesky> factor = FactorOf(metric);
    if (!factor.ok()) return factor.status();
    return Minimum(at, pull.centre, *factor);
  }

  SymmetricMatrix Curvature(std::span<const double> row, const UserRow& beside) const override {
    UserTower tower(model_, beside);
    const std::size_t row_dim = model_.user_embeddings().dim();
    const std::size_t dim = model_.items().dim();
    std::vector<double> vector(dim);
    tower.Forward(row.first(row_dim), vector);
    Evaluation evaluation(model_.items().padded_dim());
    std::ranges::copy(vector, evaluation.vector.begin());
    evaluation.bias =
        static_cast<double>(beside.bias) + (row.size() > row_dim ? row[row_dim] : 0.0);
    std::vector<double> weights;
    std::vector<RowId> items;
    std::vector<double> middle(dim);
    CurvatureTerms(evaluation, items, weights, middle);
    DenseRows terms(items.size(), size());
    for (std::size_t s = 0; s < items.size(); ++s) {
      for (std::size_t k = 0; k < dim; ++k) {
        vector[k] = static_cast<double>(model_.items().vector(items[s])[k]) - middle[k];
      }
      tower.Backward(vector, terms.row(s).first(row_dim));
      if (size() > row_dim) terms.row(s)[row_dim] = 1;
    }
    SymmetricMatrix sum(size());
    sum.AddProducts(weights, terms);
    return sum;
  }

 protected:
  // Every so many items stand for all, `table_items` at most.
  ClickLoss(const ServedModel& model, const Catalogue& catalogue, std::size_t table_items)
      : RowLoss(RowSize(model)), model_(model) {
    const std::uint32_t items = catalogue.data().items();
    const std::size_t every = (items + table_items - 1) / table_items;
    for (std::size_t k = 0; k < items; k += every)
      table_.push_back(RowId{static_cast<std::uint32_t>(k)});
    table_vectors_ = VectorsOf(table_);
  }

  const ServedModel& model() const { return model_; }
  /// The items that stand for all.
  std::span<const RowId> table() const { return table_; }
  std::span<const float* const> table_vectors() const { return table_vectors_; }

  std::vector<const float*> VectorsOf(std::span<const RowId> items) const {
    std::vector<const float*> vectors;
    for (const RowId item : items) vectors.push_back(model_.items().vector(item));
    return vectors;
  }

  /// Requires: the items' vectors; room for a raw sum of each.
  void RawSumsOf(const Evaluation& at, std::span<const RowId> items,
                 std::span<const float* const> vectors, std::span<double> raw) const {
    DotsOf(at.vector, vectors, raw);
    const double constant = at.bias + static_cast<double>(model_.objective().mean);
    for (std::size_t s = 0; s < items.size(); ++s) {
      raw[s] += constant + static_cast<double>(model_.items().bias(items[s]));
    }
  }
  /// Of the items with these vectors.
  static void AddSlopes(std::span<const double> slopes, std::span<const float* const> vectors,
                        Evaluation& at) {
    AddRows(slopes, vectors, at.by_vector);
    for (const double slope : slopes) at.by_bias += slope;
  }

  /// What an evaluation needs beside what is given.
  virtual void Prepare(Request& request) const = 0;
  /// The loss of all that is given; adds its derivatives.
  virtual double Evaluate(Request& request, Evaluation& at) const = 0;
  /// The second derivative of one given item's loss by the vector as a sum: of weight times the
  /// product of (an item's vector less `middle`) with itself.
  virtual void CurvatureTerms(const Evaluation& at, std::vector<RowId>& items,
                              std::vector<double>& weights, std::vector<double>& middle) const = 0;

 private:
  const ServedModel& model_;
  std::vector<RowId> table_;
  std::vector<const float*> table_vectors_;
};

/// Each given item is 1 to a sigmoid, and the draws that follow it are 0.
class NegativesLoss final : public ClickLoss {
 public:
  NegativesLoss(const ServedModel& model, const Catalogue& catalogue)
      : ClickLoss(model, catalogue, kNegativesTable),
        negatives_(static_cast<double>(model.spec().negatives())),
        as_rated_(ItemsAsRated(catalogue, kCurvatureItems)) {}

 private:
  void Prepare(Request& request) const override {
    for (const GivenRating& one : request.given) request.items.push_back(one.item);
    auto next = request.given.begin();
    for (const RowId item : table()) {
      while (next != request.given.end() && next->item < item) ++next;
      if (next == request.given.end() || next->item != item) request.items.push_back(item);
    }
    request.vectors = VectorsOf(request.items);
    request.raw.resize(request.items.size());
    request.values.resize(request.items.size());
    request.slopes.resize(request.items.size());
  }

  double Evaluate(Request& request, Evaluation& at) const override {
    const std::size_t given = request.given.size();
    const std::size_t all = request.items.size();
    RawSumsOf(at, request.items, request.vectors, request.raw);
    // The loss of a 1 is that of a 0 of the opposite sum.
    for (std::size_t s = 0; s < given; ++s) request.raw[s] = -request.raw[s];
    math::SoftplusOf(request.raw, request.values, request.slopes);
    const double of_others =
        all > given ? negatives_ * static_cast<double>(given) / static_cast<double>(all - given)
                    : 0;
    double value = 0;
    for (std::size_t s = 0; s < all; ++s) {
      const double weight = s < given ? 1 : of_others;
      value += weight * request.values[s];
      request.slopes[s] *= s < given ? -1 : weight;
    }
    AddSlopes(request.slopes, request.vectors, at);
    return value;
  }

  void CurvatureTerms(const Evaluation& at, std::vector<RowId>& items, std::vector<double>& weights,
                      std::vector<double>&) const override {
    const auto add = [&](std::span<const RowId> from, double weight) {
      std::vector<double> raw(from.size());
      RawSumsOf(at, from, VectorsOf(from), raw);
      for (std::size_t s = 0; s < from.size(); ++s) {
        const double share = math::Sigmoid(raw[s]);
        items.push_back(from[s]);
        weights.push_back(weight * share * (1 - share) / static_cast<double>(from.size()));
      }
    };
    add(as_rated_, 1);
    add(table(), negatives_);
  }

  const double negatives_;
  const std::vector<RowId> as_rated_;
};

/// Each given item is the one among a batch's. Of the batch it is known how often it has each item
/// on average; the given item itself it has at least once.
class SoftmaxLoss final : public ClickLoss {
 public:
  SoftmaxLoss(const ServedModel& model, const Catalogue& catalogue)
      : ClickLoss(model, catalogue, kTableItems), shape_(*SoftmaxOf(model.spec().job())) {
    const auto samples = static_cast<double>(catalogue.training_samples());
    const auto batch = static_cast<double>(model.spec().job().train().batch_size());
    others_ = std::max(0.0, std::min(batch, samples) - 1);
    corrections_.resize(catalogue.data().items());
    shares_.resize(catalogue.data().items());
    for (std::uint32_t k = 0; k < shares_.size(); ++k) {
      const std::uint32_t of_item = catalogue.ItemTrainingRatings(RowId{k});
      shares_[k] = static_cast<double>(of_item) / std::max(1.0, samples);
      const double share = std::max(1.0, static_cast<double>(of_item)) / std::max(1.0, samples);
      if (shape_.logq_correction) corrections_[k] = -math::Log(share);
    }
    // What the table lacks, its items stand for.
    table_weight_ = static_cast<double>(shares_.size()) / static_cast<double>(table().size());
  }

 private:
  void LogitsOf(const Evaluation& at, std::span<const RowId> items,
                std::span<const float* const> vectors, std::span<double> logits) const {
    RawSumsOf(at, items, vectors, logits);
    for (std::size_t s = 0; s < items.size(); ++s) {
      logits[s] = static_cast<double>(shape_.inverse_temperature) * logits[s] +
                  corrections_[Index(items[s])];
    }
  }

  /// By item of the table: how many of it a batch has, times e^(logit - largest).
  struct Masses {
    std::vector<double> of_items;
    double sum = 0;
    double largest = 0;
  };
  Masses MassesOf(const Evaluation& at, double largest) const {
    Masses masses{.of_items = std::vector<double>(table().size()), .largest = largest};
    LogitsOf(at, table(), table_vectors(), masses.of_items);
    for (const double logit : masses.of_items) masses.largest = std::max(masses.largest, logit);
    for (std::size_t k = 0; k < table().size(); ++k) {
      masses.of_items[k] = others_ * table_weight_ * shares_[Index(table()[k])] *
                           math::Exp(masses.of_items[k] - masses.largest);
      masses.sum += masses.of_items[k];
    }
    return masses;
  }

  void Prepare(Request& request) const override {
    for (const GivenRating& one : request.given) request.items.push_back(one.item);
    request.vectors = VectorsOf(request.items);
    request.raw.resize(request.items.size());
    request.slopes.resize(request.items.size());
  }

  double Evaluate(Request& request, Evaluation& at) const override {
    const std::span<const GivenRating> given = request.given;
    std::vector<double>& logits = request.raw;
    LogitsOf(at, request.items, request.vectors, logits);
    Masses masses = MassesOf(at, *std::ranges::max_element(logits));
    const auto scale = static_cast<double>(shape_.inverse_temperature);
    double value = 0;
    double inverse_sums = 0;
    for (std::size_t s = 0; s < given.size(); ++s) {
      const double own = math::Exp(logits[s] - masses.largest);
      // The other samples of the item in the batch are no candidates against it.
      const double of_others =
          shape_.remove_accidental_hits ? others_ * shares_[Index(given[s].item)] * own : 0.0;
      const double sum = std::max(masses.sum - of_others, 0.0) + own;
      value += math::Log(sum) + masses.largest - logits[s];
      inverse_sums += 1 / sum;
      request.slopes[s] = scale * ((own - of_others) / sum - 1);
    }
    AddSlopes(request.slopes, request.vectors, at);
    for (double& mass : masses.of_items) mass *= scale * inverse_sums;
    AddSlopes(masses.of_items, table_vectors(), at);
    return value;
  }

  void CurvatureTerms(const Evaluation& at, std::vector<RowId>& items, std::vector<double>& weights,
                      std::vector<double>& middle) const override {
    const Masses masses = MassesOf(at, -math::kInfinity);
    const auto scale = static_cast<double>(shape_.inverse_temperature);
    items.assign(table().begin(), table().end());
    for (std::size_t k = 0; k < items.size(); ++k) {
      const double share = masses.sum > 0 ? masses.of_items[k] / masses.sum : 0.0;
      weights.push_back(scale * scale * share);
      for (std::size_t d = 0; d < middle.size(); ++d) {
        middle[d] += share * static_cast<double>(model().items().vector(items[k])[d]);
      }
    }
  }

  const SoftmaxShape shape_;
  double others_ = 0;                // Samples of a batch beside the given one.
  double table_weight_ = 1;          // How many items one of the table stands for.
  std::vector<double> shares_;       // By item: of the training samples.
  std::vector<double> corrections_;  // By item: what is added to its logit.
};

}  // namespace

std::unique_ptr<const RowLoss> MakeClickLoss(const ServedModel& model, const Catalogue& catalogue) {
  if (model.spec().batch_is_candidates()) return std::make_unique<SoftmaxLoss>(model, catalogue);
  return std::make_unique<NegativesLoss>(model, catalogue);
}

}  // namespace cf

#include "serving/user_scores.h"

#include <algorithm>
#include <utility>

#include "common/model/ranker.h"

namespace cf {
namespace {

/// Of a model that compares vectors: linear in the row.
class DotScores final : public UserScores {
 public:
  DotScores(const ServedModel& model, const std::vector<RowId>& items, const UserRow& beside)
      : UserScores(items.size(), RowSize(model)), constant_(items.size()) {
    const std::size_t dim = model.users().dim();
    for (std::size_t s = 0; s < items.size(); ++s) {
      const float* const vector = model.items().vector(items[s]);
      const std::span<double> derivatives = mutable_derivatives().row(s);
      std::copy_n(vector, dim, derivatives.begin());
      if (derivatives.size() > dim) derivatives[dim] = 1;
      double sum = static_cast<double>(beside.bias) +
                   static_cast<double>(model.items().bias(items[s])) +
                   static_cast<double>(model.objective().mean);
      for (std::size_t k = 0; k < dim; ++k) {
        sum += static_cast<double>(beside.vector[k]) * derivatives[k];
      }
      constant_[s] = sum;
    }
  }

  void At(std::span<const double> row, bool, std::span<double> raw) override {
    for (std::size_t s = 0; s < constant_.size(); ++s) {
      const std::span<const double> by_row = derivatives().row(s);
      double sum = constant_[s];
      for (std::size_t k = 0; k < row.size(); ++k) sum += row[k] * by_row[k];
      raw[s] = sum;
    }
  }

 private:
  std::vector<double> constant_;  // By item: what the row does not decide.
};

/// Of a network on a pair's vectors.
class NetworkScores final : public UserScores {
 public:
  NetworkScores(const ServedModel& model, std::vector<RowId> items, const UserRow& beside)
      : UserScores(items.size(), RowSize(model)),
        model_(model),
        shape_(*RankerOf(model.spec().job())),
        items_(std::move(items)),
        beside_(beside),
        passage_(WithoutDropout(shape_.network), Network::Passage::Use::kTraining) {}

  void At(std::span<const double> row, bool derivatives, std::span<double> raw) override {
    const std::vector<float> user(row.begin(), row.end());
    for (std::size_t first = 0; first < items_.size(); first += Network::kChunk) {
      const std::size_t n = std::min(Network::kChunk, items_.size() - first);
      Forward(user, first, n);
      for (std::size_t s = 0; s < n; ++s) {
        raw[first + s] = static_cast<double>(passage_.output(s));
        passage_.set_slope(s, 1);
      }
      if (!derivatives) continue;
      network().Backward(n, {}, {}, passage_);
      for (std::size_t s = 0; s < n; ++s) {
        std::copy_n(passage_.input_slope(s) + shape_.user_at(), row.size(),
                    mutable_derivatives().row(first + s).begin());
      }
    }
  }

 private:
  const Network& network() const { return model_.scorer().networks().front(); }

  const float* FeatureOf(RowId item, std::size_t f) const {
    const ServedFeature& feature = model_.features()[f];
    switch (feature.lists.side()) {
      case FeatureSide::kUser:
        return beside_.features[f].data();
      case FeatureSide::kItem:
        return feature.composed.vector(item);
      case FeatureSide::kSample:
        break;
    }
    return feature.rows.vector(feature.lists.newest());
  }

  void Forward(const std::vector<float>& user, std::size_t first, std::size_t n) {
    for (std::size_t s = 0; s < n; ++s) {
      const RowId item = items_[first + s];
      shape_.FillInput(
          user.data(), model_.items().vector(item),
          [&](std::size_t f) { return FeatureOf(item, f); }, passage_.input(s));
    }
    network().Forward(n, passage_);
  }

  const ServedModel& model_;
  const RankerShape shape_;
  const std::vector<RowId> items_;
  const UserRow& beside_;
  Network::Passage passage_;
};

}  // namespace

TableSpec UserTableOf(const ModelSpec& spec) {
  const std::vector<std::uint32_t> features(spec.features().size(), 1);
  return spec.Tables({.users = 1, .items = 1, .features = features}).front();
}

std::size_t RowSize(const ServedModel& model) {
  const TableShape users = UserTableOf(model.spec()).shape;
  return users.dim + (users.biases ? 1 : 0);
}

NetworkShape WithoutDropout(NetworkShape shape) {
  shape.dropout = 0;
  for (LayerShape& layer : shape.layers) layer.dropout = 0;
  return shape;
}

std::unique_ptr<UserScores> UserScores::Of(const ServedModel& model, std::vector<RowId> items,
                                           const UserRow& beside) {
  if (RankerOf(model.spec().job()).has_value()) {
    return std::make_unique<NetworkScores>(model, std::move(items), beside);
  }
  return std::make_unique<DotScores>(model, items, beside);
}

}  // namespace cf

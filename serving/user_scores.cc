#include "serving/user_scores.h"

#include <algorithm>
#include <utility>

#include "common/math/float_rows.h"
#include "common/model/ranker.h"

namespace cf {
namespace {

/// Of a model that compares vectors: linear in the row.
class DotScores final : public UserScores {
 public:
  DotScores(const ServedModel& model, std::vector<RowId> items, const UserRow& beside)
      : items_(std::move(items)),
        vectors_(model.items()),
        has_bias_(RowSize(model) > vectors_.dim()),
        constants_(items_.size()),
        padded_(vectors_.padded_dim()) {
    for (const RowId item : items_) rows_.push_back(vectors_.vector(item));
    std::copy_n(beside.vector.data(), padded_.size(), padded_.begin());
    DotsOf(padded_, rows_, constants_);
    for (std::size_t s = 0; s < items_.size(); ++s) {
      constants_[s] += static_cast<double>(beside.bias) +
                       static_cast<double>(vectors_.bias(items_[s])) +
                       static_cast<double>(model.objective().mean);
    }
    std::ranges::fill(padded_, 0.0);
  }

  void At(std::span<const double> row, std::span<double> raw) override {
    std::ranges::copy(row.first(vectors_.dim()), padded_.begin());
    const double bias = has_bias_ ? row.back() : 0;
    DotsOf(padded_, rows_, raw);
    for (std::size_t s = 0; s < items_.size(); ++s) raw[s] += constants_[s] + bias;
  }

  void AddSlopes(std::span<const double> slopes, std::span<double> to) const override {
    std::vector<double> sum(vectors_.padded_dim());
    std::copy_n(to.begin(), vectors_.dim(), sum.begin());
    AddRows(slopes, rows_, sum);
    std::copy_n(sum.begin(), vectors_.dim(), to.begin());
    if (!has_bias_) return;
    for (const double slope : slopes) to.back() += slope;
  }

  void AddProducts(std::span<const double> weights, SymmetricMatrix& to) const override {
    // Some at once, so that what is made of them stays in a cache.
    constexpr std::size_t kAtOnce = 64;
    DenseRows derivatives(std::min(kAtOnce, items_.size()), to.size());
    for (std::size_t first = 0; first < items_.size(); first += kAtOnce) {
      const std::size_t count = std::min(kAtOnce, items_.size() - first);
      for (std::size_t s = 0; s < count; ++s) {
        const std::span<double> row = derivatives.row(s);
        std::copy_n(vectors_.vector(items_[first + s]), vectors_.dim(), row.begin());
        if (has_bias_) row.back() = 1;
      }
      to.AddProducts(weights.subspan(first, count), derivatives);
    }
  }

 private:
  const std::vector<RowId> items_;
  const WeightTable& vectors_;
  const bool has_bias_;
  std::vector<const float*> rows_;  // By item: its vector.
  std::vector<double> constants_;   // By item: what the row does not decide.
  std::vector<double> padded_;      // A row's vector, with zeros behind it.
};

/// Of a network on a pair's vectors.
class NetworkScores final : public UserScores {
 public:
  NetworkScores(const ServedModel& model, std::vector<RowId> items, const UserRow& beside)
      : model_(model),
        shape_(*RankerOf(model.spec().job())),
        items_(std::move(items)),
        beside_(beside),
        derivatives_(items_.size(), RowSize(model)),
        passage_(WithoutDropout(shape_.network), Network::Passage::Use::kTraining) {}

  void At(std::span<const double> row, std::span<double> raw) override {
    const std::vector<float> user(row.begin(), row.end());
    for (std::size_t first = 0; first < items_.size(); first += Network::kChunk) {
      const std::size_t n = std::min(Network::kChunk, items_.size() - first);
      Forward(user, first, n);
      for (std::size_t s = 0; s < n; ++s) {
        raw[first + s] = static_cast<double>(passage_.output(s));
        passage_.set_slope(s, 1);
      }
      network().Backward(n, {}, {}, passage_);
      for (std::size_t s = 0; s < n; ++s) {
        std::copy_n(passage_.input_slope(s) + shape_.user_at(), row.size(),
                    derivatives_.row(first + s).begin());
      }
    }
  }

  void AddSlopes(std::span<const double> slopes, std::span<double> to) const override {
    for (std::size_t s = 0; s < items_.size(); ++s) {
      const std::span<const double> by_row = derivatives_.row(s);
      for (std::size_t k = 0; k < to.size(); ++k) to[k] += slopes[s] * by_row[k];
    }
  }

  void AddProducts(std::span<const double> weights, SymmetricMatrix& to) const override {
    to.AddProducts(weights, derivatives_);
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
  DenseRows derivatives_;  // By item: of its raw sum by the row.
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
  if (model.compares_vectors()) {
    return std::make_unique<DotScores>(model, std::move(items), beside);
  }
  return std::make_unique<NetworkScores>(model, std::move(items), beside);
}

}  // namespace cf

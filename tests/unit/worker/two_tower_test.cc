// Towers against what they mean: every sample through the layers by itself, in double, a softmax
// over all samples of the batch, and derivatives by differences.

#include "worker/models/two_tower.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "common/math/random.h"

namespace cf::two_tower_test {
namespace {

constexpr std::uint32_t kUsers = 6;
constexpr std::uint32_t kItems = 9;
constexpr std::size_t kBatch = 40;
constexpr std::size_t kOwn = 25;  // The first samples of the batch are of the seat's partition.
constexpr DropoutKey kKey = {.seed = 9, .epoch = 3, .partition = 5};
constexpr BatchDropoutKey kBatchKey = {.seed = 9, .epoch = 3, .batch = 11};
constexpr std::uint64_t kPosition = 1000;

using Vector = std::vector<double>;

/// Whether dropout keeps number `k` of a sample of kOwn, or of an item, as docs/arithmetic.md says.
bool KeepsUser(std::size_t level, std::size_t s, std::size_t width, std::size_t k, double rate) {
  const CounterRandom random(
      kKey.seed, Purpose::kDropout,
      CounterRandom::Stream(kKey.epoch, static_cast<std::uint32_t>(level) << 16 | kKey.partition));
  const PhiloxBlock block = random.Block((kPosition + s) * ((width + 3) / 4) + k / 4);
  return static_cast<double>(block[k % 4]) >= std::floor(rate * 0x1p32);
}
bool KeepsItem(std::size_t level, std::size_t item, std::size_t width, std::size_t k, double rate) {
  const CounterRandom random(kBatchKey.seed, Purpose::kBatchDropout,
                             CounterRandom::Stream(kBatchKey.epoch, kBatchKey.batch));
  const PhiloxBlock block =
      random.Block((std::uint64_t{level} << 48) + item * ((width + 3) / 4) + k / 4);
  return static_cast<double>(block[k % 4]) >= std::floor(rate * 0x1p32);
}

/// A batch with all parameters; `tables` are users, items and the layers.
struct Drawn {
  TowerShapes towers;
  SoftmaxShape softmax;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> batch;  // User and item.
  std::vector<std::vector<Vector>> tables;                     // Exact in float.
};

template <class Keeps>
Vector Through(const NetworkShape& tower, const std::vector<Vector>* layers, Vector values,
               std::size_t sample, bool drops, Keeps keeps) {
  for (std::size_t l = 0; l < tower.layers.size(); ++l) {
    const LayerShape& layer = tower.layers[l];
    const Vector& row = layers[l][0];
    Vector outputs(layer.units);
    for (std::size_t u = 0; u < layer.units; ++u) {
      double sum = row[layer.inputs * layer.units + u];
      for (std::size_t i = 0; i < layer.inputs; ++i) sum += values[i] * row[i * layer.units + u];
      if (layer.relu) sum = std::max(sum, 0.0);
      if (drops && layer.dropout > 0) {
        const bool kept = keeps(l + 1, sample, layer.units, u, layer.dropout);
        sum = kept ? sum / (1 - layer.dropout) : 0;
      }
      outputs[u] = sum;
    }
    values = outputs;
  }
  return values;
}

/// The loss of the first kOwn samples.
double SlowLoss(const Drawn& drawn, bool drops) {
  std::vector<Vector> items;
  for (std::size_t item = 0; item < kItems; ++item) {
    items.push_back(Through(drawn.towers.item,
                            drawn.tables.data() + 2 + drawn.towers.user.layers.size(),
                            drawn.tables[1][item], item, drops, KeepsItem));
  }
  double loss = 0;
  for (std::size_t s = 0; s < kOwn; ++s) {
    const Vector user = Through(drawn.towers.user, drawn.tables.data() + 2,
                                drawn.tables[0][drawn.batch[s].first], s, drops, KeepsUser);
    double sum = 0;
    double own = 0;
    for (std::size_t c = 0; c < kBatch; ++c) {
      double logit = 0;
      for (std::size_t k = 0; k < user.size(); ++k)
        logit += user[k] * items[drawn.batch[c].second][k];
      logit *= static_cast<double>(drawn.softmax.inverse_temperature);
      sum += std::exp(logit);
      if (c == s) own = logit;
    }
    loss += std::log(sum) - own;
  }
  return loss;
}

Drawn Draw(const TowerShapes& towers) {
  const CounterRandom random(8, Purpose::kSynth);
  std::uint64_t n = 0;
  Drawn drawn{.towers = towers,
              .softmax = {.dim = towers.user.outputs(), .inverse_temperature = 1.25F},
              .batch = {},
              .tables = {}};
  for (std::size_t s = 0; s < kBatch; ++s) {
    const auto user = static_cast<std::uint32_t>(random.Below(n, kUsers));
    const auto item = static_cast<std::uint32_t>(random.Below(n + 1, kItems - 1));
    drawn.batch.push_back({user, item});  // The last item is nobody's.
    n += 2;
  }
  const auto add_table = [&](std::size_t rows, std::size_t dim) {
    std::vector<Vector>& table = drawn.tables.emplace_back(rows, Vector(dim));
    for (Vector& row : table) {
      for (double& w : row) w = static_cast<double>(random.UniformFloat(n++)) * 2 - 1;
    }
  };
  add_table(kUsers, towers.user.inputs);
  add_table(kItems, towers.item.inputs);
  for (const NetworkShape* tower : {&towers.user, &towers.item}) {
    for (const LayerShape& layer : tower->layers) add_table(1, layer.weights());
  }
  return drawn;
}

/// What TwoTower makes of it: gradients of the form of `tables`; rows that the samples do not touch
/// have zeros.
struct Outcome {
  ObjectiveSums trained;
  ObjectiveSums scored;
  std::vector<std::vector<std::vector<float>>> gradients;
};

Outcome Compute(const Drawn& drawn) {
  SetFloatMode();
  TwoTower model(drawn.towers, drawn.softmax, {}, *KernelsFor(KernelTarget::kBest).value());
  Outcome outcome;
  std::vector<std::vector<std::vector<float>>> rows;
  std::vector<std::size_t> strides;
  for (const std::vector<Vector>& table : drawn.tables) {
    const std::size_t padded = PaddedDim(static_cast<std::uint32_t>(table[0].size()));
    strides.push_back(padded + kLanes);
    rows.emplace_back();
    for (const Vector& row : table) {
      rows.back().emplace_back(row.begin(), row.end());
      rows.back().back().resize(padded + 1);
    }
    outcome.gradients.emplace_back(table.size(), std::vector<float>(strides.back()));
  }
  std::vector<LayerGradient> layer_gradients;
  for (std::size_t l = 0; l < model.layers(); ++l) {
    model.SetLayer(l, rows[2 + l][0].data());
    std::ranges::fill(outcome.gradients[2 + l][0], NAN);  // All of it is written.
    layer_gradients.push_back(
        {.row = outcome.gradients[2 + l][0].data(), .stride = strides[2 + l]});
  }

  std::map<std::uint32_t, std::uint32_t> counts;
  for (const auto& [user, item] : drawn.batch) ++counts[item];
  Candidates candidates;
  std::vector<const float*> item_rows;
  for (const auto& [item, count] : counts) {
    candidates.items.push_back(RowId{item});
    candidates.counts.push_back(count);
    item_rows.push_back(rows[1][item].data());
  }
  std::vector<const float*> user_rows;
  std::map<std::uint32_t, std::uint32_t> users;
  std::vector<PairSample> samples;
  for (std::size_t s = 0; s < kOwn; ++s) {
    const auto [user, item] = drawn.batch[s];
    const auto [entry, is_first] = users.emplace(user, static_cast<std::uint32_t>(users.size()));
    if (is_first) user_rows.push_back(rows[0][user].data());
    const auto place = std::ranges::find(candidates.items, RowId{item}) - candidates.items.begin();
    samples.push_back(
        {.user = entry->second & 0x7fffffffU,
         .user_is_first = is_first ? 1U : 0U,
         // As in the second partition of a seat.
         .item = static_cast<std::uint32_t>(place + std::ssize(item_rows)) & 0x7fffffffU,
         .item_is_first = 0,
         .rating = 1});
  }
  std::vector<float> user_gradients(users.size() * strides[0], NAN);
  std::vector<float> item_gradients(item_rows.size() * strides[1], NAN);
  const TwoTowerBatch batch{.samples = samples,
                            .first_item = static_cast<std::uint32_t>(item_rows.size()),
                            .user_rows = user_rows.data(),
                            .user_gradients = user_gradients.data(),
                            .item_gradients = item_gradients.data(),
                            .user_stride = strides[0],
                            .item_stride = strides[1],
                            .layer_gradients = layer_gradients};
  model.SetCandidates(candidates, item_rows.data(), kBatchKey);
  model.Gradient(batch, kKey, kPosition, outcome.trained);
  for (const auto& [user, entry] : users) {
    std::copy_n(user_gradients.data() + entry * strides[0], strides[0],
                outcome.gradients[0][user].data());
  }
  for (std::size_t r = 0; r < item_rows.size(); ++r) {
    std::copy_n(item_gradients.data() + r * strides[1], strides[1],
                outcome.gradients[1][Index(candidates.items[r])].data());
  }
  model.SetCandidates(candidates, item_rows.data(), std::nullopt);
  model.Score(batch, outcome.scored);
  return outcome;
}

class TwoTowerOf : public ::testing::TestWithParam<TowerShapes> {};

TEST_P(TwoTowerOf, GradientsAreNumerical) {
  Drawn drawn = Draw(GetParam());
  const Outcome outcome = Compute(drawn);
  EXPECT_EQ(outcome.trained.samples, kOwn);
  EXPECT_EQ(outcome.scored.samples, kOwn);
  EXPECT_NEAR(outcome.trained.loss, SlowLoss(drawn, true), 1e-4);
  EXPECT_NEAR(outcome.scored.loss, SlowLoss(drawn, false), 1e-4);
  for (std::size_t t = 0; t < drawn.tables.size(); ++t) {
    for (std::size_t r = 0; r < drawn.tables[t].size(); ++r) {
      const std::vector<float>& gradient = outcome.gradients[t][r];
      for (std::size_t k = 0; k < gradient.size(); ++k) {
        if (k >= drawn.tables[t][r].size()) {
          EXPECT_EQ(gradient[k], 0) << "what is behind the weights travels and is summed";
          continue;
        }
        constexpr double kStep = 1e-5;
        double& parameter = drawn.tables[t][r][k];
        const double at = parameter;
        parameter = at + kStep;
        const double above = SlowLoss(drawn, true);
        parameter = at - kStep;
        const double below = SlowLoss(drawn, true);
        parameter = at;
        const double expected = (above - below) / (2 * kStep);
        EXPECT_NEAR(static_cast<double>(gradient[k]), expected,
                    1e-4 * std::max(1.0, std::abs(expected)))
            << "table " << t << ", row " << r << ", weight " << k;
      }
    }
  }
}

const LayerShape kWide = {.inputs = 5, .units = 19, .relu = true, .dropout = 0.3};

INSTANTIATE_TEST_SUITE_P(
    Towers, TwoTowerOf,
    ::testing::Values(
        TowerShapes{.user = {.inputs = 5, .layers = {kWide, {.inputs = 19, .units = 4}}},
                    .item = {.inputs = 3,
                             .layers = {{.inputs = 3, .units = 4, .relu = true, .dropout = 0.25}}}},
        TowerShapes{.user = {.inputs = 4, .layers = {}},
                    .item = {.inputs = 5, .layers = {kWide, {.inputs = 19, .units = 4}}}},
        TowerShapes{.user = {.inputs = 5, .layers = {kWide}}, .item = {.inputs = 19, .layers = {}}},
        TowerShapes{.user = {.inputs = 5, .layers = {}}, .item = {.inputs = 5, .layers = {}}}));

}  // namespace
}  // namespace cf::two_tower_test

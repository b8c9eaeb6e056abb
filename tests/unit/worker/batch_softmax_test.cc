// In-batch softmax against what it means: for each sample a softmax over all samples of the batch,
// in double, and derivatives by differences.

#include "worker/models/batch_softmax.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "common/math/random.h"

namespace cf::batch_softmax_test {
namespace {

constexpr std::uint32_t kUsers = 29;
constexpr std::uint32_t kItems = 37;
constexpr std::uint32_t kDim = 5;
constexpr std::size_t kPadded = PaddedDim(kDim);
constexpr std::size_t kStride = kPadded + kLanes;
constexpr std::size_t kBatch = 260;
constexpr std::size_t kOwn = 150;  // More than a block of the seat's own samples.

struct Pair {
  std::uint32_t user = 0;
  std::uint32_t item = 0;
};

struct Weights {
  std::vector<double> users;
  std::vector<double> items;
};

/// A batch whose first kOwn samples are of one partition, the others of others.
struct Drawn {
  std::vector<Pair> batch;
  Weights weights;  // Exact in float.
  std::vector<float> log_shares;
};

Drawn Draw() {
  const CounterRandom random(8, Purpose::kSynth);
  std::uint64_t n = 0;
  Drawn drawn;
  for (std::size_t s = 0; s < kBatch; ++s) {
    const auto user = static_cast<std::uint32_t>(random.Below(n++, kUsers));
    const std::uint64_t item = std::min(random.Below(n, kItems), random.Below(n + 1, kItems));
    n += 2;
    drawn.batch.push_back({user, static_cast<std::uint32_t>(item)});
  }
  const auto draw = [&](std::size_t count) {
    std::vector<double> values(count);
    for (double& value : values) value = static_cast<double>(random.UniformFloat(n++)) * 2 - 1;
    return values;
  };
  drawn.weights = {.users = draw(kUsers * kDim), .items = draw(kItems * kDim)};
  for (std::uint32_t item = 0; item < kItems; ++item) {
    drawn.log_shares.push_back(random.UniformFloat(n++) * 3);
  }
  return drawn;
}

/// The loss of the first kOwn samples, each against the batch's columns.
double SlowLoss(const SoftmaxShape& shape, const Drawn& drawn, const Weights& weights) {
  // Of every user and every item: a batch asks for most of them many times.
  std::vector<double> exponentials;
  for (std::uint32_t user = 0; user < kUsers; ++user) {
    for (std::uint32_t item = 0; item < kItems; ++item) {
      double logit = 0;
      for (std::uint32_t k = 0; k < kDim; ++k) {
        logit += weights.users[user * kDim + k] * weights.items[item * kDim + k];
      }
      logit *= static_cast<double>(shape.inverse_temperature);
      if (shape.logq_correction) logit += static_cast<double>(drawn.log_shares[item]);
      exponentials.push_back(std::exp(logit));
    }
  }
  double loss = 0;
  for (std::size_t s = 0; s < kOwn; ++s) {
    const Pair own = drawn.batch[s];
    const double* of_user = &exponentials[own.user * kItems];
    double sum = 0;
    for (std::size_t c = 0; c < drawn.batch.size(); ++c) {
      const std::uint32_t item = drawn.batch[c].item;
      if (shape.remove_accidental_hits && c != s && item == own.item) continue;
      sum += of_user[item];
    }
    loss -= std::log(of_user[own.item] / sum);
  }
  return loss;
}

/// What BatchSoftmax makes of the same.
struct Outcome {
  ObjectiveSums trained;
  ObjectiveSums scored;
  std::map<std::uint32_t, std::vector<float>> users;  // Gradients by id.
  std::map<std::uint32_t, std::vector<float>> items;
};

Outcome Compute(const SoftmaxShape& shape, const Drawn& drawn, const KernelSet& kernels) {
  SetFloatMode();
  std::map<std::uint32_t, std::uint32_t> counts;
  for (const Pair& pair : drawn.batch) ++counts[pair.item];
  Candidates candidates;
  for (const auto& [item, count] : counts) {
    candidates.items.push_back(RowId{item});
    candidates.counts.push_back(count);
  }
  const auto row_of = [](const std::vector<double>& weights, std::uint32_t id) {
    std::vector<float> row(kPadded + 1, 0.0F);
    for (std::uint32_t k = 0; k < kDim; ++k) row[k] = static_cast<float>(weights[id * kDim + k]);
    return row;
  };
  std::vector<std::vector<float>> item_rows;
  std::vector<const float*> item_pointers;
  for (const RowId item : candidates.items) {
    item_rows.push_back(row_of(drawn.weights.items, static_cast<std::uint32_t>(item)));
  }
  for (const std::vector<float>& row : item_rows) item_pointers.push_back(row.data());

  constexpr std::uint32_t kFirstItem = 1000;  // As of a seat's later partition.
  std::vector<std::uint32_t> users;
  std::vector<PairSample> samples;
  for (std::size_t s = 0; s < kOwn; ++s) {
    const auto [user, item] = drawn.batch[s];
    const auto found = std::ranges::find(users, user);
    const auto place = static_cast<std::uint32_t>(found - users.begin());
    const bool is_first = found == users.end();
    if (is_first) users.push_back(user);
    const auto at = std::ranges::find(candidates.items, RowId{item}) - candidates.items.begin();
    samples.push_back({.user = place & 0x7fffffffU,
                       .user_is_first = is_first ? 1U : 0U,
                       .item = (kFirstItem + static_cast<std::uint32_t>(at)) & 0x7fffffffU,
                       .item_is_first = 0,
                       .rating = 3});
  }
  std::vector<std::vector<float>> user_rows;
  std::vector<const float*> user_pointers;
  for (const std::uint32_t user : users) user_rows.push_back(row_of(drawn.weights.users, user));
  for (const std::vector<float>& row : user_rows) user_pointers.push_back(row.data());

  // Not zeros: whoever writes a gradient writes all of it.
  std::vector<float> user_gradients(users.size() * kStride, NAN);
  std::vector<float> item_gradients(candidates.items.size() * kStride, NAN);
  BatchSoftmax softmax(shape, shape.logq_correction ? drawn.log_shares : std::vector<float>(),
                       kernels);
  // A smaller batch before it, whose traces must not show.
  softmax.SetCandidates({.items = {RowId{1}}, .counts = {7}}, item_pointers.data());
  softmax.SetCandidates(candidates, item_pointers.data());
  const SoftmaxBatch batch{.samples = samples,
                           .first_item = kFirstItem,
                           .user_rows = user_pointers.data(),
                           .user_gradients = user_gradients.data(),
                           .item_gradients = item_gradients.data(),
                           .gradient_stride = kStride};
  Outcome outcome;
  softmax.Gradient(batch, outcome.trained);
  softmax.Score(batch, outcome.scored);
  const auto gradient_of = [](const std::vector<float>& gradients, std::size_t row) {
    const auto begin = gradients.begin() + static_cast<std::ptrdiff_t>(row * kStride);
    return std::vector<float>(begin, begin + kStride);
  };
  for (std::size_t k = 0; k < users.size(); ++k) {
    outcome.users[users[k]] = gradient_of(user_gradients, k);
  }
  for (std::size_t k = 0; k < candidates.items.size(); ++k) {
    outcome.items[static_cast<std::uint32_t>(candidates.items[k])] = gradient_of(item_gradients, k);
  }
  return outcome;
}

std::vector<SoftmaxShape> Shapes() {
  return {{.dim = kDim},
          {.dim = kDim, .inverse_temperature = 4, .logq_correction = true},
          {.dim = kDim, .weight = 1.0F / kBatch, .remove_accidental_hits = true},
          {.dim = kDim,
           .inverse_temperature = 4,
           .weight = 1.0F / kBatch,
           .logq_correction = true,
           .remove_accidental_hits = true}};
}

std::string NameOf(const SoftmaxShape& shape) {
  return "1/temperature " + std::to_string(shape.inverse_temperature) + ", logq " +
         std::to_string(shape.logq_correction) + ", removes hits " +
         std::to_string(shape.remove_accidental_hits);
}

TEST(BatchSoftmax, LossIsThatOfASoftmaxOverTheBatchsColumns) {
  const Drawn drawn = Draw();
  for (const SoftmaxShape& shape : Shapes()) {
    const Outcome outcome = Compute(shape, drawn, *KernelsFor(KernelTarget::kBest).value());
    const double expected = SlowLoss(shape, drawn, drawn.weights);
    EXPECT_NEAR(outcome.trained.loss, expected, 1e-6 * expected) << NameOf(shape);
    EXPECT_EQ(outcome.trained.samples, kOwn);
    EXPECT_EQ(outcome.scored.loss, outcome.trained.loss) << NameOf(shape);
    EXPECT_EQ(outcome.scored.samples, kOwn);
  }
}

TEST(BatchSoftmax, GradientsAreTheLosssDerivatives) {
  const Drawn drawn = Draw();
  for (const SoftmaxShape& shape : Shapes()) {
    const Outcome outcome = Compute(shape, drawn, *KernelsFor(KernelTarget::kBest).value());
    constexpr double kStep = 1e-5;
    const auto expect = [&](std::vector<double> Weights::*table, std::uint32_t id,
                            const std::vector<float>& gradient) {
      for (std::uint32_t k = 0; k < kStride; ++k) {
        double expected = 0;  // Behind the vector.
        if (k < kDim) {
          Weights above = drawn.weights;
          Weights below = drawn.weights;
          (above.*table)[id * kDim + k] += kStep;
          (below.*table)[id * kDim + k] -= kStep;
          expected = (SlowLoss(shape, drawn, above) - SlowLoss(shape, drawn, below)) / (2 * kStep) *
                     static_cast<double>(shape.weight);
        }
        const double scale = static_cast<double>(shape.weight);
        EXPECT_NEAR(static_cast<double>(gradient[k]), expected,
                    k < kDim ? scale * 2e-5 * (1 + std::fabs(expected / scale)) : 0)
            << NameOf(shape) << ", " << id << ", " << k;
      }
    };
    for (const auto& [id, gradient] : outcome.users) expect(&Weights::users, id, gradient);
    for (const auto& [id, gradient] : outcome.items) expect(&Weights::items, id, gradient);
  }
}

TEST(BatchSoftmax, EveryInstructionSetMakesTheSameBits) {
  const absl::StatusOr<const KernelSet*> wide = KernelsFor(KernelTarget::kAvx512);
  if (!wide.ok()) GTEST_SKIP() << wide.status();
  const Drawn drawn = Draw();
  for (const SoftmaxShape& shape : Shapes()) {
    const Outcome expected = Compute(shape, drawn, *KernelsFor(KernelTarget::kAvx2).value());
    const Outcome outcome = Compute(shape, drawn, **wide);
    EXPECT_EQ(outcome.trained.loss, expected.trained.loss) << NameOf(shape);
    EXPECT_EQ(outcome.users, expected.users) << NameOf(shape);
    EXPECT_EQ(outcome.items, expected.items) << NameOf(shape);
  }
}

}  // namespace
}  // namespace cf::batch_softmax_test

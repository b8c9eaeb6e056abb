// The two-tower model as PyTorch trains it: make_retrieval_reference.py.

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/reference/drawn.h"
#include "tests/unit/paramserver/local_rows.h"
#include "worker/models/two_tower.h"

namespace cf::retrieval_test {
namespace {

constexpr double kTolerance = 2e-5;
constexpr std::uint32_t kSteps = 60;

struct Case {
  std::string name;
  std::string optimizer;
  std::string softmax;
  std::string towers = "user { dim: 5 l2: 0.001 } item { dim: 5 l2: 0.001 }";
};

Job JobOf(const Case& test) {
  absl::StatusOr<Job> job = ParseJob(
      "model { retrieval {" + test.towers + test.softmax + "} } optimizer {" + test.optimizer + "}",
      "test");
  Check(job.ok(), "the test's job parses");
  job->mutable_train()->set_batch_size(drawn::kBatch);
  FillDefaults(*job);
  return *job;
}

/// The shares of the script.
std::vector<float> LogShares() {
  std::vector<float> shares;
  for (std::uint32_t item = 0; item < drawn::kItems; ++item) {
    constexpr double kSum = drawn::kItems * (drawn::kItems + 1) / 2.0;
    shares.push_back(static_cast<float>(-std::log((item + 1) / kSum)));
  }
  return shares;
}

void TrainStep(std::uint32_t step, const std::vector<TableSpec>& tables, TwoTower& model,
               LocalRows& local) {
  std::vector<RowId> users;
  std::map<std::uint32_t, std::uint32_t> counts;
  for (std::uint32_t s = 0; s < drawn::kBatch; ++s) {
    const drawn::DrawnSample sample = drawn::SampleOf(step, s);
    if (std::ranges::count(users, RowId{sample.user}) == 0) users.push_back(RowId{sample.user});
    ++counts[sample.item];
  }
  Candidates candidates;
  for (const auto& [item, count] : counts) {
    candidates.items.push_back(RowId{item});
    candidates.counts.push_back(count);
  }
  std::vector<bool> seen(users.size());
  std::vector<PairSample> samples;
  for (std::uint32_t s = 0; s < drawn::kBatch; ++s) {
    const drawn::DrawnSample sample = drawn::SampleOf(step, s);
    const auto user =
        static_cast<std::uint32_t>(std::ranges::find(users, RowId{sample.user}) - users.begin());
    const auto item = static_cast<std::uint32_t>(
        std::ranges::find(candidates.items, RowId{sample.item}) - candidates.items.begin());
    samples.push_back({.user = user & 0x7fffffffU,
                       .user_is_first = seen[user] ? 0U : 1U,
                       .item = item & 0x7fffffffU,
                       .item_is_first = 0,
                       .rating = sample.rating});
    seen[user] = true;
  }
  std::vector<const float*> user_rows(users.size());
  std::vector<const float*> item_rows(candidates.items.size());
  local.Resolve(kUsers, users, user_rows);
  local.Resolve(kItems, candidates.items, item_rows);
  std::vector<std::vector<RowId>> ids = {users, candidates.items};
  ids.resize(tables.size(), {RowId{0}});
  std::vector<std::size_t> strides;
  std::vector<std::vector<float>> gradients;  // By table.
  for (std::uint32_t t = 0; t < tables.size(); ++t) {
    strides.push_back(RowLayout(tables[t].shape).gradient_stride());
    gradients.emplace_back(ids[t].size() * strides[t], NAN);
  }
  std::vector<LayerGradient> layer_gradients;
  for (std::uint32_t l = 0; l < model.layers(); ++l) {
    const std::uint32_t t = static_cast<std::uint32_t>(kFirstLayer) + l;
    const float* row = nullptr;
    local.Resolve(TableId{t}, ids[t], std::span(&row, 1));
    model.SetLayer(l, row);
    layer_gradients.push_back({.row = gradients[t].data(), .stride = strides[t]});
  }
  model.SetCandidates(candidates, item_rows.data(), BatchDropoutKey());
  ObjectiveSums sums;
  model.Gradient({.samples = samples,
                  .first_item = 0,
                  .user_rows = user_rows.data(),
                  .user_gradients = gradients[0].data(),
                  .item_gradients = gradients[1].data(),
                  .user_stride = strides[0],
                  .item_stride = strides[1],
                  .layer_gradients = layer_gradients},
                 DropoutKey(), 0, sums);
  EXPECT_EQ(sums.samples, drawn::kBatch);
  for (std::uint32_t t = 0; t < tables.size(); ++t) {
    std::vector<const float*> pointers;
    for (std::size_t k = 0; k < ids[t].size(); ++k) {
      pointers.push_back(gradients[t].data() + k * strides[t]);
    }
    ASSERT_TRUE(local.service().ApplyOwn(TableId{t}, step, ids[t], pointers).ok());
  }
}

// Goal: loss, options and updates are those of TensorFlow Recommenders. Method: PyTorch's weights
// after the same steps from the same weights on the same minibatches.
TEST(Retrieval, SixtyStepsAsPyTorchsAutogradMakesThem) {
  const drawn::Figures figures = drawn::ReadFigures("retrieval");
  for (const Case& test : std::vector<Case>{
           {"adagrad", "adagrad { learning_rate: 0.05 }", ""},
           {"adam", "adam { learning_rate: 0.02 }",
            "temperature: 0.5 logq_correction: true reduction: MEAN"},
           {"sgd", "sgd { learning_rate: 0.1 }",
            "temperature: 0.8 logq_correction: true remove_accidental_hits: true reduction: MEAN"},
           {"hits", "adagrad { learning_rate: 0.05 }", "remove_accidental_hits: true"},
           {"towers", "adagrad { learning_rate: 0.05 }", "temperature: 0.5",
            "user { dim: 5 l2: 0.001 dense { units: 6 activation: RELU } dense { units: 4 } }"
            "item { dim: 3 l2: 0.001 dense { units: 4 activation: RELU } }"}}) {
    const Job job = JobOf(test);
    const std::vector<TableSpec> tables =
        ModelSpec::Make(job)->Tables({.users = drawn::kUsers, .items = drawn::kItems});
    LocalRows local({.partitions = 1,
                     .seats = 1,
                     .tables = tables,
                     .optimizer = job.optimizer(),
                     .steps_per_epoch = drawn::kStepsPerEpoch});
    local.Initialize();
    for (std::uint32_t t = 0; t < tables.size(); ++t) {
      for (std::uint32_t row = 0; row < tables[t].shape.rows; ++row) {
        float* weights = local.Row(TableId{t}, RowId{row});
        for (std::uint32_t k = 0; k < tables[t].shape.dim; ++k) {
          weights[k] = drawn::Fraction({6, t, row, k});
        }
      }
    }
    const SoftmaxShape shape = *SoftmaxOf(job);
    TwoTower model(*TowersOf(job), shape,
                   shape.logq_correction ? LogShares() : std::vector<float>(),
                   *KernelsFor(KernelTarget::kBest).value());
    int compared = 0;
    for (std::uint32_t step = 0; step < kSteps; ++step) {
      TrainStep(step, tables, model, local);
      for (std::uint32_t t = 0; t < tables.size(); ++t) {
        for (std::uint32_t row = 0; row < tables[t].shape.rows; ++row) {
          const auto expected = figures.find({test.name, step + 1, tables[t].shape.name, row});
          if (expected == figures.end()) continue;
          ++compared;
          const std::vector<float> record = local.Record(TableId{t}, RowId{row});
          ASSERT_EQ(expected->second.size(), tables[t].shape.dim);
          for (std::uint32_t k = 0; k < tables[t].shape.dim; ++k) {
            EXPECT_NEAR(static_cast<double>(record[k]), expected->second[k], kTolerance)
                << test.name << ", step " << step + 1 << ", " << tables[t].shape.name << " " << row
                << ", weight " << k;
          }
        }
      }
    }
    const std::size_t rows = drawn::kUsers + drawn::kItems + model.layers();
    EXPECT_EQ(compared, 3 * static_cast<int>(rows)) << test.name;
  }
}

}  // namespace
}  // namespace cf::retrieval_test

#include "worker/models/neural_ranker.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/reference/drawn.h"
#include "tests/unit/paramserver/local_rows.h"

namespace cf::neural_ranker_test {
namespace {

constexpr double kTolerance = 2e-5;
constexpr std::uint32_t kSteps = 60;

/// A ranker as make_ranker_reference.py trains it under the same name.
struct Case {
  std::string name;
  std::string optimizer;
  std::string model;
};

Job JobOf(const Case& test) {
  absl::StatusOr<Job> job = ParseJob(
      "model { ranker { user { dim: 5 l2: 0.001 } item { dim: 3 l2: 0.001 }"
      "  dense { units: 7 activation: RELU } dense { units: 4 activation: RELU } dense {}" +
          test.model + "} } optimizer {" + test.optimizer + "}",
      "test");
  Check(job.ok(), "the test's job parses");
  job->mutable_train()->set_batch_size(drawn::kBatch);
  FillDefaults(*job);
  return *job;
}

/// Rows of one table that a minibatch touches, with their gradients.
struct TouchedRows {
  explicit TouchedRows(const TableSpec& spec) : stride(RowLayout(spec.shape).gradient_stride()) {}

  std::pair<std::uint32_t, bool> Touch(RowId id) {
    const auto found = std::ranges::find(ids, id);
    const auto place = static_cast<std::uint32_t>(found - ids.begin());
    if (found != ids.end()) return {place, false};
    ids.push_back(id);
    // Not zeros: whoever writes a gradient writes all of it.
    gradients.resize(ids.size() * stride, NAN);
    return {place, true};
  }
  void Resolve(LocalRows& local, TableId table) {
    rows.resize(ids.size());
    local.Resolve(table, ids, rows);
  }
  void Apply(LocalRows& local, TableId table, std::uint32_t step) const {
    std::vector<const float*> pointers;
    for (std::size_t k = 0; k < ids.size(); ++k) pointers.push_back(gradients.data() + k * stride);
    ASSERT_TRUE(local.service().ApplyOwn(table, step, ids, pointers).ok());
  }

  std::size_t stride;
  std::vector<RowId> ids;
  std::vector<const float*> rows;
  std::vector<float> gradients;
};

void TrainStep(std::uint32_t step, const std::vector<TableSpec>& specs, const Objective& objective,
               NeuralRanker& ranker, LocalRows& local) {
  std::vector<TouchedRows> tables(specs.begin(), specs.end());
  std::vector<PairSample> samples;
  for (std::uint32_t s = 0; s < drawn::kBatch; ++s) {
    const drawn::DrawnSample sample = drawn::SampleOf(step, s);
    const auto [user, user_is_first] = tables[Index(kUsers)].Touch(RowId{sample.user});
    const auto [item, item_is_first] = tables[Index(kItems)].Touch(RowId{sample.item});
    samples.push_back({.user = user & 0x7fffffffU,
                       .user_is_first = user_is_first ? 1U : 0U,
                       .item = item & 0x7fffffffU,
                       .item_is_first = item_is_first ? 1U : 0U,
                       .rating = sample.rating});
  }
  std::vector<LayerGradient> layer_gradients;
  for (std::uint32_t t = 0; t < tables.size(); ++t) {
    if (TableId{t} >= kFirstLayer) tables[t].Touch(RowId{0});
    tables[t].Resolve(local, TableId{t});
    if (TableId{t} < kFirstLayer) continue;
    ranker.SetLayer(t - Index(kFirstLayer), tables[t].rows.front());
    layer_gradients.push_back({.row = tables[t].gradients.data(), .stride = tables[t].stride});
  }
  ObjectiveSums sums;
  const RankerPart part{.samples_end = std::size(samples), .sums = &sums};
  ranker.Gradient({.samples = samples,
                   .parts = std::span(&part, 1),
                   .user_rows = tables[Index(kUsers)].rows.data(),
                   .item_rows = tables[Index(kItems)].rows.data(),
                   .user_gradients = tables[Index(kUsers)].gradients.data(),
                   .item_gradients = tables[Index(kItems)].gradients.data(),
                   .user_stride = tables[Index(kUsers)].stride,
                   .item_stride = tables[Index(kItems)].stride,
                   .layer_gradients = layer_gradients},
                  objective);
  EXPECT_EQ(sums.samples, drawn::kBatch);
  for (std::uint32_t t = 0; t < tables.size(); ++t) tables[t].Apply(local, TableId{t}, step);
}

// Goal: forward, gradient and update are those that everybody means. Method: PyTorch's weights
// after the same steps from the same weights on the same minibatches.
TEST(NeuralRanker, SixtyStepsAsPyTorchsAutogradMakesThem) {
  const drawn::Figures figures = drawn::ReadFigures("rankers");
  for (const Case& test : std::vector<Case>{
           {"adam", "adam { learning_rate: 0.02 }", ""},
           {"adagrad", "adagrad { learning_rate: 0.05 }", "item_first: true link: SCALED_SIGMOID"},
           {"sgd", "sgd { learning_rate: 0.1 }", "link: SIGMOID loss: BCE"}}) {
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
    NeuralRanker ranker(*RankerOf(job), *KernelsFor(KernelTarget::kBest).value());
    int compared = 0;
    for (std::uint32_t step = 0; step < kSteps; ++step) {
      TrainStep(step, tables, ModelSpec::Make(job)->ObjectiveFor({.mean = 3.0, .min = 1, .max = 5}),
                ranker, local);
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
    EXPECT_EQ(compared, 3 * static_cast<int>(drawn::kUsers + drawn::kItems + 3)) << test.name;
  }
}

// A row's floats behind its weights travel and are summed: they must be zeros from the start.
TEST(NeuralRanker, WritesWholeGradients) {
  const Job job = JobOf({"", "sgd {}", ""});
  const RankerShape shape = *RankerOf(job);
  NeuralRanker ranker(shape, *KernelsFor(KernelTarget::kBest).value());
  const std::vector<TableSpec> tables = ModelSpec::Make(job)->Tables({.users = 1, .items = 1});
  std::vector<std::vector<float>> rows;
  std::vector<std::vector<float>> gradients;
  for (const TableSpec& table : tables) {
    const RowLayout layout(table.shape);
    rows.emplace_back(layout.stride(), 0.5F);
    gradients.emplace_back(layout.gradient_stride(), NAN);
  }
  std::vector<LayerGradient> layer_gradients;
  for (std::size_t l = 0; l < shape.network.layers.size(); ++l) {
    ranker.SetLayer(l, rows[2 + l].data());
    layer_gradients.push_back({.row = gradients[2 + l].data(), .stride = gradients[2 + l].size()});
  }
  const PairSample samples[] = {
      {.user = 0, .user_is_first = 1, .item = 0, .item_is_first = 1, .rating = 3}};
  const float* user_rows[] = {rows[0].data()};
  const float* item_rows[] = {rows[1].data()};
  ObjectiveSums sums;
  const RankerPart part{.samples_end = std::size(samples), .sums = &sums};
  ranker.Gradient({.samples = samples,
                   .parts = std::span(&part, 1),
                   .user_rows = user_rows,
                   .item_rows = item_rows,
                   .user_gradients = gradients[0].data(),
                   .item_gradients = gradients[1].data(),
                   .user_stride = gradients[0].size(),
                   .item_stride = gradients[1].size(),
                   .layer_gradients = layer_gradients},
                  ModelSpec::Make(job)->ObjectiveFor({.mean = 3.0, .min = 1, .max = 5}));
  // A batch without samples here, which has no room for gradients, after one with some.
  const std::vector<LayerGradient> no_room(layer_gradients.size());
  ranker.Gradient({.samples = {}, .parts = {}, .layer_gradients = no_room},
                  ModelSpec::Make(job)->ObjectiveFor({.mean = 3.0, .min = 1, .max = 5}));
  for (std::size_t t = 0; t < tables.size(); ++t) {
    for (std::size_t k = 0; k < gradients[t].size(); ++k) {
      EXPECT_EQ(gradients[t][k] != 0, k < tables[t].shape.dim) << t << " " << k;
      EXPECT_FALSE(std::isnan(gradients[t][k])) << t << " " << k;
    }
  }
}

}  // namespace
}  // namespace cf::neural_ranker_test

// The two-tower model as PyTorch trains it: make_retrieval_reference.py.

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/reference/drawn.h"
#include "tests/unit/paramserver/local_shards.h"
#include "worker/batch_softmax.h"

namespace cf {
namespace {

constexpr double kTolerance = 2e-5;
constexpr std::uint32_t kSteps = 60;

struct Case {
  std::string name;
  std::string optimizer;
  std::string softmax;
};

Job JobOf(const Case& test) {
  absl::StatusOr<Job> job =
      ParseJob("model { retrieval { user { dim: 5 l2: 0.001 } item { dim: 5 l2: 0.001 }" +
                   test.softmax + "} } optimizer {" + test.optimizer + "}",
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

void TrainStep(std::uint32_t step, BatchSoftmax& softmax, Shard& shard, std::size_t stride) {
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
  shard.Resolve(kUsers, users, user_rows);
  shard.Resolve(kItems, candidates.items, item_rows);
  std::vector<float> user_gradients(users.size() * stride, NAN);
  std::vector<float> item_gradients(item_rows.size() * stride, NAN);
  softmax.SetCandidates(candidates, item_rows.data());
  ObjectiveSums sums;
  softmax.Gradient({.samples = samples,
                    .first_item = 0,
                    .user_rows = user_rows.data(),
                    .user_gradients = user_gradients.data(),
                    .item_gradients = item_gradients.data(),
                    .gradient_stride = stride},
                   sums);
  EXPECT_EQ(sums.samples, drawn::kBatch);
  const auto apply = [&](TableId table, const std::vector<RowId>& ids,
                         const std::vector<float>& gradients) {
    std::vector<const float*> pointers;
    for (std::size_t k = 0; k < ids.size(); ++k) pointers.push_back(gradients.data() + k * stride);
    shard.ApplyOwn(table, step, ids, pointers);
  };
  apply(kUsers, users, user_gradients);
  apply(kItems, candidates.items, item_gradients);
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
           {"hits", "adagrad { learning_rate: 0.05 }", "remove_accidental_hits: true"}}) {
    const Job job = JobOf(test);
    const std::vector<TableSpec> tables = TablesOf(job, drawn::kUsers, drawn::kItems);
    LocalShards shards({.partitions = 1,
                        .seats = 1,
                        .tables = tables,
                        .optimizer = job.optimizer(),
                        .steps_per_epoch = drawn::kStepsPerEpoch});
    shards.Initialize();
    for (std::uint32_t t = 0; t < tables.size(); ++t) {
      for (std::uint32_t row = 0; row < tables[t].shape.rows; ++row) {
        float* weights = const_cast<float*>(shards.Row(TableId{t}, RowId{row}));
        for (std::uint32_t k = 0; k < tables[t].shape.dim; ++k) {
          weights[k] = drawn::Fraction({6, t, row, k});
        }
      }
    }
    const SoftmaxShape shape = *SoftmaxOf(job);
    BatchSoftmax softmax(shape, shape.logq_correction ? LogShares() : std::vector<float>(),
                         *KernelsFor(KernelTarget::kBest).value());
    const std::size_t stride = RowLayout(tables[Index(kUsers)].shape).gradient_stride();
    int compared = 0;
    for (std::uint32_t step = 0; step < kSteps; ++step) {
      TrainStep(step, softmax, shards.shard(), stride);
      for (std::uint32_t t = 0; t < tables.size(); ++t) {
        for (std::uint32_t row = 0; row < tables[t].shape.rows; ++row) {
          const auto expected = figures.find({test.name, step + 1, tables[t].shape.name, row});
          if (expected == figures.end()) continue;
          ++compared;
          const std::vector<float> record = shards.Record(TableId{t}, RowId{row});
          ASSERT_EQ(expected->second.size(), tables[t].shape.dim);
          for (std::uint32_t k = 0; k < tables[t].shape.dim; ++k) {
            EXPECT_NEAR(static_cast<double>(record[k]), expected->second[k], kTolerance)
                << test.name << ", step " << step + 1 << ", " << tables[t].shape.name << " " << row
                << ", weight " << k;
          }
        }
      }
    }
    EXPECT_EQ(compared, 3 * static_cast<int>(drawn::kUsers + drawn::kItems)) << test.name;
  }
}

}  // namespace
}  // namespace cf

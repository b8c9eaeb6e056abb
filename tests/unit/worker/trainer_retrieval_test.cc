// What a trainer makes of a retrieval model: whose items are candidates of whose samples.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "common/math/random.h"
#include "tests/unit/paramserver/local_rows.h"
#include "tests/unit/worker/tiny_data.h"
#include "worker/trainer.h"

namespace cf::trainer_retrieval_test {
namespace {

constexpr std::uint32_t kPartitions = 8;
constexpr std::uint32_t kDim = 5;
constexpr std::uint64_t kSeed = 7;
constexpr std::uint64_t kSteps = 6;
constexpr std::uint64_t kEpochs = 2;

using Vectors = std::vector<std::vector<double>>;

Job MakeJob() {
  absl::StatusOr<Job> job = ParseJob(
      "split { random { fraction: 0.2 } } optimizer { sgd { learning_rate: 0.05 } }"
      "model { retrieval {"
      "  user { dim: 5 vectors { uniform { min: -0.5 max: 0.5 } } }"
      "  item { dim: 5 vectors { uniform { min: -0.5 max: 0.5 } } } } }",
      "test");
  Check(job.ok(), "the test's job parses");
  FillDefaults(*job);
  return *job;
}

/// Softmax over the batch as the definition has it: every sample against every sample's item, in
/// double, all rows in one place.
class SlowTrainer {
 public:
  SlowTrainer(const Dataset& data, const DataSplit& split, LocalRows& initial)
      : samples_(data, split, Partitioning(kPartitions), SeatRange{0, kPartitions}) {
    const auto read = [&](TableId table, std::uint32_t rows) {
      Vectors vectors;
      for (std::uint32_t id = 0; id < rows; ++id) {
        const std::vector<float> record = initial.Record(table, RowId{id});
        vectors.emplace_back(record.begin(), record.end());
      }
      return vectors;
    };
    users = read(kUsers, data.users());
    items = read(kItems, data.items());
  }

  /// Returns the sum of the losses.
  double TrainEpoch(std::uint64_t epoch) {
    double loss = 0;
    EXPECT_EQ(samples_.TakeEpoch(kSeed, epoch, 1), absl::OkStatus());
    for (std::uint64_t t = 0; t < kSteps; ++t) {
      std::vector<Sample> batch;
      for (const PartitionSamples& partition : samples_.partitions()) {
        const SampleRange range = SamplesOfBatch(partition.training().size(), t, kSteps);
        const auto begin = partition.training().begin();
        batch.insert(batch.end(), begin + static_cast<std::ptrdiff_t>(range.first),
                     begin + static_cast<std::ptrdiff_t>(range.last));
      }
      loss += Step(batch);
    }
    return loss;
  }

  Vectors users;
  Vectors items;

 private:
  double Step(const std::vector<Sample>& batch) {
    constexpr double kRate = 0.05;
    Vectors new_users = users;
    Vectors new_items = items;
    double loss = 0;
    for (std::size_t s = 0; s < batch.size(); ++s) {
      const std::vector<double>& user = users[Index(batch[s].user)];
      std::vector<double> weights;
      for (const Sample& column : batch) {
        double logit = 0;
        for (std::uint32_t k = 0; k < kDim; ++k) logit += user[k] * items[Index(column.item)][k];
        weights.push_back(std::exp(logit));
      }
      double sum = 0;
      for (const double weight : weights) sum += weight;
      loss -= std::log(weights[s] / sum);
      for (std::size_t c = 0; c < batch.size(); ++c) {
        const double slope = weights[c] / sum - (c == s ? 1 : 0);
        for (std::uint32_t k = 0; k < kDim; ++k) {
          new_users[Index(batch[s].user)][k] -= kRate * slope * items[Index(batch[c].item)][k];
          new_items[Index(batch[c].item)][k] -= kRate * slope * user[k];
        }
      }
    }
    users = new_users;
    items = new_items;
    return loss;
  }

  SeatSamples samples_;
};

class TrainerRetrieval : public ::testing::TestWithParam<std::uint32_t> {};

INSTANTIATE_TEST_SUITE_P(Seats, TrainerRetrieval, ::testing::Values(1U, 3U));

// Goal: the candidates are the items of the whole global batch, whoever has its samples.
TEST_P(TrainerRetrieval, TrainsAsTheDefinitionSays) {
  const std::uint32_t seats = GetParam();
  const TinyData tiny;
  const Job job = MakeJob();
  const Dataset data = Dataset::Open(tiny.path()).value();
  const DataSplit split = DataSplit::Make(data, job.split()).value();
  const std::unique_ptr<const ModelSpec> model = ModelSpec::Make(job);
  LocalRows local({.partitions = kPartitions,
                   .seats = seats,
                   .tables = model->Tables({.users = data.users(), .items = data.items()}),
                   .optimizer = job.optimizer(),
                   .steps_per_epoch = kSteps});
  local.Initialize();
  SlowTrainer slow(data, split, local);

  std::vector<ObjectiveSums> sums(kPartitions);
  {
    std::vector<std::jthread> threads;
    for (std::uint32_t seat = 0; seat < seats; ++seat) {
      threads.emplace_back([&, seat] {
        SetFloatMode();
        Trainer trainer({.rows = &local.client(seat),
                         .kernels = KernelsFor(KernelTarget::kBest).value(),
                         .objective = model->ObjectiveFor({.mean = 3, .min = 1, .max = 5}),
                         .model = model.get(),
                         .shuffle_seed = kSeed},
                        data, split);
        const SeatRange range = local.placement().workers().range(seat);
        for (std::uint64_t epoch = 0; epoch < kEpochs; ++epoch) {
          const absl::Status trained =
              trainer.Train({.epoch = epoch,
                             .first = 0,
                             .last = kSteps,
                             .steps_per_epoch = kSteps,
                             .applied = epoch * kSteps,
                             .turn = epoch * (kSteps + 1)},
                            std::span(sums).subspan(range.first, range.size()));
          EXPECT_TRUE(trained.ok()) << trained;
        }
      });
    }
  }
  double expected_loss = 0;
  for (std::uint64_t epoch = 0; epoch < kEpochs; ++epoch) expected_loss += slow.TrainEpoch(epoch);
  double loss = 0;
  for (const ObjectiveSums& partition : sums) loss += partition.loss;
  EXPECT_NEAR(loss, expected_loss, 1e-5 * expected_loss);
  const auto compare = [&](TableId table, const Vectors& expected) {
    for (std::uint32_t id = 0; id < expected.size(); ++id) {
      const std::vector<float> record = local.Record(table, RowId{id});
      for (std::uint32_t k = 0; k < kDim; ++k) {
        EXPECT_NEAR(static_cast<double>(record[k]), expected[id][k], 2e-5)
            << Index(table) << ", " << id << ", " << k;
      }
    }
  };
  compare(kUsers, slow.users);
  compare(kItems, slow.items);
}

}  // namespace
}  // namespace cf::trainer_retrieval_test

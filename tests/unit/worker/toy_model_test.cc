// Goal: a kind of model that nobody has heard of trains once it is a ModelSpec and a StepModel. All
// of it is in this file; a kind of the product adds its field of the schema, its entry in
// common/model/kinds.cc and its entry in worker/models/models.cc. Method: the kind predicts an
// item's mean rating, and plain loops compute the same.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "common/model/dot_scorer.h"
#include "tests/unit/paramserver/local_rows.h"
#include "tests/unit/worker/tiny_data.h"
#include "worker/trainer.h"

namespace cf::toy_model_test {
namespace {

constexpr std::uint32_t kPartitions = 8;
constexpr std::uint64_t kEpochs = 2;
constexpr std::uint64_t kSteps = 4;
constexpr std::uint64_t kSeed = 7;
constexpr double kRate = 0.01;

/// What the kind is made of: a bias for each item, and users that have nothing.
class ToySpec final : public ModelSpec {
 public:
  ToySpec() : ModelSpec(Job(), {}) {}

  std::string Prediction() const override { return "rating = item_biases[i]"; }

  std::unique_ptr<Scorer> MakeScorer(const Objective& objective,
                                     const KernelSet& kernels) const override {
    return std::make_unique<DotScorer>(0, networks(), objective, kernels);
  }

 private:
  std::vector<TableSpec> EntryTables(std::uint32_t users, std::uint32_t items) const override {
    return {MakeTable("users", users, 0, 0), MakeTable("items", items, 0, 0)};
  }
};

/// How it takes a step: half the squared error of each sample.
class ToyModel final : public StepModel {
 public:
  explicit ToyModel(const Options& options) : StepModel(options, {}) {}

  void AddPartition(const Pass& /*pass*/, const PartitionShare& share, Minibatch& batch) override {
    for (const Sample& sample : share.samples) {
      const auto [part, is_first] = batch.tables[Index(kItems)].batch.Touch(
          share.indices[Index(kItems)], sample.item, share.partition);
      batch.samples.push_back({.user = 0,
                               .user_is_first = 0,
                               .item = part & 0x7fffffffU,
                               .item_is_first = is_first ? 1U : 0U,
                               .rating = sample.rating});
    }
  }

  void ComputePartition(const Step& step, const PartitionStep& part, ObjectiveSums& sums) override {
    const RowLayout& items = layout(kItems);
    for (const PairSample& sample : part.samples) {
      const float bias = step.batch.tables[Index(kItems)].part_rows[sample.item][0];
      const float error = bias - sample.rating;
      sums.loss += 0.5 * static_cast<double>(error) * static_cast<double>(error);
      ++sums.samples;
      if (!step.pass.training) continue;
      float* const gradient = step.gradients[Index(kItems)] + sample.item * items.gradient_stride();
      if (sample.item_is_first != 0) std::fill_n(gradient, items.gradient_stride(), 0.0F);
      gradient[0] += error;
    }
  }
};

std::unique_ptr<StepModel> MakeToyModel(const StepModel::Options& options) {
  return std::make_unique<ToyModel>(options);
}

/// The same without a trainer. A step's samples are a share of each partition's epoch.
class PlainBiases {
 public:
  PlainBiases(const Dataset& data, const DataSplit& split)
      : biases(data.items()),
        samples_(data, split, Partitioning(kPartitions), SeatRange{0, kPartitions}) {}

  void TrainEpoch(std::uint64_t epoch) {
    EXPECT_EQ(samples_.TakeEpoch(kSeed, epoch, 1), absl::OkStatus());
    for (std::uint64_t t = 0; t < kSteps; ++t) {
      std::vector<double> gradients(biases.size());
      for (const PartitionSamples& partition : samples_.partitions()) {
        const SampleRange range = SamplesOfBatch(partition.training().size(), t, kSteps);
        for (std::uint64_t k = range.first; k < range.last; ++k) {
          const Sample& sample = partition.training()[k];
          const double error = biases[Index(sample.item)] - static_cast<double>(sample.rating);
          loss += 0.5 * error * error;
          gradients[Index(sample.item)] += error;
        }
      }
      for (std::size_t item = 0; item < biases.size(); ++item) {
        biases[item] -= kRate * gradients[item];
      }
    }
  }

  std::vector<double> biases;
  double loss = 0;

 private:
  SeatSamples samples_;
};

class ToyKind : public ::testing::TestWithParam<std::uint32_t> {};

INSTANTIATE_TEST_SUITE_P(Seats, ToyKind, ::testing::Values(1U, 3U));

TEST_P(ToyKind, TrainsAsPlainLoopsDo) {
  const std::uint32_t seats = GetParam();
  const TinyData tiny;
  const Dataset data = Dataset::Open(tiny.path()).value();
  Split options;
  options.mutable_random()->set_fraction(0.2);
  const DataSplit split = DataSplit::Make(data, options).value();
  const ToySpec toy;
  LocalRows local({.partitions = kPartitions,
                   .seats = seats,
                   .tables = toy.Tables({.users = data.users(), .items = data.items()}),
                   .optimizer = MakeOptimizer("sgd { learning_rate: 0.01 }"),
                   .steps_per_epoch = kSteps});
  local.Initialize();
  std::vector<ObjectiveSums> sums(kPartitions);
  {
    std::vector<std::jthread> threads;
    for (std::uint32_t seat = 0; seat < seats; ++seat) {
      threads.emplace_back([&, seat] {
        SetFloatMode();
        Trainer trainer({.rows = &local.client(seat),
                         .kernels = KernelsFor(KernelTarget::kBest).value(),
                         .objective = {},
                         .model = &toy,
                         .make_steps = &MakeToyModel,
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
  PlainBiases plain(data, split);
  for (std::uint64_t epoch = 0; epoch < kEpochs; ++epoch) plain.TrainEpoch(epoch);
  double loss = 0;
  std::uint64_t samples = 0;
  for (const ObjectiveSums& partition : sums) {
    loss += partition.loss;
    samples += partition.samples;
  }
  EXPECT_NEAR(loss, plain.loss, 1e-5 * plain.loss);
  EXPECT_EQ(samples, kEpochs * split.training_count());
  for (std::uint32_t item = 0; item < data.items(); ++item) {
    EXPECT_NEAR(static_cast<double>(local.Record(kItems, RowId{item})[0]), plain.biases[item], 1e-5)
        << item;
  }
  for (std::uint32_t user = 0; user < data.users(); ++user) {
    EXPECT_EQ(local.Record(kUsers, RowId{user})[0], 0.0F) << user;
  }
}

}  // namespace
}  // namespace cf::toy_model_test

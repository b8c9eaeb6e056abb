#include "worker/trainer.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/math/random.h"
#include "tests/unit/kernels/slow_kernels.h"
#include "tests/unit/paramserver/local_rows.h"
#include "tests/unit/worker/tiny_data.h"

namespace cf::trainer_test {
namespace {

using slow::BitsOf;

constexpr std::uint32_t kPartitions = 8;
constexpr std::uint32_t kDim = 5;
constexpr std::uint64_t kBatchSize = 64;
constexpr std::uint64_t kShuffleSeed = 7;

using Gradient = std::vector<float>;  // The padded vector, then the bias.

/// Training as the contract says it and as plainly as can be: one thread, all rows in one place, a
/// gradient for each row and partition, a tree that is recursive.
class SlowTrainer {
 public:
  SlowTrainer(const Dataset& data, const DataSplit& split, const std::vector<TableSpec>& tables,
              const OptimizerRule& rule, const Objective& objective, std::uint32_t negatives,
              LocalRows& initial)
      : tables_(tables),
        rule_(rule),
        objective_(objective),
        negatives_(negatives),
        samples_(kPartitions),
        has_(data.users(), std::vector<bool>(data.items())) {
    for (std::uint32_t user = 0; user < data.users(); ++user) {
      for (std::uint64_t s = data.user_offsets()[user]; s < data.user_offsets()[user + 1]; ++s) {
        if (split.is_validation(s)) continue;
        has_[user][Index(data.item_column()[s])] = true;
        samples_[Index(Partitioning(kPartitions).Of(RowId{user}))].push_back(
            {RowId{user}, data.item_column()[s], data.ratings()[s]});
      }
    }
    for (std::uint32_t t = 0; t < tables.size(); ++t) {
      const RowLayout layout(tables[t].shape);
      for (std::uint32_t id = 0; id < tables[t].shape.rows; ++id) {
        std::vector<float>& row = rows_[t].emplace_back(layout.stride());
        layout.FromRecord(initial.Record(TableId{t}, RowId{id}).data(), row.data());
      }
    }
  }

  void TrainEpoch(std::uint64_t epoch, std::uint64_t steps, std::span<ObjectiveSums> sums) {
    for (std::uint64_t t = 0; t < steps; ++t) {
      std::map<RowId, std::map<std::uint32_t, Gradient>> gradients[2];  // By row and partition.
      for (std::uint32_t p = 0; p < kPartitions; ++p) {
        std::vector<std::uint32_t> order(samples_[p].size());
        for (std::uint32_t k = 0; k < order.size(); ++k) order[k] = k;
        Shuffle(order, kShuffleSeed, epoch, p);
        for (std::size_t k = order.size() * t / steps; k < order.size() * (t + 1) / steps; ++k) {
          SlowSample sample = samples_[p][order[k]];
          if (negatives_ > 0) sample.rating = 1;
          AddSample(sample, p, gradients, sums[p]);
          for (const RowId item : NegativesOf(sample, epoch)) {
            AddSample({sample.user, item, 0}, p, gradients, sums[p]);
          }
        }
      }
      for (std::size_t table = 0; table < 2; ++table) {
        const OptimizerStep step = rule_.At(epoch * steps + t, tables_[table]);
        for (const auto& [id, by_partition] : gradients[table]) {
          const Gradient sum = *SumOf(by_partition, 0, kPartitions);
          slow::UpdateRow(step, rows_[table][Index(id)].data(), sum.data());
        }
      }
    }
  }

  std::vector<float> Record(TableId table, RowId id) const {
    const RowLayout layout(tables_[Index(table)].shape);
    std::vector<float> record(layout.record_floats());
    layout.ToRecord(rows_[Index(table)][Index(id)].data(), record.data());
    return record;
  }

 private:
  struct SlowSample {
    RowId user{};
    RowId item{};
    float rating = 0;
  };

  /// From a list of all items that the user has not.
  std::vector<RowId> NegativesOf(const SlowSample& sample, std::uint64_t epoch) const {
    std::vector<RowId> others;
    const std::vector<bool>& has = has_[Index(sample.user)];
    for (std::uint32_t item = 0; item < has.size(); ++item) {
      if (!has[item]) others.push_back(RowId{item});
    }
    const CounterRandom random(
        kShuffleSeed, Purpose::kNegatives,
        CounterRandom::Stream(epoch, static_cast<std::uint32_t>(sample.user)));
    std::vector<RowId> drawn;
    for (std::uint32_t draw = 0; draw < negatives_ && !others.empty(); ++draw) {
      drawn.push_back(others[random.Below(Index(sample.item) * negatives_ + draw, others.size())]);
    }
    return drawn;
  }

  void AddSample(const SlowSample& sample, std::uint32_t partition,
                 std::map<RowId, std::map<std::uint32_t, Gradient>>* gradients,
                 ObjectiveSums& sums) {
    constexpr std::size_t kPadded = PaddedDim(kDim);
    const float* user = rows_[0][Index(sample.user)].data();
    const float* item = rows_[1][Index(sample.item)].data();
    const float slope = slow::ObserveSample(objective_, user, item, sample.rating, kPadded, sums);
    Gradient& of_user = gradients[0][sample.user][partition];
    Gradient& of_item = gradients[1][sample.item][partition];
    const auto add = [&](const float* other, Gradient& gradient) {
      const bool is_first = gradient.empty();
      gradient.resize(kPadded + 1);
      slow::AddSample(slope, other, is_first, kPadded, gradient.data());
    };
    add(item, of_user);
    add(user, of_item);
  }

  static std::optional<Gradient> SumOf(const std::map<std::uint32_t, Gradient>& leaves,
                                       std::uint32_t first, std::uint32_t size) {
    if (size == 1) {
      const auto leaf = leaves.find(first);
      return leaf == leaves.end() ? std::nullopt : std::optional(leaf->second);
    }
    std::optional<Gradient> left = SumOf(leaves, first, size / 2);
    const std::optional<Gradient> right = SumOf(leaves, first + size / 2, size / 2);
    if (!left.has_value()) return right;
    for (std::size_t k = 0; right.has_value() && k < left->size(); ++k) (*left)[k] += (*right)[k];
    return left;
  }

  std::vector<TableSpec> tables_;
  const OptimizerRule& rule_;
  Objective objective_;
  std::uint32_t negatives_;
  std::vector<std::vector<SlowSample>> samples_;  // By partition, in canonical order.
  std::vector<std::vector<bool>> has_;            // By user and item: training samples.
  std::vector<std::vector<float>> rows_[2];       // By table and id.
};

/// What a trainer asks the model of: the rest is in a test's tables and objective.
std::unique_ptr<const ModelSpec> MakeFactorization(std::uint32_t negatives) {
  Job job;
  job.mutable_model()->mutable_matrix_factorization()->set_dim(kDim);
  job.mutable_model()->mutable_matrix_factorization()->set_negatives(negatives);
  FillDefaults(job);
  return ModelSpec::Make(job);
}

/// Rows and trainers of `seats` threads of one process.
class LocalJob {
 public:
  LocalJob(const LocalRows::Options& options, const Dataset& data, const DataSplit& split,
           const Objective& objective, std::uint32_t negatives = 0, std::uint32_t lookahead = 0)
      : local_(options), model_(MakeFactorization(negatives)) {
    local_.Initialize();
    for (std::uint32_t seat = 0; seat < options.seats; ++seat) {
      trainers_.push_back(std::make_unique<Trainer>(
          Trainer::Options{.rows = &local_.client(seat),
                           .kernels = KernelsFor(KernelTarget::kBest).value(),
                           .objective = objective,
                           .model = model_.get(),
                           .shuffle_seed = kShuffleSeed,
                           .lookahead = lookahead},
          data, split));
    }
  }

  LocalRows& local() { return local_; }

  /// Steps `first` to `last` - 1 of an epoch; adds to `sums`.
  void Train(std::uint64_t epoch, std::uint64_t first, std::uint64_t last, std::uint64_t steps,
             std::span<ObjectiveSums> sums) {
    const Trainer::Segment segment{.epoch = epoch,
                                   .first = first,
                                   .last = last,
                                   .steps_per_epoch = steps,
                                   .applied = epoch * steps + first,
                                   .turn = turn_};
    turn_ += last - first + 1;
    OnEverySeat(sums, [&](Trainer& trainer, std::span<ObjectiveSums> own) {
      return trainer.Train(segment, own);
    });
  }

  void Score(bool training_samples, std::uint64_t batches, std::span<ObjectiveSums> sums) {
    Score({.training_samples = training_samples, .batches = batches}, sums);
  }
  /// Partition after partition, each in so many batches.
  void ScoreApart(bool training_samples, std::uint64_t of_partition,
                  std::span<ObjectiveSums> sums) {
    const std::uint64_t seats = trainers_.size();
    Score({.training_samples = training_samples,
           .batches_of_partition = of_partition,
           .batches = of_partition * ((sums.size() + seats - 1) / seats)},
          sums);
  }

 private:
  void Score(Trainer::Scoring scoring, std::span<ObjectiveSums> sums) {
    scoring.turn = turn_;
    turn_ += scoring.batches + 1;
    OnEverySeat(sums, [&](Trainer& trainer, std::span<ObjectiveSums> own) {
      return trainer.Score(scoring, own);
    });
  }

  template <class Work>
  void OnEverySeat(std::span<ObjectiveSums> sums, const Work& work) {
    std::vector<std::jthread> threads;
    for (std::size_t seat = 0; seat < trainers_.size(); ++seat) {
      threads.emplace_back([&, seat] {
        SetFloatMode();
        const SeatRange range =
            local_.placement().workers().range(static_cast<std::uint32_t>(seat));
        const absl::Status done = work(*trainers_[seat], sums.subspan(range.first, range.size()));
        EXPECT_TRUE(done.ok()) << done;
      });
    }
  }

  LocalRows local_;
  const std::unique_ptr<const ModelSpec> model_;
  std::vector<std::unique_ptr<Trainer>> trainers_;
  std::uint64_t turn_ = 0;
};

/// The objective, the optimizer and the regularisation of one training.
struct Case {
  Objective objective;
  std::string optimizer;
  bool biases = true;
  std::uint32_t negatives = 0;
};

const Case kMse = {{.mean = 3.0F, .inverse_batch = 1.0F / kBatchSize},
                   "adam { learning_rate: 0.02 } schedule { exponential { decay: 0.5 } }"};
const Case kBce = {{.link = Objective::Link::kSigmoid,
                    .loss = Objective::Loss::kCrossEntropy,
                    .rating_min = 1,
                    .rating_range = 4,
                    .inverse_batch = 1.0F / kBatchSize},
                   "adagrad { learning_rate: 0.1 }"};

// Three of 23 items: some are drawn twice for a sample.
const Case kImplicit = {
    {.link = Objective::Link::kSigmoid, .loss = Objective::Loss::kCrossEntropy, .inverse_batch = 1},
    "sgd { learning_rate: 0.05 }",
    /*biases=*/true,
    /*negatives=*/3};

class TrainerTest : public ::testing::Test {
 protected:
  TrainerTest() {
    Split split;
    split.mutable_random()->set_fraction(0.2);
    split.mutable_random()->set_seed(42);
    split_.emplace(DataSplit::Make(data_, split).value());
    steps_ = (split_->training_count() + kBatchSize - 1) / kBatchSize;
  }

  LocalRows::Options Options(const Case& test, std::uint32_t seats) const {
    const Optimizer optimizer = MakeOptimizer(test.optimizer);
    LocalRows::Options options{
        .partitions = kPartitions,
        .seats = seats,
        .tables = {MakeTable("users", data_.users(), kDim, MomentsOf(optimizer)),
                   MakeTable("items", data_.items(), kDim, MomentsOf(optimizer))},
        .optimizer = optimizer,
        .steps_per_epoch = steps_};
    for (TableSpec& table : options.tables) {
      table.shape.biases = test.biases;
      table.l2_vectors = 0.001;
      table.l2_biases = 0.0005;
    }
    return options;
  }

  /// Every row of both tables: weights and optimizer state.
  template <class Rows>
  std::vector<std::uint32_t> AllBits(Rows& rows) const {
    std::vector<float> all;
    for (std::uint32_t t = 0; t < 2; ++t) {
      for (std::uint32_t id = 0; id < (t == 0 ? data_.users() : data_.items()); ++id) {
        const std::vector<float> record = rows.Record(TableId{t}, RowId{id});
        all.insert(all.end(), record.begin(), record.end());
      }
    }
    return BitsOf(all);
  }

  static void ExpectSameSums(std::span<const ObjectiveSums> a, std::span<const ObjectiveSums> b) {
    for (std::size_t p = 0; p < a.size(); ++p) EXPECT_EQ(BitsOf(a[p]), BitsOf(b[p])) << p;
  }

  void ExpectTrainsAsTheSlowOne(const Case& test, std::uint32_t seats,
                                std::uint32_t lookahead = 0) {
    constexpr std::uint64_t kEpochs = 2;
    LocalJob job(Options(test, seats), data_, *split_, test.objective, test.negatives, lookahead);
    SlowTrainer slow(data_, *split_, Options(test, seats).tables, job.local().rule(),
                     test.objective, test.negatives, job.local());
    for (std::uint64_t epoch = 0; epoch < kEpochs; ++epoch) {
      std::vector<ObjectiveSums> sums(kPartitions);
      std::vector<ObjectiveSums> slow_sums(kPartitions);
      job.Train(epoch, 0, steps_, steps_, sums);
      // The mode of floats is the thread's: the slow one has a thread of its own, too.
      std::jthread([&] {
        SetFloatMode();
        slow.TrainEpoch(epoch, steps_, slow_sums);
      }).join();
      ExpectSameSums(sums, slow_sums);
      ASSERT_EQ(AllBits(job.local()), AllBits(slow)) << seats << " seats, epoch " << epoch;
    }
  }

  TinyData tiny_;
  Dataset data_ = Dataset::Open(tiny_.path()).value();
  std::optional<DataSplit> split_;
  std::uint64_t steps_ = 0;
};

TEST_F(TrainerTest, OneSeatTrainsAsTheSlowOne) {
  ExpectTrainsAsTheSlowOne(kMse, 1);
  ExpectTrainsAsTheSlowOne(kBce, 1);
}

TEST_F(TrainerTest, TwoSeatsTrainAsTheSlowOne) {
  ExpectTrainsAsTheSlowOne(kMse, 2);
}

// Ranges that no subtree fits, so that partial sums travel and meet at the owner.
TEST_F(TrainerTest, ThreeSeatsTrainAsTheSlowOne) {
  ExpectTrainsAsTheSlowOne(kMse, 3);
  ExpectTrainsAsTheSlowOne(kBce, 3);
}

TEST_F(TrainerTest, ASeatForEachPartitionTrainsAsTheSlowOne) {
  ExpectTrainsAsTheSlowOne(kMse, kPartitions);
}

TEST_F(TrainerTest, RowsWithoutBiasesTrainAsTheSlowOne) {
  Case test = kMse;
  test.biases = false;
  ExpectTrainsAsTheSlowOne(test, 3);
}

TEST_F(TrainerTest, NegativesTrainAsTheSlowOnes) {
  ExpectTrainsAsTheSlowOne(kImplicit, 1);
  ExpectTrainsAsTheSlowOne(kImplicit, 3);
}

// More batches than an epoch has among them.
TEST_F(TrainerTest, BatchesThatAreMadeAheadTrainAsTheSlowOnes) {
  for (const std::uint32_t lookahead : {1U, 2U, 20U}) {
    ExpectTrainsAsTheSlowOne(kMse, 1, lookahead);
    ExpectTrainsAsTheSlowOne(kImplicit, 3, lookahead);
  }
}

// Figures of epochs and runs compare: what is scored is neither the epoch's nor the seed's.
TEST_F(TrainerTest, ScoringHasNegativesOfItsOwn) {
  LocalJob one(Options(kImplicit, 1), data_, *split_, kImplicit.objective, kImplicit.negatives);
  LocalJob three(Options(kImplicit, 3), data_, *split_, kImplicit.objective, kImplicit.negatives);
  std::vector<ObjectiveSums> one_sums(kPartitions);
  std::vector<ObjectiveSums> three_sums(kPartitions);
  one.Score(false, 1, one_sums);
  three.Score(false, 5, three_sums);
  ExpectSameSums(one_sums, three_sums);
  std::uint64_t samples = 0;
  for (const ObjectiveSums& sums : one_sums) samples += sums.samples;
  EXPECT_EQ(samples, 4 * split_->validation_count());
}

// Where partitions are scored one after the other each sum has the same samples in the same order.
TEST_F(TrainerTest, ScoringPartitionByPartitionFindsTheSame) {
  for (const std::uint32_t seats : {1U, 3U}) {
    LocalJob job(Options(kMse, seats), data_, *split_, kMse.objective);
    for (const bool training_samples : {false, true}) {
      std::vector<ObjectiveSums> expected(kPartitions);
      job.Score(training_samples, 4, expected);
      for (const std::uint64_t of_partition : {1U, 3U}) {
        std::vector<ObjectiveSums> sums(kPartitions);
        job.ScoreApart(training_samples, of_partition, sums);
        ExpectSameSums(sums, expected);
      }
    }
  }
}

TEST_F(TrainerTest, SegmentsDoNotChangeTheOutcome) {
  LocalJob whole(Options(kMse, 2), data_, *split_, kMse.objective);
  LocalJob cut(Options(kMse, 2), data_, *split_, kMse.objective);
  std::vector<ObjectiveSums> whole_sums(kPartitions);
  std::vector<ObjectiveSums> cut_sums(kPartitions);
  whole.Train(0, 0, steps_, steps_, whole_sums);
  cut.Train(0, 0, 1, steps_, cut_sums);
  cut.Train(0, 1, 4, steps_, cut_sums);
  cut.Train(0, 4, steps_, steps_, cut_sums);
  ExpectSameSums(whole_sums, cut_sums);
  EXPECT_EQ(AllBits(whole.local()), AllBits(cut.local()));
}

TEST_F(TrainerTest, ScoringChangesNoRowAndDependsOnNeitherBatchesNorSeats) {
  for (const bool training_samples : {false, true}) {
    LocalJob one(Options(kBce, 1), data_, *split_, kBce.objective);
    LocalJob three(Options(kBce, 3), data_, *split_, kBce.objective);
    const auto before = AllBits(one.local());
    std::vector<ObjectiveSums> one_sums(kPartitions);
    std::vector<ObjectiveSums> three_sums(kPartitions);
    one.Score(training_samples, 1, one_sums);
    three.Score(training_samples, 5, three_sums);
    ExpectSameSums(one_sums, three_sums);
    EXPECT_EQ(AllBits(one.local()), before);
    std::uint64_t samples = 0;
    for (const ObjectiveSums& sums : one_sums) samples += sums.samples;
    EXPECT_EQ(samples, training_samples ? split_->training_count() : split_->validation_count());
  }
}

// A rank that is lost closes the exchange: whoever waits for it hears so.
TEST_F(TrainerTest, AClosedExchangeEndsTheTraining) {
  const LocalRows::Options options = Options(kMse, 2);
  LocalRows local(options);
  local.Initialize();
  const std::unique_ptr<const ModelSpec> model = MakeFactorization(0);
  Trainer trainer({.rows = &local.client(0),
                   .kernels = KernelsFor(KernelTarget::kBest).value(),
                   .objective = kMse.objective,
                   .model = model.get(),
                   .shuffle_seed = kShuffleSeed},
                  data_, *split_);
  local.exchange().Close(absl::UnavailableError("rank 1 was lost"));
  std::vector<ObjectiveSums> sums(local.placement().workers().range(0).size());
  EXPECT_EQ(trainer.Train({.last = steps_, .steps_per_epoch = steps_}, sums),
            absl::UnavailableError("rank 1 was lost"));
}

}  // namespace
}  // namespace cf::trainer_test

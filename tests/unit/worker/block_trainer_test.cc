#include "worker/block_trainer.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "common/math/random.h"
#include "paramserver/block_host.h"
#include "tests/unit/kernels/slow_kernels.h"
#include "tests/unit/paramserver/local_rows.h"
#include "tests/unit/worker/tiny_data.h"

namespace cf {
namespace {

using slow::BitsOf;

constexpr std::uint32_t kPartitions = 8;
constexpr std::uint32_t kRounds = 2;
constexpr std::uint32_t kBatchSize = 32;  // Sub-batches of four samples.
constexpr std::uint64_t kShuffleSeed = 7;
constexpr std::uint32_t kDim = 5;

struct SlowSample {
  RowId user{};
  RowId item{};
  float rating = 0;
};

/// The schedule as docs/arithmetic.md says it and as plainly as can be: one thread, all rows in one
/// place, sub-batch after sub-batch.
class SlowBlocks {
 public:
  SlowBlocks(const Dataset& data, const DataSplit& split, const std::vector<TableSpec>& tables,
             const OptimizerRule& rule, const Objective& objective, LocalRows& initial)
      : tables_(tables), rule_(rule), objective_(objective) {
    for (std::uint32_t user = 0; user < data.users(); ++user) {
      for (std::uint64_t s = data.user_offsets()[user]; s < data.user_offsets()[user + 1]; ++s) {
        if (split.is_validation(s)) continue;
        const RowId item = data.item_column()[s];
        blocks_[{Index(partitioning_.Of(RowId{user})), Index(partitioning_.Of(item))}].push_back(
            {RowId{user}, item, data.ratings()[s]});
      }
    }
    for (std::uint32_t t = 0; t < 2; ++t) {
      const RowLayout layout(tables[t].shape);
      for (std::uint32_t id = 0; id < tables[t].shape.rows; ++id) {
        std::vector<float>& row = rows_[t].emplace_back(layout.stride());
        layout.FromRecord(initial.Record(TableId{t}, RowId{id}).data(), row.data());
      }
    }
  }

  void TrainEpoch(std::uint64_t epoch, std::uint64_t steps, std::span<ObjectiveSums> sums) {
    for (std::uint64_t j = 0; j < kRounds * kPartitions; ++j) {
      for (std::uint32_t p = 0; p < kPartitions; ++p) {
        const std::uint32_t q = (p + j) % kPartitions;
        std::vector<SlowSample> block = blocks_[{p, q}];
        Shuffle<std::uint32_t>(std::span(block),
                               CounterRandom(kShuffleSeed, Purpose::kBlockShuffle,
                                             CounterRandom::Stream(epoch, p * kPartitions + q)));
        const std::size_t n = block.size();
        const std::size_t round = j / kPartitions;
        const std::vector<SlowSample> share(
            block.begin() + static_cast<std::ptrdiff_t>(n * round / kRounds),
            block.begin() + static_cast<std::ptrdiff_t>(n * (round + 1) / kRounds));
        constexpr std::size_t kSize = kBatchSize / kPartitions;
        const std::size_t count = (share.size() + kSize - 1) / kSize;
        for (std::size_t k = 0; k < count; ++k) {
          const std::uint64_t step =
              epoch * steps + steps * (j * count + k) / (kRounds * kPartitions * count);
          Step(std::span(share).subspan(share.size() * k / count,
                                        share.size() * (k + 1) / count - share.size() * k / count),
               step, sums[p]);
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
  void Step(std::span<const SlowSample> samples, std::uint64_t step, ObjectiveSums& sums) {
    constexpr std::size_t kPadded = PaddedDim(kDim);
    std::map<RowId, std::vector<float>> gradients[2];
    const auto add = [](float slope, const float* other, std::vector<float>& gradient) {
      const bool is_first = gradient.empty();
      gradient.resize(kPadded + 1);
      slow::AddSample(slope, other, is_first, kPadded, gradient.data());
    };
    for (const SlowSample& sample : samples) {
      const float* user = rows_[0][Index(sample.user)].data();
      const float* item = rows_[1][Index(sample.item)].data();
      const float slope = slow::ObserveSample(objective_, user, item, sample.rating, kPadded, sums);
      add(slope, item, gradients[0][sample.user]);
      add(slope, user, gradients[1][sample.item]);
    }
    for (std::size_t t = 0; t < 2; ++t) {
      for (const auto& [id, gradient] : gradients[t]) {
        slow::UpdateRow(rule_.At(step, tables_[t]), rows_[t][Index(id)].data(), gradient.data());
      }
    }
  }

  const Partitioning partitioning_{kPartitions};
  std::vector<TableSpec> tables_;
  const OptimizerRule& rule_;
  Objective objective_;
  std::map<std::pair<std::size_t, std::size_t>, std::vector<SlowSample>> blocks_;
  std::vector<std::vector<float>> rows_[2];  // By table and id.
};

class BlockTrainerTest : public ::testing::Test {
 protected:
  BlockTrainerTest() : split_(MakeSplit(data_)) {
    steps_ = (split_.training_count() + kBatchSize - 1) / kBatchSize;
    const Optimizer optimizer =
        MakeOptimizer("adam { learning_rate: 0.02 } schedule { exponential { decay: 0.5 } }");
    options_ = {.partitions = kPartitions,
                .seats = 1,
                .tables = {MakeTable("users", data_.users(), kDim, 2),
                           MakeTable("items", data_.items(), kDim, 2)},
                .optimizer = optimizer,
                .steps_per_epoch = steps_};
    for (TableSpec& table : options_.tables) table.l2_vectors = 0.001;
  }

  static DataSplit MakeSplit(const Dataset& data) {
    Split split;
    split.mutable_random()->set_fraction(0.2);
    return DataSplit::Make(data, split).value();
  }

  /// What a seat has.
  struct Seat {
    std::vector<PartitionSamples> samples;
    std::unique_ptr<BlockHost> host;
    std::unique_ptr<BlockTrainer> trainer;
  };
  using Order = BlockTrainer::Order;
  BlockTrainer::Options TrainerOptions(SeatRange range, Order order, BlockRows& rows) const {
    return {.range = range,
            .schedule = BlockSchedule(kPartitions, kRounds, steps_),
            .order = order,
            .batch_size = kBatchSize,
            .users = data_.users(),
            .items = data_.items(),
            .layout = RowLayout(options_.tables[0].shape),
            .objective = objective_,
            .shuffle_seed = kShuffleSeed,
            .kernels = KernelsFor(KernelTarget::kBest).value(),
            .rows = &rows};
  }

  // `orders`: of the seats, again and again.
  std::vector<Seat> MakeSeats(LocalRows& local, const std::vector<Order>& orders) {
    const BlockSchedule schedule(kPartitions, kRounds, steps_);
    std::vector<Seat> seats(local.placement().workers().size());
    for (std::uint32_t s = 0; s < seats.size(); ++s) {
      const SeatRange range = local.placement().workers().range(s);
      for (std::uint32_t p = range.first; p < range.last; ++p) {
        seats[s].samples.emplace_back(data_, split_, Partitioning(kPartitions), PartitionId{p});
      }
      const KernelSet* kernels = KernelsFor(KernelTarget::kBest).value();
      seats[s].host = std::make_unique<BlockHost>(BlockHost::Options{.seat = s,
                                                                     .store = &local.store(),
                                                                     .exchange = &local.exchange(),
                                                                     .optimizer = &local.rule(),
                                                                     .kernels = kernels,
                                                                     .tables = options_.tables,
                                                                     .schedule = schedule});
      seats[s].trainer = std::make_unique<BlockTrainer>(
          TrainerOptions(range, orders[s % orders.size()], *seats[s].host), seats[s].samples);
    }
    return seats;
  }

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

  // With items at home after the sub-epochs in `home_after`.
  void ExpectTrainsAsTheSlowOne(std::uint32_t seats, std::vector<std::uint64_t> home_after,
                                const std::vector<Order>& orders = {Order::kSubEpochs}) {
    options_.seats = seats;
    LocalRows local(options_);
    local.Initialize();
    SlowBlocks slow(data_, split_, options_.tables, local.rule(), objective_, local);
    std::vector<Seat> all = MakeSeats(local, orders);
    home_after.push_back(kRounds * kPartitions);
    for (std::uint64_t epoch = 0; epoch < 2; ++epoch) {
      std::vector<ObjectiveSums> sums(kPartitions);
      std::vector<ObjectiveSums> slow_sums(kPartitions);
      std::uint64_t first = 0;
      for (const std::uint64_t last : home_after) {
        std::vector<std::jthread> threads;
        for (std::uint32_t s = 0; s < seats; ++s) {
          threads.emplace_back([&, s] {
            SetFloatMode();
            const SeatRange range = local.placement().workers().range(s);
            EXPECT_EQ(all[s].host->Leave(epoch * kRounds * kPartitions + first), absl::OkStatus());
            EXPECT_EQ(
                all[s].trainer->Train(
                    {.epoch = epoch, .first = first, .last = last, .first_step = epoch * steps_},
                    std::span(sums).subspan(range.first, range.size())),
                absl::OkStatus());
            EXPECT_EQ(all[s].host->ComeHome(), absl::OkStatus());
          });
        }
        threads.clear();
        first = last;
      }
      std::jthread([&] {
        SetFloatMode();
        slow.TrainEpoch(epoch, steps_, slow_sums);
      }).join();
      for (std::size_t p = 0; p < sums.size(); ++p)
        EXPECT_EQ(BitsOf(sums[p]), BitsOf(slow_sums[p]));
      ASSERT_EQ(AllBits(local), AllBits(slow)) << seats << " seats, epoch " << epoch;
    }
  }

  TinyData tiny_;
  Dataset data_ = Dataset::Open(tiny_.path()).value();
  DataSplit split_;
  std::uint64_t steps_ = 0;
  LocalRows::Options options_;
  Objective objective_{.mean = 3.0F, .inverse_batch = 1.0F / kBatchSize};
};

TEST_F(BlockTrainerTest, OneSeatTrainsAsTheSlowOne) {
  ExpectTrainsAsTheSlowOne(1, {});
}

TEST_F(BlockTrainerTest, ThreeSeatsTrainAsTheSlowOne) {
  ExpectTrainsAsTheSlowOne(3, {});
}

TEST_F(BlockTrainerTest, ASeatForEachPartitionTrainsAsTheSlowOne) {
  ExpectTrainsAsTheSlowOne(kPartitions, {});
}

TEST_F(BlockTrainerTest, ItemsMayComeHomeBetweenAnySubEpochs) {
  ExpectTrainsAsTheSlowOne(3, {1, 2, 7, 8, 13});
}

TEST_F(BlockTrainerTest, WavesTrainAsTheSlowOne) {
  for (const std::uint32_t seats : {1U, 2U, 3U, kPartitions}) {
    ExpectTrainsAsTheSlowOne(seats, {}, {Order::kWave});
  }
  ExpectTrainsAsTheSlowOne(1, {1, 2, 7, 8, 13}, {Order::kWave});
  ExpectTrainsAsTheSlowOne(3, {1, 2, 7, 8, 13}, {Order::kWave});
}

// Seats of a host with little memory beside those of one with enough.
TEST_F(BlockTrainerTest, SeatsOfBothOrdersTrainAsTheSlowOne) {
  ExpectTrainsAsTheSlowOne(3, {}, {Order::kWave, Order::kSubEpochs});
  ExpectTrainsAsTheSlowOne(5, {3}, {Order::kSubEpochs, Order::kWave, Order::kWave});
}

// Goal: the order that needs fewest loads. Method: one seat; count how often users are pinned.
TEST_F(BlockTrainerTest, AWaveVisitsAPartitionOnceARound) {
  /// Counts, and otherwise lets the host do it.
  class CountingRows : public BlockRows {
   public:
    explicit CountingRows(BlockHost* host) : host_(*host) {}
    void AnnounceUsers(PartitionId p) override { announced_.push_back(p); }
    absl::StatusOr<SlabRows> Users(PartitionId p) override {
      if (visits_ > 0) {
        EXPECT_EQ(announced_[0], p) << "the next was announced";
      }
      announced_.clear();
      ++visits_;
      return host_.Users(p);
    }
    void ReleaseUsers(PartitionId p) override { host_.ReleaseUsers(p); }
    absl::StatusOr<SlabRows> Items(PartitionId q, std::uint64_t sub_epoch) override {
      return host_.Items(q, sub_epoch);
    }
    absl::StatusOr<bool> HasItems(PartitionId q, std::uint64_t sub_epoch) override {
      return host_.HasItems(q, sub_epoch);
    }
    absl::Status AwaitItems() override { return host_.AwaitItems(); }
    void CatchUpUsers(PartitionId p, std::uint64_t step,
                      std::span<const std::uint32_t> slots) override {
      host_.CatchUpUsers(p, step, slots);
    }
    void CatchUpItems(PartitionId q, std::uint64_t step,
                      std::span<const std::uint32_t> slots) override {
      host_.CatchUpItems(q, step, slots);
    }
    void ApplyUsers(PartitionId p, std::uint64_t step, const SlotGradients& gradients) override {
      host_.ApplyUsers(p, step, gradients);
    }
    void ApplyItems(PartitionId q, std::uint64_t step, const SlotGradients& gradients) override {
      host_.ApplyItems(q, step, gradients);
    }
    void PassItems(PartitionId q, std::uint64_t sub_epoch) override {
      host_.PassItems(q, sub_epoch);
    }
    std::size_t visits() const { return visits_; }

   private:
    BlockHost& host_;
    std::size_t visits_ = 0;
    std::vector<PartitionId> announced_;  // In the visit before.
  };
  LocalRows local(options_);
  local.Initialize();
  std::vector<Seat> seats = MakeSeats(local, {Order::kWave});
  CountingRows counting(seats[0].host.get());
  BlockTrainer trainer(TrainerOptions({0, kPartitions}, Order::kWave, counting), seats[0].samples);
  ASSERT_EQ(seats[0].host->Leave(0), absl::OkStatus());
  std::vector<ObjectiveSums> sums(kPartitions);
  std::jthread([&] {
    SetFloatMode();
    EXPECT_EQ(trainer.Train({.last = kRounds * kPartitions}, sums), absl::OkStatus());
  }).join();
  // One more than rounds: the first visits of the upper partitions are short, and so are the last of
  // the lower ones.
  EXPECT_LE(counting.visits(), (kRounds + 1) * kPartitions);
}

// A rank that is lost closes the exchange: whoever waits for its items hears so.
TEST_F(BlockTrainerTest, AClosedExchangeEndsTheTraining) {
  options_.seats = 2;
  LocalRows local(options_);
  local.Initialize();
  std::vector<Seat> seats = MakeSeats(local, {Order::kSubEpochs, Order::kWave});
  ASSERT_EQ(seats[0].host->Leave(0), absl::OkStatus());
  ASSERT_EQ(seats[1].host->Leave(0), absl::OkStatus());
  local.exchange().Close(absl::UnavailableError("rank 1 was lost"));
  std::vector<ObjectiveSums> sums(kPartitions / 2);
  for (const Seat& seat : seats) {
    EXPECT_EQ(seat.trainer->Train({.last = kRounds * kPartitions}, sums),
              absl::UnavailableError("rank 1 was lost"));
  }
}

}  // namespace
}  // namespace cf

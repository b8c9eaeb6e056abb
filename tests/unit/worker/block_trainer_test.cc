#include "worker/block_trainer.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "common/math/random.h"
#include "paramserver/block_host.h"
#include "tests/unit/kernels/slow_kernels.h"
#include "tests/unit/paramserver/local_rows.h"
#include "tests/unit/worker/tiny_data.h"

namespace cf::block_trainer_test {
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

/// Lets a host do all, gives way to other threads by seed, and counts.
class FickleRows : public BlockRows {
 public:
  FickleRows(BlockHost* host, std::uint64_t seed, std::uint32_t slowness)
      : host_(*host),
        random_(seed, Purpose::kBlockShuffle, 0),
        gives_way_(seed != 0),
        slowness_(slowness) {}

  void AnnounceUsers(PartitionId p) override { is_announced_[Index(p)] = true; }
  absl::StatusOr<SlabRows> Users(PartitionId p) override {
    GiveWay();
    if (is_announced_[Index(p)]) ++announced_;
    is_announced_[Index(p)] = false;
    ++visits_;
    return host_.Users(p);
  }
  void ReleaseUsers(PartitionId p) override {
    GiveWay();
    host_.ReleaseUsers(p);
  }
  absl::StatusOr<std::optional<SlabRows>> Items(PartitionId q, std::uint64_t sub_epoch,
                                                Clock::time_point deadline) override {
    GiveWay();
    if (stops_) {
      if (random_.Below(drawn_++, 8) == 0) return std::nullopt;
      deadline = Clock::now() + std::chrono::microseconds(200);
    }
    return host_.Items(q, sub_epoch, deadline);
  }
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
  absl::Status PassItems(PartitionId q, std::uint64_t sub_epoch) override {
    GiveWay();
    return host_.PassItems(q, sub_epoch);
  }

  /// From now on time is up at some blocks, and soon for whoever waits.
  void StopBySeed() { stops_ = true; }

  std::size_t visits() const { return visits_; }
  std::size_t announced() const { return announced_; }

 private:
  void GiveWay() {
    if (!gives_way_) return;
    for (std::uint32_t times = static_cast<std::uint32_t>(random_.Below(drawn_++, 4)) * slowness_;
         times > 0; --times) {
      std::this_thread::yield();
    }
  }

  BlockHost& host_;
  const CounterRandom random_;
  std::uint64_t drawn_ = 0;
  bool stops_ = false;
  const bool gives_way_;
  const std::uint32_t slowness_;
  std::array<bool, kPartitions> is_announced_{};
  std::size_t visits_ = 0;
  std::size_t announced_ = 0;
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

  /// What the threads of a process share, and what each has.
  struct Rank {
    std::vector<std::uint32_t> seats;
    std::unique_ptr<ItemPlaces> places;
    std::unique_ptr<Wave> wave;
    std::unique_ptr<RankSamples> samples;
    std::vector<std::unique_ptr<BlockHost>> hosts;  // By thread, as the next.
    std::vector<std::unique_ptr<FickleRows>> rows;
    std::vector<std::unique_ptr<BlockTrainer>> trainers;
  };

  /// Ranks with so many threads each. `slow`: the rank whose blocks take longest; -1: all the same.
  std::vector<Rank> MakeRanks(LocalRows& local, const std::vector<std::uint32_t>& threads,
                              std::uint64_t seed = 0, int slow = -1) {
    const BlockSchedule schedule(kPartitions, kRounds, steps_);
    const KernelSet* kernels = KernelsFor(KernelTarget::kBest).value();
    std::vector<Rank> ranks(threads.size());
    std::uint32_t seat = 0;
    for (std::size_t r = 0; r < threads.size(); ++r) {
      Rank& rank = ranks[r];
      while (rank.seats.size() < threads[r]) rank.seats.push_back(seat++);
      rank.places = std::make_unique<ItemPlaces>(ItemPlaces::Options{.seats = rank.seats,
                                                                     .store = &local.store(),
                                                                     .exchange = &local.exchange(),
                                                                     .items = options_.tables[1],
                                                                     .schedule = schedule});
      rank.wave = std::make_unique<Wave>(rank.places->range());
      const SeatRange range = rank.wave->range();
      rank.samples = std::make_unique<RankSamples>(
          range, BlockSamples::Make(data_, split_, Partitioning(kPartitions), range), nullptr,
          std::vector<bool>(range.size()));
      for (const std::uint32_t thread : rank.seats) {
        rank.hosts.push_back(std::make_unique<BlockHost>(
            BlockHost::Options{.store = &local.store(),
                               .places = rank.places.get(),
                               .optimizer = &local.rule(),
                               .kernels = kernels,
                               .tables = options_.tables,
                               .partitioning = Partitioning(kPartitions)}));
        rank.rows.push_back(std::make_unique<FickleRows>(rank.hosts.back().get(),
                                                         seed == 0 ? 0 : seed + thread,
                                                         slow == static_cast<int>(r) ? 50 : 1));
        rank.trainers.push_back(std::make_unique<BlockTrainer>(
            BlockTrainer::Options{.schedule = schedule,
                                  .batch_size = kBatchSize,
                                  .users = data_.users(),
                                  .items = data_.items(),
                                  .layout = RowLayout(options_.tables[0].shape),
                                  .objective = objective_,
                                  .shuffle_seed = kShuffleSeed,
                                  .kernels = kernels,
                                  .wave = rank.wave.get(),
                                  .samples = rank.samples.get(),
                                  .rows = rank.rows.back().get()}));
      }
    }
    return ranks;
  }

  /// Has every thread of every rank train, and checks that each says `expected`.
  static void Train(std::vector<Rank>& ranks, const BlockTrainer::Segment& segment,
                    std::span<ObjectiveSums> sums,
                    const absl::Status& expected = absl::OkStatus()) {
    std::vector<std::jthread> threads;
    for (Rank& rank : ranks) {
      const SeatRange range = rank.wave->range();
      for (const auto& trainer : rank.trainers) {
        threads.emplace_back([&, range, own = trainer.get()] {
          SetFloatMode();
          EXPECT_EQ(own->Train(segment, sums.subspan(range.first, range.size())), expected);
        });
      }
    }
  }
  /// Has the items of all ranks leave, or come home.
  static void OnPlaces(std::vector<Rank>& ranks,
                       const std::function<absl::Status(ItemPlaces&)>& move) {
    std::vector<std::jthread> threads;
    for (Rank& rank : ranks) {
      threads.emplace_back([&] { EXPECT_EQ(move(*rank.places), absl::OkStatus()); });
    }
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

  static std::uint32_t Sum(const std::vector<std::uint32_t>& threads) {
    return std::accumulate(threads.begin(), threads.end(), 0U);
  }

  // With items at home after the sub-epochs in `home_after`.
  void ExpectTrainsAsTheSlowOne(const std::vector<std::uint32_t>& threads,
                                std::vector<std::uint64_t> home_after = {}, std::uint64_t seed = 0,
                                int slow_rank = -1) {
    options_.seats = Sum(threads);
    LocalRows local(options_);
    local.Initialize();
    SlowBlocks slow(data_, split_, options_.tables, local.rule(), objective_, local);
    std::vector<Rank> ranks = MakeRanks(local, threads, seed, slow_rank);
    home_after.push_back(kRounds * kPartitions);
    for (std::uint64_t epoch = 0; epoch < 2; ++epoch) {
      const std::uint64_t before = epoch * kRounds * kPartitions;
      std::vector<ObjectiveSums> sums(kPartitions);
      std::vector<ObjectiveSums> slow_sums(kPartitions);
      std::uint64_t first = 0;
      for (const std::uint64_t last : home_after) {
        const auto all_at = [&](std::uint64_t j) {
          return std::vector<std::uint64_t>(kPartitions, before + j);
        };
        OnPlaces(ranks, [&](ItemPlaces& places) { return places.Leave(all_at(first)); });
        for (Rank& rank : ranks) {
          const std::vector<std::uint64_t> next(rank.samples->range().size(), first);
          rank.wave->Begin(first, last, next);
        }
        Train(ranks, {.epoch = epoch, .first_step = epoch * steps_}, sums);
        OnPlaces(ranks, [&](ItemPlaces& places) { return places.ComeHome(all_at(last)); });
        first = last;
      }
      std::jthread([&] {
        SetFloatMode();
        slow.TrainEpoch(epoch, steps_, slow_sums);
      }).join();
      for (std::size_t p = 0; p < sums.size(); ++p)
        EXPECT_EQ(BitsOf(sums[p]), BitsOf(slow_sums[p]));
      ASSERT_EQ(AllBits(local), AllBits(slow)) << threads.size() << " ranks, epoch " << epoch;
    }
  }

  TinyData tiny_;
  Dataset data_ = Dataset::Open(tiny_.path()).value();
  DataSplit split_;
  std::uint64_t steps_ = 0;
  LocalRows::Options options_;
  Objective objective_{.mean = 3.0F, .inverse_batch = 1.0F / kBatchSize};
};

TEST_F(BlockTrainerTest, OneThreadTrainsAsTheSlowOne) {
  ExpectTrainsAsTheSlowOne({1});
}

TEST_F(BlockTrainerTest, ThreadsOfOneRankTrainAsTheSlowOne) {
  for (const std::uint32_t threads : {2U, 3U, kPartitions}) ExpectTrainsAsTheSlowOne({threads});
}

TEST_F(BlockTrainerTest, RanksTrainAsTheSlowOne) {
  ExpectTrainsAsTheSlowOne({1, 1});
  ExpectTrainsAsTheSlowOne({1, 1, 1});  // Two partitions, and three.
  ExpectTrainsAsTheSlowOne(std::vector<std::uint32_t>(kPartitions, 1));
}

TEST_F(BlockTrainerTest, RanksWithThreadsTrainAsTheSlowOne) {
  ExpectTrainsAsTheSlowOne({2, 2});
  ExpectTrainsAsTheSlowOne({3, 1});
  ExpectTrainsAsTheSlowOne({1, 2, 1});
  ExpectTrainsAsTheSlowOne({5, 3});
}

TEST_F(BlockTrainerTest, ItemsMayComeHomeBetweenAnySubEpochs) {
  ExpectTrainsAsTheSlowOne({1}, {1, 2, 7, 8, 13});
  ExpectTrainsAsTheSlowOne({2}, {1, 2, 7, 8, 13});
  ExpectTrainsAsTheSlowOne({1, 1, 1}, {1, 2, 7, 8, 13});
  ExpectTrainsAsTheSlowOne({2, 3}, {5});
}

// Goal: no order of events makes threads wait for each other for ever, or changes a bit.
// Method: threads that give way by seed, ranks of different sizes, one of them slow.
TEST_F(BlockTrainerTest, WhoeverIsSlowTheBitsAreTheSame) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    ExpectTrainsAsTheSlowOne({3}, {}, seed);
    ExpectTrainsAsTheSlowOne({1, 1, 1, 1}, {}, seed, static_cast<int>(seed % 4));
    ExpectTrainsAsTheSlowOne({2, 1, 2}, {9}, seed, static_cast<int>(seed % 3));
  }
}

// Goal: the order that needs fewest loads. Method: count how often users are pinned.
TEST_F(BlockTrainerTest, ThreadsCostNoVisits) {
  for (const std::vector<std::uint32_t>& threads :
       {std::vector<std::uint32_t>{1}, {2}, {5}, {1, 1}, {2, 2}}) {
    options_.seats = Sum(threads);
    LocalRows local(options_);
    local.Initialize();
    std::vector<Rank> ranks = MakeRanks(local, threads);
    const std::vector<std::uint64_t> next(kPartitions, 0);
    OnPlaces(ranks, [&](ItemPlaces& places) { return places.Leave(next); });
    for (Rank& rank : ranks) {
      rank.wave->Begin(0, kRounds * kPartitions,
                       std::span(next).first(rank.samples->range().size()));
    }
    std::vector<ObjectiveSums> sums(kPartitions);
    Train(ranks, {}, sums);
    for (const Rank& rank : ranks) {
      std::size_t visits = 0;
      for (const auto& rows : rank.rows) visits += rows->visits();
      // R n of each partition, and one more where the wave begins and ends in between.
      const std::size_t sweeps = kRounds * ranks.size();
      EXPECT_EQ(visits, (sweeps + 1) * rank.samples->range().size() - 1) << threads.size();
    }
  }
}

TEST_F(BlockTrainerTest, WhatComesNextIsAnnounced) {
  LocalRows local(options_);
  local.Initialize();
  std::vector<Rank> ranks = MakeRanks(local, {1});
  const std::vector<std::uint64_t> next(kPartitions, 0);
  OnPlaces(ranks, [&](ItemPlaces& places) { return places.Leave(next); });
  ranks[0].wave->Begin(0, kRounds * kPartitions, next);
  std::vector<ObjectiveSums> sums(kPartitions);
  Train(ranks, {}, sums);
  EXPECT_EQ(ranks[0].rows[0]->visits() - ranks[0].rows[0]->announced(), 1U) << "all but the first";
}

// Goal: training may stop at any time and go on, with items at home or away in between.
// Method: time is up by seed, for each thread on its own.
TEST_F(BlockTrainerTest, StopsBetweenAnyTwoBlocksAndGoesOn) {
  for (const std::vector<std::uint32_t>& threads :
       {std::vector<std::uint32_t>{1}, {2}, {1, 1}, {2, 1}}) {
    options_.seats = Sum(threads);
    LocalRows local(options_);
    local.Initialize();
    SlowBlocks slow(data_, split_, options_.tables, local.rule(), objective_, local);
    std::vector<Rank> ranks = MakeRanks(local, threads, 1);
    for (const Rank& rank : ranks) {
      for (const auto& rows : rank.rows) rows->StopBySeed();
    }
    std::vector<ObjectiveSums> sums(kPartitions);
    std::vector<std::uint64_t> next(kPartitions, 0);
    std::size_t segments = 0;
    while (*std::ranges::min_element(next) < kRounds * kPartitions) {
      OnPlaces(ranks, [&](ItemPlaces& places) { return places.Leave(next); });
      for (Rank& rank : ranks) {
        const SeatRange range = rank.wave->range();
        rank.wave->Begin(0, kRounds * kPartitions,
                         std::span(next).subspan(range.first, range.size()));
      }
      Train(ranks, {}, sums);
      for (const Rank& rank : ranks) {
        std::ranges::copy(rank.wave->next(), next.begin() + rank.wave->range().first);
      }
      if (++segments % 2 == 0) {
        OnPlaces(ranks, [&](ItemPlaces& places) { return places.ComeHome(next); });
      }
    }
    EXPECT_GT(segments, 1U);
    OnPlaces(ranks, [&](ItemPlaces& places) { return places.ComeHome(next); });
    std::vector<ObjectiveSums> slow_sums(kPartitions);
    std::jthread([&] {
      SetFloatMode();
      slow.TrainEpoch(0, steps_, slow_sums);
    }).join();
    for (std::size_t p = 0; p < sums.size(); ++p) EXPECT_EQ(BitsOf(sums[p]), BitsOf(slow_sums[p]));
    ASSERT_EQ(AllBits(local), AllBits(slow)) << threads.size() << " ranks";
  }
}

// A rank that is lost closes the exchange: whoever waits for its items hears so.
TEST_F(BlockTrainerTest, AClosedExchangeEndsTheTraining) {
  options_.seats = 2;
  LocalRows local(options_);
  local.Initialize();
  std::vector<Rank> ranks = MakeRanks(local, {1, 1});
  const std::vector<std::uint64_t> next(kPartitions, 0);
  OnPlaces(ranks, [&](ItemPlaces& places) { return places.Leave(next); });
  for (Rank& rank : ranks) {
    rank.wave->Begin(0, kRounds * kPartitions, std::span(next).first(kPartitions / 2));
  }
  local.exchange().Close(absl::UnavailableError("rank 1 was lost"));
  std::vector<ObjectiveSums> sums(kPartitions);
  Train(ranks, {}, sums, absl::UnavailableError("rank 1 was lost"));
}

}  // namespace
}  // namespace cf::block_trainer_test

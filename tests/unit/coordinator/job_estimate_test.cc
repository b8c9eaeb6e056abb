#include "coordinator/job_estimate.h"

#include <cmath>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/coordinator/local_generation.h"

namespace cf::job_estimate_test {
namespace {

class JobEstimateTest : public GenerationTest {
 protected:
  static Placement PlacementOf(const Job& job, std::uint32_t ranks, std::uint32_t servers = 0) {
    return Placement::Make({.partitions = job.train().partitions(),
                            .threads = std::vector<std::uint32_t>(ranks, 1),
                            .servers = servers})
        .value();
  }
};

TEST_F(JobEstimateTest, TablesAreThoseOfTheModel) {
  const Job job = MakeTinyJob(tiny_, 1);
  const TrainingData data = TrainingData::Open(job).value();
  const std::vector<TableBytes> tables = BytesOfTables(data);
  ASSERT_EQ(tables.size(), 2U);
  EXPECT_EQ(tables[0].name, "users");
  EXPECT_EQ(tables[0].rows, data.data.users());
  EXPECT_EQ(tables[0].bytes, tables[0].rows * tables[0].row_bytes);
}

// Goal: within the 10 % that the dry run promises, whatever the rows are.
TEST_F(JobEstimateTest, ASnapshotTakesWhatItsFilesTake) {
  for (const char* model : {kTinyFactorization, kTinyTowers, "matrix_factorization { dim: 200 }"}) {
    Job job = MakeTinyJob(tiny_, 1, model);
    const std::string run = "run" + std::to_string(std::string(model).size());
    LocalGeneration generation(job, tiny_, run, 1);
    ASSERT_TRUE(generation.Run(1).front().has_finished());
    std::uint64_t bytes = 0;
    const Snapshot snapshot = Snapshot::Open(generation.latest()).value();
    for (const FileEntry& file : snapshot.manifest().files()) {
      ASSERT_EQ(file.kind(), BASE);
      bytes += file.bytes();
    }
    const TrainingData data = TrainingData::Open(job).value();
    EXPECT_NEAR(static_cast<double>(SnapshotBytes(job, data)) / static_cast<double>(bytes), 1, 0.1)
        << model;
  }
}

TEST_F(JobEstimateTest, OneRankSendsNothing) {
  const Job job = MakeTinyJob(tiny_, 1);
  EXPECT_EQ(TrafficBytes(job, TrainingData::Open(job).value(), PlacementOf(job, 1)), 0);
}

// Against drawing: how many different items as many samples have as a rank has of a batch.
TEST_F(JobEstimateTest, SyncSendsTheRowsThatBatchesNeedFromElsewhere) {
  const Job job = MakeTinyJob(tiny_, 1);
  const TrainingData data = TrainingData::Open(job).value();
  constexpr std::uint64_t kBatches = 2000;
  const std::uint64_t samples_of_rank = job.train().batch_size() / 2;
  const CounterRandom random(5, Purpose::kSynth);
  double items = 0;
  for (std::uint64_t batch = 0; batch < kBatches; ++batch) {
    std::set<RowId> drawn;
    for (std::uint64_t s = 0; s < samples_of_rank; ++s) {
      drawn.insert(data.data.item_column()[random.Below(
          batch * samples_of_rank + s, static_cast<std::uint32_t>(data.data.samples()))]);
    }
    items += static_cast<double>(drawn.size()) / kBatches;
  }
  // Pulled and pushed by two ranks, half of the rows from the other: ids, 16 + 1 floats, nodes.
  const double expected =
      2 * items / 2 * (2 * (4 + 17 * 4) + 2) * static_cast<double>(data.steps_per_epoch(job));
  EXPECT_NEAR(TrafficBytes(job, data, PlacementOf(job, 2)) / expected, 1, 0.02);
}

TEST_F(JobEstimateTest, BlocksSendTheItemsRoundTheRing) {
  Job job = MakeTinyJob(tiny_, 1);
  job.mutable_train()->set_schedule(Train::BLOCKS);
  job.mutable_train()->set_rounds(3);
  const TrainingData data = TrainingData::Open(job).value();
  const double table = static_cast<double>(BytesOfTables(data)[Index(kItems)].bytes);
  EXPECT_EQ(TrafficBytes(job, data, PlacementOf(job, 4)), 4 * 3 * table + 2 * table * 3 / 4);
}

TEST_F(JobEstimateTest, BlocksGoThroughTheRingsOfAHost) {
  Job job = MakeTinyJob(tiny_, 1);
  const TrainingData data = TrainingData::Open(job).value();
  EXPECT_EQ(RingBytes(job, data, 4), 0U);
  job.mutable_train()->set_schedule(Train::BLOCKS);
  EXPECT_EQ(RingBytes(job, data, 1), 0U);
  EXPECT_EQ(RingBytes(job, data, 4), 2 * BytesOfTables(data)[Index(kItems)].bytes);
  job.mutable_cluster()->set_shared_memory(false);
  EXPECT_EQ(RingBytes(job, data, 4), 0U);
}

TEST_F(JobEstimateTest, EachRankPassesItsUsersAsOftenAsThereAreRanks) {
  Job job = MakeTinyJob(tiny_, 1);
  job.mutable_train()->set_rounds(4);
  EXPECT_EQ(DiskBytes(job, {.disk = 100}, 1), 500);
  EXPECT_EQ(DiskBytes(job, {.disk = 100}, 3), 1300);
  EXPECT_EQ(SampleReads(job, {.sample_disk = 10}, 3), 120) << "not at the end of an epoch";
  EXPECT_EQ(SampleWrites({.sample_disk = 10}), 0);
}

// With room for all but the rows that are least frequent, these are what is read.
TEST_F(JobEstimateTest, RowsThatComeMostOftenStay) {
  const Job job = MakeTinyJob(tiny_, 1);
  const TrainingData data = TrainingData::Open(job).value();
  const std::vector<TableBytes> tables = BytesOfTables(data);
  const std::uint64_t all = tables[0].bytes + tables[1].bytes;
  EXPECT_EQ(RowsMoved(job, data, {}, 1), 0);
  EXPECT_EQ(RowsMoved(job, data, {.row_bytes = all}, 1), 0);
  const double one = RowsMoved(job, data, {.row_bytes = all - 1}, 1);
  EXPECT_GT(one, 0);
  EXPECT_LT(one, static_cast<double>(data.steps_per_epoch(job)));
  const double half = RowsMoved(job, data, {.row_bytes = all / 2}, 1);
  EXPECT_GT(half, one);
  EXPECT_LT(half, RowsMoved(job, data, {.row_bytes = 1}, 1));
  EXPECT_DOUBLE_EQ(RowsMoved(job, data, {.row_bytes = all / 4}, 2), half / 2);
  EXPECT_EQ(DiskBytes(job, {.disk = 100, .row_bytes = 50}, 1), 0);
  EXPECT_EQ(SampleReads(job, {.sample_disk = 24, .samples_on_disk = true}, 1), 24);
  EXPECT_EQ(SampleWrites({.sample_disk = 24, .samples_on_disk = true}), 12);
}

TEST(SecondsOf, ScalesATrialToTheJob) {
  const TrialFigures trial = {.training_samples = 100,
                              .validation_samples = 10,
                              .samples_per_second = 50,
                              .epoch_begin_seconds = 0.5,
                              .validation_seconds = 3,
                              .penalty_seconds = 1};
  const JobSize size = {.training_samples = 1000,
                        .validation_samples = 20,
                        .rows = 600,
                        .ranks_at_once = 2,
                        .snapshot_bytes = 800'000'000};
  const EpochSeconds seconds = SecondsOf(size, trial, 300, {});
  EXPECT_DOUBLE_EQ(seconds.training, (1000 / 50.0 + 10 * 0.5) / 2);
  EXPECT_DOUBLE_EQ(seconds.validation, (2 * 3 + 2 * 1) / 2.0);
  EXPECT_DOUBLE_EQ(seconds.snapshot, 2);
  EXPECT_EQ(seconds.of_disk, 0);
  EXPECT_DOUBLE_EQ(seconds.sum(), seconds.training + seconds.validation + seconds.snapshot);
}

TEST(SecondsOf, AddsHalfOfWhatIsHiddenBehindTheDisk) {
  const TrialFigures trial = {.training_samples = 100, .samples_per_second = 50};
  JobSize size = {.training_samples = 100, .disk_bytes = 600, .snapshot_bytes = 200};
  EpochSeconds seconds = SecondsOf(size, trial, 1, {.read = 200, .write = 100});
  EXPECT_DOUBLE_EQ(seconds.of_disk, 9);
  EXPECT_DOUBLE_EQ(seconds.training, 9 + 2 / 2.0);
  EXPECT_DOUBLE_EQ(seconds.snapshot, 2) << "the disk is slower than writing row files";
  size.disk_bytes = 0;
  seconds = SecondsOf(size, trial, 1, {.read = 200, .write = 100});
  EXPECT_DOUBLE_EQ(seconds.training, 2);
}

}  // namespace
}  // namespace cf::job_estimate_test

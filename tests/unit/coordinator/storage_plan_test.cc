#include "coordinator/storage_plan.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <absl/strings/numbers.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "paramserver/disk_store.h"
#include "paramserver/slab_store.h"
#include "tests/unit/coordinator/local_generation.h"
#include "worker/samples.h"

namespace cf::storage_plan_test {
namespace {

using ::testing::HasSubstr;

/// A job whose tiny tables have rows of 48 KiB: some MiB.
class StoragePlanTest : public GenerationTest {
 protected:
  Job MakeJob(Train::Order schedule = Train::BLOCKS) const {
    Job job = MakeTinyJob(tiny_, 1, "matrix_factorization { dim: 4096 }");
    job.mutable_train()->set_schedule(schedule);
    job.mutable_train()->set_partitions(32);
    FillDefaults(job);
    return job;
  }

  absl::StatusOr<StoragePlan> Plan(const Job& job, std::uint64_t memory = 0,
                                   std::uint32_t threads = 1) const {
    const TrainingData data = TrainingData::Open(job).value();
    const Placement placement =
        Placement::Make(
            {.partitions = job.train().partitions(), .threads = {threads}, .servers = 0})
            .value();
    return PlanStorage(job, data, placement, 0, {.bytes = memory});
  }
  static Job WithBudget(Job job, std::uint64_t mib) {
    job.mutable_storage()->set_memory_budget_mib(mib);
    return job;
  }
  /// The number behind "needs at least".
  static std::uint64_t LeastOf(const absl::Status& refused) {
    EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition) << refused;
    return NumberBehind(std::string(refused.message()), "needs at least ");
  }
  static std::uint64_t NumberBehind(const std::string& text, const std::string& before) {
    std::uint64_t number = 0;
    const std::size_t at = text.find(before) + before.size();
    EXPECT_TRUE(absl::SimpleAtoi(text.substr(at, text.find(' ', at) - at), &number)) << text;
    return number;
  }
};

TEST_F(StoragePlanTest, WithoutABudgetEverythingStaysInMemory) {
  const StoragePlan plan = Plan(MakeJob()).value();
  EXPECT_TRUE(plan.keeps_all());
  EXPECT_EQ(plan.disk, 0U);
  EXPECT_EQ(Plan(WithBudget(MakeJob(), 1000)).value().memory, plan.memory);
  EXPECT_TRUE(Plan(WithBudget(MakeJob(), 1000)).value().keeps_all());
  // By the machine it may be refused, but nothing goes to a disk that nobody asked for.
  const absl::Status refused = Plan(MakeJob(), std::uint64_t{1} << 20).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("give a budget (--memory)"));
}

// Goal: what a machine has is for the whole process, of which rows and samples are a part.
TEST_F(StoragePlanTest, ATooSmallMachineIsRefusedWithTheNumberThatWouldDo) {
  const Job job = MakeJob(Train::SYNC);
  const StoragePlan plan = Plan(job).value();
  EXPECT_GT(plan.beside, std::uint64_t{25} << 20);
  const std::uint64_t rows_and_samples = plan.memory - plan.snapshot_copies;
  const absl::Status refused = Plan(job, rows_and_samples + plan.beside).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition) << refused;
  const std::uint64_t enough = NumberBehind(std::string(refused.message()), "rank 0 needs ");
  EXPECT_EQ(enough, (rows_and_samples + plan.beside) / (1 << 20) + 1);
  EXPECT_TRUE(Plan(job, enough << 20).ok());
  // Larger batches have larger gradients.
  Job larger = job;
  larger.mutable_train()->set_batch_size(2 * job.train().batch_size());
  EXPECT_GE(Plan(larger).value().beside, plan.beside);
}

// Goal: the number that is named is the least that does.
TEST_F(StoragePlanTest, ATooSmallBudgetIsRefusedWithTheNumberThatWouldDo) {
  for (const std::uint32_t threads : {1U, 2U}) {
    const std::uint64_t least = LeastOf(Plan(WithBudget(MakeJob(), 1), 0, threads).status());
    EXPECT_FALSE(Plan(WithBudget(MakeJob(), least - 1), 0, threads).ok());
    const StoragePlan plan = Plan(WithBudget(MakeJob(), least), 0, threads).value();
    EXPECT_FALSE(plan.keeps_all());
    EXPECT_GE(plan.frames, DiskStore::FramesMin(threads));
    EXPECT_LE(plan.memory, least << 20);
    EXPECT_GT(plan.disk, 0U);
  }
}

TEST_F(StoragePlanTest, MoreBudgetIsMoreUsersInMemory) {
  const std::uint64_t least = LeastOf(Plan(WithBudget(MakeJob(), 1)).status());
  std::uint32_t frames = 0;
  for (std::uint64_t mib = least; mib < least + 10; ++mib) {
    const StoragePlan plan = Plan(WithBudget(MakeJob(), mib)).value();
    EXPECT_GE(plan.frames, frames);
    EXPECT_LE(plan.memory, mib << 20);
    frames = plan.frames;
  }
  EXPECT_EQ(frames, MakeJob().train().partitions());
}

// Goal: what is said of samples is what they take.
TEST_F(StoragePlanTest, CountsSamplesWhereTheyAre) {
  for (const Train::Order schedule : {Train::BLOCKS, Train::SYNC}) {
    Job job = MakeJob(schedule);
    job.mutable_snapshot()->set_copies_mib(0);
    const TrainingData data = TrainingData::Open(job).value();
    const Partitioning partitioning(job.train().partitions());
    const SeatRange range{0, partitioning.count()};
    const std::vector<RowStore::Table> tables = StoredTables(data.Tables(), job);
    const std::uint64_t training = data.split.training_count();
    const std::uint64_t validation = 12 * data.split.validation_count();
    const std::uint64_t split = data.split.samples() / 8;
    const bool blocks = schedule == Train::BLOCKS;
    const std::uint64_t index = blocks ? 16 * 32 * 32 : 0;
    EXPECT_EQ(Plan(job).value().memory, SlabStore::BytesFor(tables, partitioning, range) +
                                            (blocks ? 14 : 12) * training + validation + split +
                                            index);
    if (!blocks) continue;
    const std::uint64_t least = LeastOf(Plan(WithBudget(job, 1)).status());
    const StoragePlan plan = Plan(WithBudget(job, least)).value();
    const std::vector<std::uint64_t> counts =
        CountSamples(data.data, data.split, partitioning, range, SampleKind::kTraining);
    const std::uint64_t most = *std::ranges::max_element(counts);
    const std::uint64_t stay = plan.frames - DiskStore::FramesThatMove(plan.frames, 1);
    // Where each block ends, and samples, in whole pages.
    const std::uint64_t moving = (8 * 32 + 8 * most + 4095) / 4096 * 4096;
    EXPECT_EQ(plan.sample_disk, (32 - stay) * moving);
    EXPECT_EQ(plan.memory, DiskStore::OtherBytes(tables, partitioning, range) +
                               plan.frames * DiskStore::FrameBytes(tables[0], partitioning) +
                               stay * 14 * most + 2 * moving + validation + split + index);
  }
}

TEST_F(StoragePlanTest, TheOlderNameOfTheBudgetMeansTheSame) {
  Job job = MakeJob();
  job.mutable_cluster()->set_memory_mib(1);
  EXPECT_EQ(Plan(job).status(), Plan(WithBudget(MakeJob(), 1)).status());
  EXPECT_TRUE(Plan(WithBudget(job, 1000)).value().keeps_all()) << "the new one counts";
}

// Tables that are no larger than what a step wants of them are in memory or nowhere.
TEST_F(StoragePlanTest, RowsOfAStepAreInMemoryWithOtherSchedules) {
  const Job job = MakeJob(Train::SYNC);
  for (const std::uint32_t threads : {1U, 2U}) {
    const std::uint64_t least = LeastOf(Plan(WithBudget(job, 1), 0, threads).status());
    EXPECT_FALSE(Plan(WithBudget(job, least - 1), 0, threads).ok());
    EXPECT_TRUE(Plan(WithBudget(job, least), 0, threads).value().keeps_all());
  }
  const absl::Status refused = Plan(job, std::uint64_t{1} << 20).status();
  EXPECT_THAT(std::string(refused.message()), HasSubstr("give a budget (--memory)"));
}

TEST_F(StoragePlanTest, TheBudgetDecidesNoBit) {
  const Job job = MakeJob();
  const std::string expected = DigestOf(job, 1, "in_memory");
  const Job small = WithBudget(job, LeastOf(Plan(WithBudget(job, 1)).status()));
  EXPECT_EQ(DigestOf(small, 1, "on_disk"), expected);
  EXPECT_TRUE(std::filesystem::is_empty(tiny_.Beside("on_disk") + "/scratch"));
  Job elsewhere = small;
  elsewhere.mutable_storage()->set_directory(tiny_.Beside("elsewhere"));
  EXPECT_EQ(DigestOf(elsewhere, 1, "on_disk_elsewhere"), expected);
  EXPECT_TRUE(std::filesystem::exists(tiny_.Beside("elsewhere")));
}

}  // namespace
}  // namespace cf::storage_plan_test

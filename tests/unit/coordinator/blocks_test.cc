// Goal: with the schedule BLOCKS, too, only the configuration decides the model: not the ranks,
// threads, kernels, segments and snapshots.

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/storage_plan.h"
#include "paramserver/disk_store.h"
#include "run/history.h"
#include "tests/unit/coordinator/local_generation.h"

namespace cf::blocks_test {
namespace {

class BlocksTest : public GenerationTest {
 protected:
  /// 24 sub-epochs of 8 blocks in an epoch of 7 steps, so that many share a step.
  Job MakeBlocksJob(const std::string& model = kTinyFactorization) const {
    Job job = MakeTinyJob(tiny_, 2, model);
    job.mutable_train()->set_schedule(Train::BLOCKS);
    job.mutable_train()->set_rounds(3);
    Check(ValidateJob(job).ok(), "the test's job is valid");
    return job;
  }
};

TEST_F(BlocksTest, RanksThreadsAndKernelsMakeTheSameModel) {
  Job job = MakeBlocksJob();
  const std::string expected = DigestOf(job, 1, "one");
  EXPECT_EQ(DigestOf(job, 3, "three"), expected);
  EXPECT_EQ(DigestOf(job, 8, "eight"), expected);
  job.mutable_cluster()->set_threads(2);
  EXPECT_EQ(DigestOf(job, 2, "threads"), expected);
  job.mutable_kernels()->set_target(Kernels::AVX2);
  EXPECT_EQ(DigestOf(job, 3, "avx2"), expected);
  job.mutable_train()->set_schedule(Train::SYNC);
  EXPECT_NE(DigestOf(job, 1, "sync"), expected);
}

// More partitions than items: some of them, and most blocks, are empty.
TEST_F(BlocksTest, EmptyPartitionsTakeTheirTurns) {
  Job job = MakeBlocksJob("matrix_factorization { dim: 0 }");
  job.mutable_train()->set_partitions(32);
  const std::string expected = DigestOf(job, 1, "one");
  EXPECT_EQ(DigestOf(job, 3, "three"), expected);
}

// Goal: snapshots in mid-epoch bring items home and let them go again; a resume begins between any
// two sub-epochs.
TEST_F(BlocksTest, StopsAndResumesWithOtherRanksMakeTheSameModel) {
  Job job = MakeBlocksJob();
  const std::string expected = DigestOf(job, 1, "one");
  job.mutable_snapshot()->set_every_steps(1);
  EXPECT_EQ(DigestOf(job, 3, "snapshots"), expected);

  LocalGeneration stopped(job, tiny_, "stopped", 3);
  stopped.StopWhen([] { return true; });  // At the first boundary of a segment.
  for (const GenerationEnd& end : stopped.Run(3)) ASSERT_TRUE(end.has_stopped());
  const Position position = Snapshot::Open(stopped.latest()).value().manifest().position();
  EXPECT_GT(position.sub_epoch(), 0U);
  EXPECT_LT(position.sub_epoch(), 24U);
  EXPECT_EQ(position.step_in_epoch(), 7 * position.sub_epoch() / 24);
  job.mutable_cluster()->set_threads(2);
  EXPECT_EQ(DigestOf(job, 2, "resumed", stopped.latest()), expected);
}

// Goal: a job may have its users on disk in one life and in memory in the next, with other ranks; it
// stops at once, wherever its partitions are, and goes on from there.
// Method: each life stops at the end of its first segment, which is a block of each thread.
TEST_F(BlocksTest, UsersOnDiskMakeTheSameModel) {
  Job job = MakeBlocksJob();
  const std::string expected = DigestOf(job, 1, "one");
  const auto on_disk = [&](std::uint32_t threads) {
    return StoreOf({.frames = DiskStore::FramesMin(threads),
                    .threads = threads,
                    .directory = tiny_.Beside("scratch")});
  };
  LocalGeneration in_memory(job, tiny_, "stopped", 3);
  in_memory.StopWhen([] { return true; });
  for (const GenerationEnd& end : in_memory.Run(3)) ASSERT_TRUE(end.has_stopped());
  std::string latest = in_memory.latest();
  EXPECT_NE(Snapshot::Open(latest).value().manifest().position().sub_epoch() % 8, 0U)
      << "in mid-round";

  std::uint64_t blocks = 0;
  for (const std::uint32_t ranks : {2U, 1U, 3U, 1U}) {
    job.mutable_cluster()->set_threads(ranks == 1 ? 2 : 1);
    LocalGeneration stopped(job, tiny_, absl::StrCat("stopped_on_disk_", blocks), ranks, latest);
    stopped.KeepRowsIn(on_disk(job.cluster().threads()));
    stopped.StopWhen([] { return true; });
    for (const GenerationEnd& end : stopped.Run(ranks)) ASSERT_TRUE(end.has_stopped());
    latest = stopped.latest();
    const Manifest manifest = Snapshot::Open(latest).value().manifest();
    const auto& legs = manifest.position().partition_sub_epochs();
    EXPECT_EQ(legs.size(), 8) << "not equally far";
    const std::uint64_t done = std::accumulate(legs.begin(), legs.end(), std::uint64_t{0});
    EXPECT_GT(done, blocks);
    blocks = done;
  }
  job.mutable_cluster()->set_threads(2);
  LocalGeneration resumed(job, tiny_, "resumed_on_disk", 1, latest);
  resumed.KeepRowsIn(on_disk(2));
  for (const GenerationEnd& end : resumed.Run(1)) ASSERT_TRUE(end.has_finished()) << TextOf(end);
  EXPECT_EQ(resumed.Digest(), expected);
  EXPECT_EQ(DigestOf(job, 1, "back_in_memory", latest), expected);
  EXPECT_EQ(DigestOf(job, 3, "back_in_memory_of_three", latest), expected);
}

// Snapshots of users on disk are taken wherever partitions are, and change nothing.
TEST_F(BlocksTest, SnapshotsOfUsersOnDiskDoNotChangeTheModel) {
  Job job = MakeBlocksJob();
  const std::string expected = DigestOf(job, 1, "one");
  job.mutable_snapshot()->set_every_steps(1);
  for (const std::uint32_t ranks : {1U, 2U}) {
    LocalGeneration generation(job, tiny_, absl::StrCat("on_disk_", ranks), ranks);
    generation.KeepRowsIn(
        StoreOf({.frames = 2, .threads = 1, .directory = tiny_.Beside("scratch")}));
    for (const GenerationEnd& end : generation.Run(ranks)) ASSERT_TRUE(end.has_finished());
    EXPECT_EQ(generation.Digest(), expected);
  }
}

// Users' part of the penalty is found while they are in memory; a segment may end between two of them.
TEST_F(BlocksTest, ThePenaltyIsThatOfTheRowsAtTheEndOfTheEpoch) {
  Job job = MakeBlocksJob();
  job.mutable_train()->set_epochs(2);
  job.mutable_snapshot()->set_every_steps(1);
  LocalGeneration generation(job, tiny_, "penalty", 2);
  generation.KeepRowsIn(StoreOf({.frames = 2, .threads = 1, .directory = tiny_.Beside("scratch")}));
  for (const GenerationEnd& end : generation.Run(2)) ASSERT_TRUE(end.has_finished()) << TextOf(end);
  double expected = 0;
  const absl::Status read = Snapshot::Open(generation.latest())
                                ->ReadAll([&](TableId, RowId, std::span<const float> record) {
                                  for (std::size_t k = 0; k < 6; ++k) {
                                    expected += (k < 5 ? 0.001 : 0.0005) *
                                                static_cast<double>(record[k]) *
                                                static_cast<double>(record[k]);
                                  }
                                  return absl::OkStatus();
                                });
  ASSERT_TRUE(read.ok()) << read;
  const std::vector<EpochFigures> epochs =
      History::Read(tiny_.Beside("penalty/history.csv")).value();
  EXPECT_NEAR(epochs.back().figures.Find("l2_penalty").value_or(-1), expected, 1e-6 * expected);
}

// What is looked at between the last segment of an epoch and its end is the penalty alone, as nothing
// is validated.
TEST_F(BlocksTest, ThePenaltyLoadsNoUsers) {
  Job job = MakeBlocksJob();
  job.clear_split();
  job.mutable_train()->set_epochs(2);
  LocalGeneration generation(job, tiny_, "penalty", 1);
  DiskStore* store = nullptr;
  generation.KeepRowsIn([&](std::span<const RowStore::Table> tables, Partitioning partitioning,
                            SeatRange range) -> absl::StatusOr<std::unique_ptr<RowStore>> {
    absl::StatusOr<std::unique_ptr<DiskStore>> opened =
        DiskStore::Open({.tables = {tables.begin(), tables.end()},
                         .partitioning = partitioning,
                         .range = range,
                         .threads = 1,
                         .frames = 2,
                         .directory = tiny_.Beside("scratch")});
    store = opened.value().get();
    return *std::move(opened);
  });
  // Asked after each segment and at the end of each epoch.
  std::vector<std::uint64_t> reads;
  generation.StopWhen([&] {
    reads.push_back(store->traffic().slabs_read);
    return false;
  });
  for (const GenerationEnd& end : generation.Run(1)) ASSERT_TRUE(end.has_finished()) << TextOf(end);
  ASSERT_GE(reads.size(), 4U);
  EXPECT_GT(reads.back(), 0U);
  EXPECT_EQ(reads.back(), reads[reads.size() - 2]);
}

// One rank of a host with little memory beside two that need no disk.
TEST_F(BlocksTest, RanksWithAndWithoutADiskMakeTheSameModel) {
  const Job job = MakeBlocksJob();
  const std::string expected = DigestOf(job, 1, "one");
  LocalGeneration mixed(job, tiny_, "mixed", 3);
  mixed.KeepRowsIn(
      [&](std::span<const RowStore::Table> tables, Partitioning partitioning, SeatRange range) {
        return StoreOf({.frames = range.first == 0 ? 2 : range.size(),
                        .threads = 1,
                        .directory = tiny_.Beside("scratch")})(tables, partitioning, range);
      });
  for (const GenerationEnd& end : mixed.Run(3)) ASSERT_TRUE(end.has_finished()) << TextOf(end);
  EXPECT_EQ(mixed.Digest(), expected);
}

// What the users on disk are in, below `folder`, loses all of it.
void Empty(const std::string& folder) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().filename() == "users") std::filesystem::resize_file(entry.path(), 0);
  }
}

// An error of the disk ends the job, says where, and leaves the last snapshot.
TEST_F(BlocksTest, AFileThatIsCutShortEndsTheJob) {
  Job job = MakeBlocksJob();
  LocalGeneration generation(job, tiny_, "gone", 1);
  generation.KeepRowsIn(StoreOf({.frames = 2, .threads = 1, .directory = tiny_.Beside("gone/s")}));
  // Looked at between segments: after the first round.
  generation.StopWhen([&] {
    Empty(tiny_.Beside("gone/s"));
    return false;
  });
  const GenerationEnd end = generation.Run(1).front();
  ASSERT_TRUE(end.has_failed()) << TextOf(end);
  EXPECT_THAT(TextOf(end), ::testing::HasSubstr(tiny_.Beside("gone/s")));
}

// Goal: samples that move with their users are looked at like all that comes from a disk. Method: one
// byte of each file of samples is another after the first segment.
TEST_F(BlocksTest, SamplesThatAreDamagedEndTheJob) {
  Job job = MakeBlocksJob();
  job.mutable_storage()->set_directory(tiny_.Beside("samples"));
  LocalGeneration generation(job, tiny_, "damaged", 1);
  generation.KeepRowsIn(StoreOf({.frames = 2, .threads = 1, .directory = tiny_.Beside("rows")}));
  std::string damaged;
  generation.StopWhen([&] {
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(tiny_.Beside("samples"))) {
      if (entry.path().filename() != "samples" || !damaged.empty()) continue;
      damaged = entry.path().string();
      std::fstream file(damaged, std::ios::in | std::ios::out | std::ios::binary);
      // A rating of each partition.
      for (std::uintmax_t at = 8 * 8 + 4; at < entry.file_size(); at += 4096) {
        file.seekp(static_cast<std::streamoff>(at));
        file.put('x');
      }
    }
    return false;
  });
  const GenerationEnd end = generation.Run(1).front();
  ASSERT_TRUE(end.has_failed()) << TextOf(end);
  ASSERT_FALSE(damaged.empty());
  EXPECT_THAT(TextOf(end), ::testing::HasSubstr(damaged + ": holds other bytes"));
  EXPECT_TRUE(std::filesystem::is_empty(tiny_.Beside("samples")));
}

// Goal: the leader, which waits for items of the rank whose disk fails, hears of it at once, and
// everybody ends with what went wrong.
TEST_F(BlocksTest, AFailureOfAnotherRanksDiskEndsTheJob) {
  const Job job = MakeBlocksJob();
  LocalGeneration generation(job, tiny_, "far", 2);
  generation.KeepRowsIn(
      [&](std::span<const RowStore::Table> tables, Partitioning partitioning, SeatRange range) {
        const bool leads = range.first == 0;
        return StoreOf(
            {.frames = leads ? range.size() : 2, .threads = 1, .directory = tiny_.Beside("far/s")})(
            tables, partitioning, range);
      });
  generation.StopWhen([&] {
    Empty(tiny_.Beside("far/s"));
    return false;
  });
  for (const GenerationEnd& end : generation.Run(2)) {
    ASSERT_TRUE(end.has_failed()) << TextOf(end);
    EXPECT_THAT(TextOf(end), ::testing::HasSubstr("rank 1: " + tiny_.Beside("far/s")));
  }
}

}  // namespace
}  // namespace cf::blocks_test

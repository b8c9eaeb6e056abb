// Goal: with the schedule BLOCKS, too, only the configuration decides the model: not the ranks,
// threads, kernels, segments and snapshots.

#include <string>

#include <gtest/gtest.h>

#include "tests/unit/coordinator/local_generation.h"

namespace cf {
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

}  // namespace
}  // namespace cf

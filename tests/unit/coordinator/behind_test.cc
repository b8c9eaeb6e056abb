// Goal: snapshots that are written while training goes on change no bit of the model, and are whole
// themselves. Method: jobs that take one at every chance, of every schedule and with memory for all
// copies or only some, beside the same jobs without.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/snapshot/snapshot_store.h"
#include "coordinator/storage_plan.h"
#include "paramserver/disk_store.h"
#include "tests/support/sanitizers.h"
#include "tests/unit/coordinator/local_generation.h"

namespace cf::behind_test {
namespace {

struct BehindJob {
  const char* name;
  const char* model;
  Train::Order schedule = Train::SYNC;
  Adam::Update update = Adam::LAZY;
  std::uint32_t delay = 0;
};

class BehindTest : public GenerationTest, public ::testing::WithParamInterface<BehindJob> {
 protected:
  Job MakeJob() const {
    // For a sanitizer a third of the steps, and so of the snapshots; over the end of an epoch still.
    Job job = MakeTinyJob(tiny_, kSanitized ? 2 : 3, GetParam().model);
    job.mutable_train()->set_schedule(GetParam().schedule);
    job.mutable_train()->set_delay(GetParam().delay);
    job.mutable_train()->set_batch_size(kSanitized ? 6 : 3);
    job.mutable_optimizer()->mutable_adam()->set_update(GetParam().update);
    job.mutable_optimizer()->mutable_adam()->set_learning_rate(0.002);  // Wide rows learn fast.
    job.mutable_snapshot()->set_every_epochs(0);
    return job;
  }
  static Job TakenBehind(Job job) {
    job.mutable_snapshot()->set_copies_mib(64);
    job.mutable_snapshot()->set_every_steps(2);
    job.mutable_snapshot()->set_keep(1000);
    return job;
  }

  /// Every snapshot of the run is whole, and none is of a step of another.
  void ExpectWhole(const std::string& run) const {
    const SnapshotStore store = SnapshotStore::View(tiny_.Beside(run + "/snapshots")).value();
    const SnapshotStore::Listing listing = store.List().value();
    EXPECT_TRUE(listing.damaged.empty());
    EXPECT_GE(listing.snapshots.size(), 2U) << "one was taken before the last";
    for (const Manifest& manifest : listing.snapshots) {
      const absl::Status verified = Snapshot::Open(store.PathOf(manifest.name())).value().Verify();
      EXPECT_TRUE(verified.ok()) << verified;
    }
  }
};

INSTANTIATE_TEST_SUITE_P(
    Jobs, BehindTest,
    ::testing::Values(BehindJob{"Factorization", kTinyFactorization},
                      BehindJob{"Delayed", kTinyFactorization, Train::SYNC, Adam::LAZY, 1},
                      BehindJob{"Dense", kTinyFactorization, Train::SYNC, Adam::DENSE},
                      BehindJob{"Blocks", kTinyFactorization, Train::BLOCKS},
                      BehindJob{"Ranker", kTinyRankerWithFeatures},
                      BehindJob{"WideBlocks", "matrix_factorization { dim: 4096 }", Train::BLOCKS}),
    [](const ::testing::TestParamInfo<BehindJob>& job) { return job.param.name; });

TEST_P(BehindTest, MakesTheSameModel) {
  const Job job = MakeJob();
  const std::string expected = DigestOf(job, 1, "none");
  Job behind = TakenBehind(job);
  EXPECT_EQ(DigestOf(behind, 1, "one"), expected);
  ExpectWhole("one");
  behind.mutable_cluster()->set_threads(2);
  EXPECT_EQ(DigestOf(behind, 3, "three"), expected);
  ExpectWhole("three");
  // The wide rows do not fit.
  behind.mutable_snapshot()->set_copies_mib(1);
  EXPECT_EQ(DigestOf(behind, 2, "few copies"), expected);
  ExpectWhole("few copies");
}

// Goal: whoever asks for the end gets the snapshot under way and that of the end.
TEST_P(BehindTest, AStopAndAResumeMakeTheSameModel) {
  const Job job = MakeJob();
  const std::string expected = DigestOf(job, 1, "none");
  std::string latest;
  {
    LocalGeneration stopped(TakenBehind(job), tiny_, "stopped", 2);
    int asked = 0;
    stopped.StopWhen([&asked] { return ++asked == 4; });
    for (const GenerationEnd& end : stopped.Run(2)) ASSERT_TRUE(end.has_stopped()) << TextOf(end);
    latest = stopped.latest();
  }
  ExpectWhole("stopped");
  // Deltas follow the files of the life before.
  EXPECT_EQ(DigestOf(TakenBehind(job), 3, "stopped", latest), expected);
  ExpectWhole("stopped");
}

class BehindOnDiskTest : public GenerationTest {};

TEST_F(BehindOnDiskTest, UsersOnDiskMakeTheSameModel) {
  Job job = MakeTinyJob(tiny_, 3);
  job.mutable_train()->set_schedule(Train::BLOCKS);
  const std::string expected = DigestOf(job, 1, "none");
  job.mutable_snapshot()->set_copies_mib(64);
  job.mutable_snapshot()->set_every_steps(1);
  LocalGeneration generation(job, tiny_, "on disk", 2);
  generation.KeepRowsIn(StoreOf(
      {.frames = DiskStore::FramesMin(1), .threads = 1, .directory = tiny_.Beside("scratch")}));
  for (const GenerationEnd& end : generation.Run(2)) ASSERT_TRUE(end.has_finished());
  EXPECT_EQ(generation.Digest(), expected);
}

// Goal: a name that is taken, by what somebody left there, keeps no snapshot from being written. Method:
// the names of a file of the second epoch, on the second rank.
TEST_F(BehindOnDiskTest, AFileWhoseNameIsTakenGetsAnother) {
  Job job = MakeTinyJob(tiny_, 2);
  const std::string expected = DigestOf(job, 1, "none");
  job.mutable_snapshot()->set_copies_mib(64);
  LocalGeneration generation(job, tiny_, "taken", 2);
  const std::string snapshots = tiny_.Beside("taken/snapshots");
  std::filesystem::create_directories(RowsFolder(snapshots));
  RowFileId file{.time = {1, 14}, .partition = PartitionId{6}};
  for (const FileKind kind : {BASE, DELTA}) {
    file.kind = kind;
    std::ofstream(RowFilePath(snapshots, RowFileName(file))) << "here already";
  }
  for (const GenerationEnd& end : generation.Run(2)) {
    ASSERT_TRUE(end.has_finished()) << TextOf(end);
  }
  EXPECT_EQ(generation.Digest(), expected);
  const Manifest last = Snapshot::Open(generation.latest()).value().manifest();
  EXPECT_TRUE(std::ranges::any_of(last.files(), [](const FileEntry& entry) {
    return entry.partition() == 6 && entry.file().ends_with("-1.sst");
  }));
}

}  // namespace
}  // namespace cf::behind_test

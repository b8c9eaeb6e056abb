// Goal: whatever fields of EXECUTION change between two lives of a run, and wherever the first one
// ended, the second ends well or is refused in a line. Method: a table of changes by a table of
// positions, each prepared as cfworker prepares it, and run to its end where it is not refused.

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <gtest/gtest.h>

#include "common/snapshot/snapshot.h"
#include "coordinator/preparation.h"
#include "tests/unit/coordinator/local_generation.h"

namespace cf::execution_fields_test {
namespace {

namespace fs = std::filesystem;

/// A second life: what it changes, and with how many ranks.
struct Change {
  std::vector<std::string> set;
  std::uint32_t ranks = 1;
};

const Change kChanges[] = {
    {{}},
    {{}, 3},
    {{"train.epochs=1"}},
    {{"train.epochs=2"}},
    {{"train.epochs=3"}},
    {{"train.epochs=5"}},
    {{"train.metrics=false"}},
    {{"train.metrics=false", "train.epochs=1"}},
    {{"train.metrics=false", "validation.metrics=[\"val_ndcg_10\"]", "train.epochs=4"}},
    {{"validation.metrics=[\"val_ndcg_10\"]", "train.epochs=2"}},
    {{"snapshot.every_epochs=0"}},
    {{"snapshot.every_steps=1", "snapshot.keep=1"}},
    {{"snapshot.every_steps=1000", "snapshot.every_seconds=0", "snapshot.every_epochs=0"}},
    {{"snapshot.keep=0", "train.epochs=2"}},
    {{"cluster.threads=2", "cluster.shared_memory=false"}, 2},
    {{"cluster.frames=ENCRYPTED", "cluster.shared_memory=false"}, 2},
    {{"cluster.frames=CHECKSUMMED", "cluster.shared_memory=false"}, 3},
    {{"cluster.servers=1", "train.epochs=2"}, 2},
    {{"cluster.servers=1"}, 3},
    {{"cluster.memory_mib=100", "cluster.timeout_seconds=30"}},
    {{"kernels.target=AVX2", "train.epochs=1", "snapshot.every_steps=2"}, 2},
};

class ExecutionFieldsTest : public GenerationTest {
 protected:
  Job MakeJob(Train::Order schedule, const Change& change) const {
    Job job = MakeTinyJob(tiny_, 3);
    job.mutable_train()->set_schedule(schedule);
    for (const std::string& assignment : change.set) {
      Check(SetField(job, assignment).ok(), "the test's change can be made");
    }
    FillDefaults(job);
    return job;
  }

  /// A copy of a run as it was at `step`.
  void CopyUpTo(std::uint64_t step, const std::string& from, const std::string& run) const {
    fs::copy(tiny_.Beside(from), tiny_.Beside(run),
             fs::copy_options::recursive | fs::copy_options::copy_symlinks);
    for (const fs::directory_entry& entry :
         fs::directory_iterator(tiny_.Beside(run + "/snapshots"))) {
      const std::optional<SnapshotTime> time = TimeOfName(entry.path().filename().string());
      if (time.has_value() && time->step > step) fs::remove(entry.path());
    }
    fs::remove(tiny_.Beside(run + "/verdict"));
  }

  /// What a folder holds, and how large it is.
  static std::set<std::string> Contents(const std::string& folder) {
    std::set<std::string> contents;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
      contents.insert(absl::StrCat(entry.path().string(), " ",
                                   entry.is_regular_file() ? entry.file_size() : 0));
    }
    return contents;
  }

  void ExpectEndsWellOrIsRefused(Train::Order schedule, const std::vector<std::uint64_t>& steps) {
    DigestOf(MakeJob(schedule, {{"snapshot.every_steps=1", "snapshot.keep=100"}}), 1, "straight");
    const std::uint64_t epoch_steps = 7;
    for (const std::uint64_t step : steps) {
      for (std::size_t k = 0; k < std::size(kChanges); ++k) {
        const Change& change = kChanges[k];
        const Job job = MakeJob(schedule, change);
        if (absl::Status valid = ValidateJob(job); !valid.ok()) {
          EXPECT_FALSE(absl::StrContains(valid.message(), "\n"));
          continue;
        }
        const std::string run = absl::StrCat("at ", step, " change ", k);
        SCOPED_TRACE(run);
        CopyUpTo(step, "straight", run);
        const std::set<std::string> before = Contents(tiny_.Beside(run));
        std::string snapshot;
        std::uint64_t done = 0;
        {
          const absl::StatusOr<Preparation> prepared =
              PrepareGeneration({.job = job, .run = tiny_.Beside(run)});
          const bool too_few = job.train().epochs() * epoch_steps < step && step % epoch_steps != 0;
          EXPECT_EQ(prepared.ok(), !too_few) << prepared.status();
          if (!prepared.ok()) {
            EXPECT_EQ(ExitCodeOf(prepared.status()), kExitUserInput);
            EXPECT_EQ(prepared.status().message(),
                      absl::StrCat(tiny_.Beside(run), " is in epoch ", step / epoch_steps + 1,
                                   "; train.epochs is ", job.train().epochs(), ": choose at least ",
                                   step / epoch_steps + 1));
            EXPECT_EQ(Contents(tiny_.Beside(run)), before);
            continue;
          }
          done = job.train().epochs() * epoch_steps <= step ? step : 0;
          EXPECT_EQ(prepared->finished.has_value(), done > 0);
          if (done > 0) continue;
          snapshot = prepared->note.snapshot();
        }
        LocalGeneration generation(job, tiny_, run, change.ranks, snapshot);
        for (const GenerationEnd& end : generation.Run(change.ranks)) {
          EXPECT_TRUE(end.has_finished()) << TextOf(end);
        }
        const Position at = Snapshot::Open(generation.latest()).value().manifest().position();
        EXPECT_TRUE(at.finished());
        EXPECT_EQ(at.epoch(), job.train().epochs());
      }
    }
  }
};

TEST_F(ExecutionFieldsTest, AnyChangeAtAnyPosition) {
  // In the first and the last epoch, and at the end of one.
  ExpectEndsWellOrIsRefused(Train::SYNC, {3, 14, 20});
}

TEST_F(ExecutionFieldsTest, AnyChangeAtAnyPositionOfBlocks) {
  ExpectEndsWellOrIsRefused(Train::BLOCKS, {9});
}

}  // namespace
}  // namespace cf::execution_fields_test

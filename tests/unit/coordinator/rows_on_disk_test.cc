// Goal: with SYNC a budget decides where rows are, and nothing else: not with any number of ranks and
// threads, not stopped and resumed. Method: tables of some megabytes, and the least budget that is not
// refused, in which most rows are on disk.

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/dataset/writer.h"
#include "common/math/random.h"
#include "coordinator/storage_plan.h"
#include "tests/unit/coordinator/local_generation.h"

namespace cf::rows_on_disk_test {
namespace {

using ::testing::HasSubstr;

constexpr char kFactorization[] = "matrix_factorization { dim: 64 l2_vectors: 0.001 }";

class RowsOnDiskTest : public GenerationTest {
 protected:
  static constexpr std::uint32_t kUsers = 40'000;
  static constexpr std::uint32_t kItems = 500;

  /// Two or three samples of every user, in place of the tiny data set.
  RowsOnDiskTest() {
    std::filesystem::remove_all(tiny_.path());
    DatasetWriter writer =
        DatasetWriter::Create({.folder = tiny_.path(), .name = "many", .threads = 1}).value();
    const CounterRandom random(20261129, Purpose::kSynth);
    SampleChunk chunk;
    for (std::uint32_t user = 0; user < kUsers; ++user) {
      for (std::uint32_t k = 0; k < 2 + user % 2; ++k) {
        chunk.users.push_back(user);
        // Small numbers more often, and no item twice.
        const auto third = static_cast<std::uint32_t>(random.Below(3 * user + k, kItems / 3));
        chunk.items.push_back(3 * (third % (1 + user % (kItems / 3))) + k);
        chunk.ratings.push_back(static_cast<float>(1 + random.Below(1'000'000 + user, 5)));
      }
    }
    writer.Append(std::move(chunk));
    writer.SetUsers(Numbers(kUsers));
    writer.SetItems(Numbers(kItems));
    Check(writer.Finish().ok(), "a test can write a data set");
  }

  static Vocabulary Numbers(std::uint32_t count) {
    std::vector<std::int64_t> numbers(count);
    std::iota(numbers.begin(), numbers.end(), 1);
    return Vocabulary(std::move(numbers));
  }

  Job MakeJob(const std::string& model = kFactorization) const {
    Job job = MakeTinyJob(tiny_, 1, model);
    job.mutable_train()->set_batch_size(1024);
    return job;
  }
  static Job WithBudget(Job job, std::uint64_t mib) {
    job.mutable_storage()->set_memory_budget_mib(mib);
    return job;
  }

  absl::StatusOr<StoragePlan> Plan(const Job& job, std::uint32_t ranks) const {
    const TrainingData data = TrainingData::Open(job).value();
    const std::vector<std::uint32_t> threads(ranks, job.cluster().threads());
    const Placement placement =
        Placement::Make({.partitions = job.train().partitions(), .threads = threads, .servers = 0})
            .value();
    return PlanStorage(job, data, placement, 0, {});
  }

  /// The least budget that is not refused, which names it.
  std::uint64_t LeastOf(const Job& job, std::uint32_t ranks) const {
    const std::string text(Plan(WithBudget(job, 1), ranks).status().message());
    const std::string before = "needs at least ";
    std::uint64_t least = 0;
    const std::size_t at = text.find(before) + before.size();
    EXPECT_TRUE(absl::SimpleAtoi(text.substr(at, text.find(' ', at) - at), &least)) << text;
    EXPECT_FALSE(Plan(WithBudget(job, least - 1), ranks).ok());
    const StoragePlan plan = Plan(WithBudget(job, least), ranks).value();
    EXPECT_FALSE(plan.keeps_all());
    EXPECT_LE(plan.memory, least << 20);
    EXPECT_GT(plan.disk, 0U);
    EXPECT_GT(Plan(WithBudget(job, least + 1), ranks).value().row_bytes, plan.row_bytes);
    return least;
  }
};

TEST_F(RowsOnDiskTest, RanksAndThreadsMakeTheSameModel) {
  Job job = MakeJob();
  const std::string expected = DigestOf(job, 1, "in_memory");
  for (const std::uint32_t ranks : {1U, 2U}) {
    for (const std::uint32_t threads : {1U, 2U}) {
      if (ranks * threads > 2) continue;
      job.mutable_cluster()->set_threads(threads);
      const std::string run = absl::StrCat("on_disk", ranks, "x", threads);
      const Job small = WithBudget(job, LeastOf(job, ranks));
      EXPECT_EQ(DigestOf(small, ranks, run), expected) << run;
      EXPECT_TRUE(std::filesystem::is_empty(tiny_.Beside(run) + "/scratch"));
    }
  }
}

// Goal: a job may have its rows on disk in one life and in memory in the next; snapshots on the way
// look through rows wherever they are.
TEST_F(RowsOnDiskTest, StopsAndResumesMakeTheSameModel) {
  Job job = MakeJob();
  const std::string expected = DigestOf(job, 1, "in_memory");
  job.mutable_snapshot()->set_every_steps(60);
  const Job small = WithBudget(job, LeastOf(job, 2));
  LocalGeneration stopped(small, tiny_, "stopped", 2);
  stopped.StopWhen([] { return true; });
  for (const GenerationEnd& end : stopped.Run(2)) ASSERT_TRUE(end.has_stopped()) << TextOf(end);
  EXPECT_EQ(DigestOf(WithBudget(job, LeastOf(job, 1)), 1, "on_disk", stopped.latest()), expected);
  EXPECT_EQ(DigestOf(job, 2, "back_in_memory", stopped.latest()), expected);
}

// Goal: the same where samples come from the disk in groups of a user's, and are read again in
// mid-epoch by another number of ranks.
TEST_F(RowsOnDiskTest, GroupsOfSamplesMakeTheSameModel) {
  Job job = MakeJob();
  job.mutable_train()->set_user_group(2);
  const std::string expected = DigestOf(job, 1, "in_memory");
  const Job small = WithBudget(job, LeastOf(job, 2));
  LocalGeneration stopped(small, tiny_, "stopped", 2);
  stopped.StopWhen([] { return true; });
  for (const GenerationEnd& end : stopped.Run(2)) ASSERT_TRUE(end.has_stopped()) << TextOf(end);
  EXPECT_EQ(DigestOf(WithBudget(job, LeastOf(job, 1)), 1, "resumed", stopped.latest()), expected);
}

// Goal: where rows fit and samples do not, only these are on disk.
TEST_F(RowsOnDiskTest, SamplesAloneOnDiskMakeTheSameModel) {
  Job job = MakeJob();
  const std::string expected = DigestOf(job, 1, "in_memory");
  std::uint64_t mib = LeastOf(job, 1);
  while (!Plan(WithBudget(job, mib), 1).value().keeps_all()) ++mib;
  const Job small = WithBudget(job, mib);
  const StoragePlan plan = Plan(small, 1).value();
  ASSERT_TRUE(plan.samples_on_disk);
  EXPECT_EQ(plan.disk, 0U);
  EXPECT_EQ(plan.sample_disk, 26 * TrainingData::Open(job).value().split.training_count());
  EXPECT_LE(plan.memory, mib << 20);
  EXPECT_EQ(DigestOf(small, 1, "samples"), expected);
  EXPECT_TRUE(std::filesystem::is_empty(tiny_.Beside("samples") + "/scratch"));
}

// Goal: a byte that is another ends the job with one line. Method: some of each piece, after the first
// segment, of the epoch's order, and of the canonical one that the next epoch's is made of.
TEST_F(RowsOnDiskTest, SamplesThatAreDamagedEndTheJob) {
  Job job = MakeJob();
  job.mutable_storage()->set_directory(tiny_.Beside("scratch"));
  LocalGeneration generation(WithBudget(job, LeastOf(job, 1)), tiny_, "run", 1);
  std::size_t damaged = 0;
  generation.StopWhen([&] {
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(tiny_.Beside("scratch"))) {
      const std::string name = entry.path().filename().string();
      if (name != "0-epoch" && name != "0-training") continue;
      ++damaged;
      std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
      for (std::uintmax_t at = 9; at < entry.file_size(); at += 3000) {
        file.seekp(static_cast<std::streamoff>(at));
        file.put('x');
      }
    }
    return false;
  });
  const GenerationEnd end = generation.Run(1).front();
  ASSERT_TRUE(end.has_failed()) << TextOf(end);
  EXPECT_GE(damaged, 2U) << "again at every segment's end, of which a slow machine has more";
  EXPECT_THAT(TextOf(end), ::testing::ContainsRegex(tiny_.Beside("scratch") +
                                                    "/.*: holds other bytes than were written"));
  EXPECT_TRUE(std::filesystem::is_empty(tiny_.Beside("scratch")));
}

// Goal: what is measured is the same, too: errors and penalty, and ranking, which looks at all rows.
TEST_F(RowsOnDiskTest, FiguresAreTheSame) {
  Job job = MakeJob();
  job.mutable_validation()->add_metrics("val_ndcg_10");
  job.mutable_validation()->add_metrics("val_mrr");
  const auto figures_of = [&](const Job& of_job, const std::string& run) {
    LocalGeneration generation(of_job, tiny_, run, 2);
    for (const GenerationEnd& end : generation.Run(2)) EXPECT_TRUE(end.has_finished());
    return Snapshot::Open(generation.latest()).value().manifest().last_metrics().DebugString();
  };
  const std::string expected = figures_of(job, "in_memory");
  EXPECT_THAT(expected, HasSubstr("val_ndcg_10"));
  EXPECT_EQ(figures_of(WithBudget(job, LeastOf(job, 2)), "on_disk"), expected);
}

// Goal: what training decides of a new model's rows is made anew as well as initial values are.
TEST_F(RowsOnDiskTest, ModelsOfEveryKindAreTheSame) {
  for (const char* const model :
       {"matrix_factorization { dim: 64 link: STANDARDIZED start_from_baseline: true }",
        "matrix_factorization { negatives: 1 dim: 64 mean: false link: SIGMOID loss: BCE }",
        "matrix_factorization { dim: 64 feature { source: USER_HISTORY } }",
        "ranker { user { dim: 64 } item { dim: 32 } dense { units: 8 activation: RELU } dense {} }",
        "retrieval { user { dim: 64 } item { dim: 64 } }"}) {
    Job job = MakeJob(model);
    const std::string run = std::to_string(std::hash<std::string>()(model));
    const std::string expected = DigestOf(job, 1, "in_memory" + run);
    const std::uint64_t least = LeastOf(job, 1);
    EXPECT_EQ(DigestOf(WithBudget(job, least), 1, "on_disk" + run), expected) << model;
  }
}

// Goal: an error of the disk ends the job, says where, and leaves the last snapshot.
TEST_F(RowsOnDiskTest, AFolderThatIsGoneEndsTheJob) {
  Job job = MakeJob();
  job.mutable_storage()->set_directory(tiny_.Beside("gone"));
  LocalGeneration generation(WithBudget(job, LeastOf(job, 1)), tiny_, "run", 1);
  generation.StopWhen([&] {
    std::filesystem::remove_all(tiny_.Beside("gone"));
    return false;
  });
  const GenerationEnd end = generation.Run(1).front();
  ASSERT_TRUE(end.has_failed()) << TextOf(end);
  EXPECT_THAT(TextOf(end), HasSubstr(tiny_.Beside("gone")));
}

}  // namespace
}  // namespace cf::rows_on_disk_test

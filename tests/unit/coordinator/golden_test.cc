// Goal: the bits of trained models stay what they were. Same-bits tests compare runs of one
// program, so they miss a change that all of its ranks share; these digests were recorded once, by
// the program of commit 4f0122e, and hold for every preset, compiler and machine. Method: a tiny
// job of every kind of model, schedule, delay and optimizer, run to its end. Its digest is taken of
// the rows as they are in memory at the end (the only snapshot is then a base, which has every row)
// and of the chain of files that snapshots on the way leave.

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <limits>
#include <memory>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "common/kernels/kernels.h"
#include "common/snapshot/snapshot.h"
#include "coordinator/storage_plan.h"
#include "coordinator/training_data.h"
#include "paramserver/cached_store.h"
#include "paramserver/disk_store.h"
#include "tests/support/sanitizers.h"
#include "tests/unit/coordinator/local_generation.h"
#include "tests/unit/paramserver/moving_store.h"

namespace cf::golden_test {
namespace {

// Whoever changes a digest below on purpose raises kArithmeticVersion, and this number, with it:
// snapshots that were made before would otherwise be continued with another arithmetic. Not so for
// initial values, which a snapshot is not continued with.
constexpr std::uint32_t kRecordedArithmeticVersion = 1;
static_assert(kArithmeticVersion == kRecordedArithmeticVersion);

struct GoldenJob {
  const char* name;
  const char* model;
  const char* settings;  ///< A textproto that is merged into the tiny job.
  const char* digest;
  /// Its ranks and threads do what those of another job in this table do, with other numbers.
  bool numbers_alone = false;

  friend void PrintTo(const GoldenJob& job, std::ostream* out) { *out << job.name; }
};

constexpr char kPlainFactorization[] = "matrix_factorization { dim: 16 }";
constexpr bool kNumbersAlone = true;

const GoldenJob kGoldenJobs[] = {
    // Models.
    {"Factorization", kTinyFactorization, "", "71ee4c5533f295b8b6f692a60fc94ddc"},
    {"FactorizationWithoutBiases", "matrix_factorization { dim: 7 biases: false mean: false }", "",
     "3f857fcd23e975f379008fa39cc25957", kNumbersAlone},
    {"BiasesAlone", "matrix_factorization { dim: 0 l2_biases: 0.01 }", "",
     "64bb9d7aff6494d76dbfd32c6c21ba4e", kNumbersAlone},
    {"BiasRate", "matrix_factorization { dim: 5 bias_rate: 3 }", "",
     "9f0c085e0d1a9b37d20bdcea909b7759", kNumbersAlone},
    {"ScaledSigmoid",
     "matrix_factorization { dim: 50 mean: false link: SCALED_SIGMOID vectors { he_normal {} } }",
     "", "410ebd9375e0bd8a2704797a307791dd", kNumbersAlone},
    {"SigmoidMse", "matrix_factorization { dim: 5 mean: false link: SIGMOID }", "",
     "bb6562212b6bc36d2db09691b1438dfd", kNumbersAlone},
    {"SigmoidBce",
     "matrix_factorization { dim: 33 mean: false link: SIGMOID loss: BCE"
     "  vectors { normal { deviation: 0.1 } } bias_values { uniform {} } }",
     "", "80051a431adf5b7e0fe6bff506ccd8bd", kNumbersAlone},
    {"Implicit", kTinyImplicit, "", "2a13c0d1034f0743a68819bd5ca6c3ff"},
    {"FactorizationWithFeatures", kTinyFactorizationWithFeatures, "",
     "749bb6829fc6ea40c9da890cc6b7f27b"},
    {"Ranker", kTinyRanker, "", "e0b1bce9fde0cdd84d0b59115064195f"},
    {"RankerWithFeatures", kTinyRankerWithFeatures, "", "f442d1a8e57a7a066615d6b33d985ec8"},
    {"RankerBce",
     "ranker { user { dim: 8 } item { dim: 8 } dense { units: 64 activation: RELU } dense {}"
     "  link: SIGMOID loss: BCE }",
     "", "c37b958d424cfb4d59a264600beaa5ed", kNumbersAlone},
    {"Retrieval", kTinyRetrieval, "", "b802e992cc2c47a267e869f6aa622459"},
    {"Towers", kTinyTowers, "", "df42fa2847e0a1d6aa78c8f50586ef61"},
    {"Popularity", kTinyPopularity, "", "a66b2a7f9ab259dd446d0a9f09ac23f4"},
    // Splits and seeds.
    {"Seeds", kTinyFactorization, "model { seed: 7 } train { seed: 8 }",
     "bcd64a3fcc786baaaaa6e9bf25df8f3b", kNumbersAlone},
    {"SplitSeed", kTinyFactorization, "split { random { seed: 9 } }",
     "046f6689e501cce51f679eb458dc241e", kNumbersAlone},
    {"LeaveLastOut", kTinyFactorization, "split { leave_last_out {} }",
     "dd9dea6e5df4f95ac8effa8057a5f380", kNumbersAlone},
    {"LeaveOneOut", kTinyFactorization, "split { leave_one_out {} }",
     "5e683911ec4b21f99564d4b77a1825e4", kNumbersAlone},
    {"GlobalTime", kTinyFactorization, "split { global_time { fraction: 0.2 } }",
     "c8c4e9f9122d8d3acdfc1d325410016c", kNumbersAlone},
    // Partitions and batches that do not divide the samples.
    {"OnePartition", kTinyFactorization, "train { partitions: 1 }",
     "1fc0f070b0ff9c996ef1c2bbd015a10d"},
    {"ManyPartitions", kTinyFactorization,
     "train { partitions: 64 batch_size: 7 } snapshot { every_steps: 20 }",
     "a5413d61e40ffec34eb528af6964dd84"},
    // Optimizers.
    {"Adam", kPlainFactorization,
     "optimizer { adam { learning_rate: 0.01 beta1: 0.8 beta2: 0.99 epsilon: 1e-6 } }",
     "ee0a6595f37bd2e14158605b0ebb7b02", kNumbersAlone},
    {"Adagrad", kPlainFactorization,
     "optimizer { adagrad { learning_rate: 0.05 initial_accumulator: 0.2 } }",
     "7d7a652e521e03932536d7953c8ff1b5", kNumbersAlone},
    {"Sgd", kPlainFactorization, "optimizer { sgd { learning_rate: 0.5 } }",
     "aac7988bafb68e6a025c3083ad9aa233", kNumbersAlone},
    {"ClippedAdam", kTinyFactorization, "optimizer { clip_norm: 0.001 }",
     "27f2bf6f385997b3cbc2afe10e884fbd"},
    {"ClippedSgd", kTinyFactorization, "optimizer { sgd { learning_rate: 0.5 } clip_norm: 0.001 }",
     "ac35cab1131f9ddafe1e71525a3b9660", kNumbersAlone},
    {"ClippedRanker", kTinyRanker, "optimizer { adagrad {} clip_norm: 0.01 }",
     "f184efe071416de41e6e4856e6ab1403"},
    {"RankerSgd", kTinyRanker, "optimizer { sgd { learning_rate: 0.1 } }",
     "9b08aa84aa64c2c44337f52c2216ee87", kNumbersAlone},
    {"TowersAdagrad", kTinyTowers, "optimizer { adagrad {} }", "ff2a54ca3ad33861af92edbb0ecf8fac",
     kNumbersAlone},
    {"StepSchedule", kTinyFactorization,
     "optimizer { schedule { step { every_epochs: 1 decay: 0.3 } } }",
     "c830f10a789fe7776a68ef22d0803ae5", kNumbersAlone},
    {"ExponentialSchedule", kTinyFactorization,
     "optimizer { schedule { exponential { decay: 0.7 staircase: false } } }",
     "ee3fd5adfc813b53e5b97951dc4970e8", kNumbersAlone},
    {"CosineSchedule", kTinyFactorization,
     "optimizer { schedule { cosine { epochs: 3 floor: 0.1 } warm_up_steps: 5 } }",
     "d45bc4bedf94a07699b0bcab876cc670", kNumbersAlone},
    {"PlateauSchedule", kTinyFactorization,
     "train { epochs: 6 }"
     "optimizer { schedule { plateau { monitor: \"train_loss\" patience: 1 factor: 0.5 min_delta: "
     "10 } } }",
     "2237547bc88d1ad96d3d6a3bacb87ac4"},
    // What the training ratings decide.
    {"Standardized", "matrix_factorization { dim: 5 link: STANDARDIZED }", "",
     "e50de068f520d437cb1954d20a18c150"},
    {"StandardizedRanker",
     "ranker { user { dim: 3 } item { dim: 3 } dense { units: 4 activation: RELU } dense {}"
     "  link: STANDARDIZED }",
     "", "dcecab5a084bcc263247f655535e9bcc", kNumbersAlone},
    {"Baseline", "matrix_factorization { dim: 5 link: STANDARDIZED start_from_baseline: true }",
     "train { schedule: BLOCKS }", "586b4f9d0b08a839f725a4378ce32bad"},
    {"BaselineBce",
     "matrix_factorization { dim: 5 mean: false link: SIGMOID loss: BCE start_from_baseline: true "
     "}",
     "", "434b51216656c09c8af2535fe6db1c54", kNumbersAlone},
    // Delays, in epochs that are longer than a run of steps.
    {"DelayOf1", kTinyFactorization, "train { delay: 1 batch_size: 5 }",
     "87ae9993a674cd5277a9c1400a66cc27"},
    {"DelayOf4", kTinyFactorization, "train { delay: 4 batch_size: 1 epochs: 1 }",
     "86c8bdfb6c612269b3e1cfd669f86878"},
    {"DelayedRanker", kTinyRankerWithFeatures, "train { delay: 1 batch_size: 4 }",
     "dc457e5ffbfec12206fbd22b17878f7c"},
    {"DelayedTowers", kTinyTowers, "train { delay: 2 batch_size: 4 }",
     "9704517693ad08d26ea1701080f63cd9"},
    {"DelayedImplicit", kTinyImplicit, "train { delay: 1 batch_size: 4 }",
     "b9068afd2ad74cc93fcaeb39f6265dd1"},
    // Samples of a user side by side.
    {"UserGroups", kTinyFactorizationWithFeatures, "train { user_group: 3 batch_size: 8 }",
     "a5469cb6932da72fec0cd3ce2bf77eee"},
    {"UserGroupsOfAllSamples", kTinyFactorization, "train { user_group: 1024 batch_size: 8 }",
     "0c6b0a74f0094216f2ad9107b5b92ff9", kNumbersAlone},
    {"DelayedUserGroups", kTinyRankerWithFeatures, "train { user_group: 2 delay: 1 batch_size: 4 }",
     "60c8a9c236cd1acc24e4ae333222187a"},
    {"UserGroupsOfImplicit", kTinyImplicit, "train { user_group: 5 batch_size: 4 }",
     "b1aa1b7ebfc25bc5f6e8857dab16ecc1"},
    // BLOCKS.
    {"Blocks", kTinyFactorization, "train { schedule: BLOCKS rounds: 3 }",
     "ab36a98284d19be3419830869bf33b03"},
    {"BlocksOfOneRound", kPlainFactorization, "train { schedule: BLOCKS rounds: 1 }",
     "029573d6774f7194e834d8337e24189e"},
    {"BlocksBce", "matrix_factorization { dim: 5 mean: false link: SIGMOID loss: BCE }",
     "train { schedule: BLOCKS batch_size: 16 }", "80d518f0421bb1dcdcf608eb8b8f8418",
     kNumbersAlone},
    {"BlocksOfBiases", "matrix_factorization { dim: 0 }",
     "train { schedule: BLOCKS partitions: 32 rounds: 3 }", "4d493522647484292b6927d2c39c0112",
     kNumbersAlone},
    {"BlocksAdagrad", kTinyFactorization,
     "train { schedule: BLOCKS } optimizer { adagrad {} clip_norm: 0.01 }",
     "1a3f1402f8f641e7aba4c990e8512845"},
    {"BlocksSgd", kTinyFactorization,
     "train { schedule: BLOCKS } optimizer { sgd {} schedule { cosine {} } }",
     "adb329171b1a4a22b24edbee39523237", kNumbersAlone},
    // Dense Adam: rows that move in steps that bring them no gradient.
    {"Dense", kTinyFactorization,
     "train { batch_size: 5 } optimizer { adam { learning_rate: 0.01 update: DENSE }"
     "  schedule { cosine { epochs: 3 floor: 0.1 } warm_up_steps: 5 } clip_norm: 0.05 }",
     "42436ce1a72af8aa5d23a09126a13d51"},
    {"DenseBiasRate", "matrix_factorization { dim: 5 bias_rate: 3 }",
     "train { batch_size: 5 } optimizer { adam { beta1: 0.8 beta2: 0.98 update: DENSE } }",
     "46a501c3d3a45119a1398c9d1f043745", kNumbersAlone},
    {"DensePlateau", kTinyFactorization,
     "train { epochs: 6 batch_size: 5 }"
     "optimizer { adam { update: DENSE } schedule { plateau { monitor: \"train_loss\" patience: 1 "
     "factor: 0.5 min_delta: 10 } } }",
     "bd8f243831f62c9cd26e777cd1f61956", kNumbersAlone},
    {"DenseFeatures", kTinyFactorizationWithFeatures,
     "train { batch_size: 5 } optimizer { adam { update: DENSE } }",
     "14c74f61d33334827ba485c5084485ee"},
    {"DenseRanker", kTinyRankerWithFeatures,
     "train { batch_size: 4 } optimizer { adam { update: DENSE } }",
     "99f468a0826280fd05d644db67d8e7da"},
    {"DenseTowers", kTinyTowers, "train { batch_size: 4 } optimizer { adam { update: DENSE } }",
     "8ab5242477eb33fa7d557ae120442cbe"},
    {"DenseImplicit", kTinyImplicit, "train { batch_size: 4 } optimizer { adam { update: DENSE } }",
     "af5ac8abc30521adbd65b5176785e188"},
    {"DenseDelay", kTinyFactorization,
     "train { delay: 2 batch_size: 5 } optimizer { adam { update: DENSE } }",
     "f9410ed96e08fd0be6885b48ae42a4ef"},
    {"DenseDelayedTowers", kTinyTowers,
     "train { delay: 2 batch_size: 4 } optimizer { adam { update: DENSE } }",
     "a2c68440fe27ae63d9d8178742274a7c"},
    {"DenseBlocks", kTinyFactorization,
     "train { schedule: BLOCKS rounds: 3 batch_size: 64 } optimizer { adam { update: DENSE } }",
     "e059f90b4856be62367cb46aaa300827"},
    // Steps that change few rows, so that snapshots between them are deltas.
    {"SparseSync", kTinyFactorization,
     "train { batch_size: 3 epochs: 1 } snapshot { every_steps: 3 }",
     "346a0452d91dfcc5737e4a87243bf2cd"},
    {"SparseDense", kTinyFactorization,
     "train { batch_size: 3 epochs: 1 } snapshot { every_steps: 3 }"
     "optimizer { adam { update: DENSE } }",
     "c3ccb0b1645f79ac396055da0e3d6bdd"},
    {"SparseRanker", kTinyRankerWithFeatures,
     "train { batch_size: 2 epochs: 1 } snapshot { every_steps: 4 }",
     "297c5f32885b005bf82a26a7f1008cb0"},
    {"SparseTowers", kTinyTowers, "train { batch_size: 2 epochs: 1 } snapshot { every_steps: 4 }",
     "c94d9fac71b504d68f0265b009248728"},
    {"SparseBlocks", kTinyFactorization,
     "train { schedule: BLOCKS batch_size: 8 rounds: 5 epochs: 1 }",
     "44ab15374c24be7f7397b91b42e4eda1"},
};

class GoldenTest : public GenerationTest, public ::testing::WithParamInterface<GoldenJob> {
 protected:
  Job MakeJob() const {
    Job job = MakeTinyJob(tiny_, 2, GetParam().model);
    Check(google::protobuf::TextFormat::MergeFromString(GetParam().settings, &job),
          "the settings parse");
    const absl::Status valid = ValidateJob(job);
    EXPECT_TRUE(valid.ok()) << valid;
    // An epoch that is not validated improves nothing.
    job.mutable_snapshot()->set_every_epochs(0);
    job.mutable_validation()->set_every_epochs(job.train().epochs());
    return job;
  }

  struct Shape {
    std::uint32_t ranks;
    std::uint32_t threads;
  };
  /// What rows that are on disk are shared by: two threads, and two ranks. TSan sees both at once,
  /// except with BLOCKS, where four threads would have all partitions in memory.
  static std::vector<Shape> ShapesOf(const Job& job) {
    if (job.train().partitions() == 1) return {{.ranks = 1, .threads = 1}};
    if (kThreadSanitizer && job.train().schedule() == Train::SYNC)
      return {{.ranks = 2, .threads = 2}};
    return {{.ranks = 1, .threads = 2}, {.ranks = 2, .threads = 1}};
  }
};

/// Those of the jobs that are run in every way. TSan, to which numbers tell nothing, runs the others once.
std::vector<GoldenJob> JobsOf(bool blocks) {
  std::vector<GoldenJob> jobs;
  std::ranges::copy_if(kGoldenJobs, std::back_inserter(jobs), [&](const GoldenJob& job) {
    return absl::StrContains(job.settings, "BLOCKS") == blocks &&
           !(kThreadSanitizer && job.numbers_alone);
  });
  return jobs;
}

std::string NameOf(const ::testing::TestParamInfo<GoldenJob>& job) {
  return job.param.name;
}

class GoldenMovingTest : public GoldenTest {};
class GoldenBlocksTest : public GoldenTest {};
class GoldenRowsTest : public GoldenTest {};

INSTANTIATE_TEST_SUITE_P(Blocks, GoldenTest, ::testing::ValuesIn(JobsOf(true)), NameOf);
INSTANTIATE_TEST_SUITE_P(Rows, GoldenTest, ::testing::ValuesIn(JobsOf(false)), NameOf);
INSTANTIATE_TEST_SUITE_P(Jobs, GoldenMovingTest, ::testing::ValuesIn(kGoldenJobs), NameOf);
INSTANTIATE_TEST_SUITE_P(Jobs, GoldenBlocksTest, ::testing::ValuesIn(JobsOf(true)), NameOf);
INSTANTIATE_TEST_SUITE_P(Jobs, GoldenRowsTest, ::testing::ValuesIn(JobsOf(false)), NameOf);

TEST_P(GoldenTest, TheRowsInMemoryAreAsRecorded) {
  Job job = MakeJob();
  job.mutable_snapshot()->set_every_steps(0);
  LocalGeneration generation(job, tiny_, "run", 1);
  const GenerationEnd end = generation.Run(1).front();
  ASSERT_TRUE(end.has_finished()) << TextOf(end);
  const Manifest manifest = Snapshot::Open(generation.latest()).value().manifest();
  for (const FileEntry& file : manifest.files()) EXPECT_EQ(file.kind(), BASE);
  EXPECT_EQ(generation.Digest(), GetParam().digest);
}

// A row that changed and is missing from a delta shows here, and only here.
TEST_P(GoldenTest, TheChainOfFilesIsAsRecorded) {
  Job job = MakeJob();
  if (!job.snapshot().has_every_steps() || job.snapshot().every_steps() == 0) {
    // Each file is synced: after every step of a short job, some twenty times in a long one.
    const TrainingData data = TrainingData::Open(job).value();
    const std::uint64_t steps = job.train().epochs() * data.steps_per_epoch(job);
    job.mutable_snapshot()->set_every_steps(std::max<std::uint64_t>(1, steps / 20));
  }
  const std::uint32_t ranks = std::min(job.train().partitions(), 2U);
  LocalGeneration generation(job, tiny_, "run", ranks);
  for (const GenerationEnd& end : generation.Run(ranks)) {
    ASSERT_TRUE(end.has_finished()) << TextOf(end);
  }
  EXPECT_EQ(generation.Digest(), GetParam().digest);
  if (std::string(GetParam().name).starts_with("Sparse")) {
    const Manifest manifest = Snapshot::Open(generation.latest()).value().manifest();
    EXPECT_TRUE(std::ranges::any_of(manifest.files(),
                                    [](const FileEntry& file) { return file.kind() == DELTA; }));
  }
}

/// How many rows a step of a job without negatives touches at most, in all ranks.
std::size_t RowsOfAStep(const Job& job, const TrainingData& data) {
  std::vector<std::uint64_t> counts(job.train().partitions());  // Of training samples.
  for (std::uint32_t user = 0; user < data.data.users(); ++user) {
    const std::span<const std::uint64_t> offsets = data.data.user_offsets();
    for (std::uint64_t s = offsets[user]; s < offsets[user + 1]; ++s) {
      if (data.split.is_validation(s)) continue;
      ++counts[Index(Partitioning(job.train().partitions()).Of(RowId{user}))];
    }
  }
  // Every partition gives a batch its share, rounded: a batch may have more samples than its nominal
  // size.
  const std::uint64_t steps = data.steps_per_epoch(job);
  std::size_t samples_max = 0;
  for (std::uint64_t t = 0; t < steps; ++t) {
    std::size_t samples = 0;
    for (const std::uint64_t n : counts) samples += n * (t + 1) / steps - n * t / steps;
    samples_max = std::max(samples_max, samples);
  }
  std::size_t rows = 2 * samples_max;
  const std::vector<TableSpec> tables = data.Tables();
  for (std::size_t t = Index(kFirstLayer); t < tables.size(); ++t) rows += tables[t].shape.rows;
  return rows;
}

// Goal: nobody looks at a row that is not pinned, and nothing stays pinned that no step needs.
// Method: a store that moves each row when it is pinned and takes its page away when it is released.
// Two threads read in place from each other, two ranks by parcels.
TEST_P(GoldenMovingTest, RowsThatMoveAreAsRecorded) {
  Job job = MakeJob();
  const bool sparse = std::string(GetParam().name).starts_with("Sparse");
  // Validation reads rows in turns as large as memory allows.
  if (sparse) job.mutable_validation()->set_every_epochs(1000);
  const std::uint32_t ranks = std::min(job.train().partitions(), 2U);
  if (ranks > 1) job.mutable_cluster()->set_threads(2);
  const std::size_t rows_max = sparse ? RowsOfAStep(job, TrainingData::Open(job).value()) + 2
                                      : std::numeric_limits<std::size_t>::max();
  LocalGeneration generation(job, tiny_, "run", ranks);
  generation.KeepRowsIn([&](std::span<const RowStore::Table> tables, Partitioning partitioning,
                            SeatRange range) -> absl::StatusOr<std::unique_ptr<RowStore>> {
    return std::make_unique<MovingStore>(tables, partitioning, range, rows_max);
  });
  for (const GenerationEnd& end : generation.Run(ranks)) {
    ASSERT_TRUE(end.has_finished()) << TextOf(end);
  }
  EXPECT_EQ(generation.Digest(), GetParam().digest);
}

// Goal: where rows are decides no bit. Method: of BLOCKS as few partitions of users in memory as there
// can be, the others on disk; snapshots on the way visit them there.
TEST_P(GoldenBlocksTest, RowsOnDiskAreAsRecorded) {
  Job job = MakeJob();
  for (const auto& [ranks, threads] : ShapesOf(job)) {
    job.mutable_cluster()->set_threads(threads);
    job.mutable_snapshot()->set_every_steps(ranks == 1 ? 0 : 2);
    const std::string run = absl::StrCat("run", ranks);
    LocalGeneration generation(job, tiny_, run, ranks);
    generation.KeepRowsIn(StoreOf({.frames = DiskStore::FramesMin(job.cluster().threads()),
                                   .threads = job.cluster().threads(),
                                   .directory = tiny_.Beside(run) + "/scratch"}));
    for (const GenerationEnd& end : generation.Run(ranks)) {
      ASSERT_TRUE(end.has_finished()) << TextOf(end);
    }
    EXPECT_EQ(generation.Digest(), GetParam().digest) << ranks << " ranks";
    EXPECT_TRUE(std::filesystem::is_empty(tiny_.Beside(run) + "/scratch"));
  }
}

/// Room for `rows` rows of users and of items each, of the rank's.
std::size_t BytesForRows(std::span<const RowStore::Table> tables, Partitioning partitioning,
                         SeatRange range, std::size_t rows) {
  return CachedStore::LeastBytes(tables, partitioning, {&range, 1}, {.users = rows, .items = rows});
}

// Goal: the same of every other job, whose rows come and go one by one. Method: room for the rows of a
// step, with two threads and two ranks; what leaves is written and read again, and snapshots on the way
// look through all of it.
TEST_P(GoldenRowsTest, RowsOnDiskAreAsRecorded) {
  Job job = MakeJob();
  // A budget that everything fits has no more rows wanted at once than a step wants.
  job.mutable_storage()->set_memory_budget_mib(1000);
  const TrainingData data = TrainingData::Open(job).value();
  const std::size_t rows = RowsOfAStep(job, data) * (1 + data.model->negatives());
  for (const auto& [ranks, threads] : ShapesOf(job)) {
    job.mutable_cluster()->set_threads(threads);
    const std::string run = absl::StrCat("run", ranks);
    LocalGeneration generation(job, tiny_, run, ranks);
    generation.KeepRowsIn(
        [&](std::span<const RowStore::Table> tables, Partitioning partitioning, SeatRange range) {
          return StoreOf({.directory = tiny_.Beside(run) + "/scratch",
                          .row_bytes = BytesForRows(tables, partitioning, range, rows)})(
              tables, partitioning, range);
        });
    for (const GenerationEnd& end : generation.Run(ranks)) {
      ASSERT_TRUE(end.has_finished()) << TextOf(end);
    }
    EXPECT_EQ(generation.Digest(), GetParam().digest) << ranks << " ranks";
    EXPECT_TRUE(std::filesystem::is_empty(tiny_.Beside(run) + "/scratch"));
  }
}

// Goal: the store that moves rows notices who keeps a pointer.
TEST(MovingStoreDeathTest, ARowThatWasReleasedCannotBeRead) {
  const RowStore::Table table{.rows = 4, .stride = 16};
  MovingStore store({&table, 1}, Partitioning(1), {0, 1}, 1);
  const RowId id{2};
  float* row = nullptr;
  ASSERT_TRUE(store.Pin(kUsers, {&id, 1}, RowStore::Access::kUpdate, {&row, 1}).ok());
  row[15] = 7;
  const RowId other{3};
  float* none = nullptr;
  EXPECT_EQ(store.Pin(kUsers, {&other, 1}, RowStore::Access::kRead, {&none, 1}).code(),
            absl::StatusCode::kResourceExhausted);
  store.Release(kUsers, {&id, 1});
  EXPECT_DEATH({ EXPECT_EQ(*static_cast<volatile float*>(row + 15), 7); }, "");
  ASSERT_TRUE(store.Pin(kUsers, {&id, 1}, RowStore::Access::kRead, {&none, 1}).ok());
  EXPECT_NE(none, row);
  EXPECT_EQ(none[15], 7);
  store.Release(kUsers, {&id, 1});
}

}  // namespace
}  // namespace cf::golden_test

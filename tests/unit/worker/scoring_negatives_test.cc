// What an implicit model's loss of validation is of: each sample, and behind it items that the user
// has no sample of, neither of training nor of validation, drawn alike in every epoch.

#include <memory>
#include <utility>
#include <vector>

#include <absl/strings/str_cat.h>
#include <gtest/gtest.h>

#include "common/config/config.h"
#include "common/math/random.h"
#include "common/model/model_spec.h"
#include "tests/unit/kernels/slow_kernels.h"
#include "tests/unit/paramserver/local_rows.h"
#include "tests/unit/worker/tiny_data.h"
#include "worker/trainer.h"

namespace cf::scoring_negatives_test {
namespace {

constexpr std::uint32_t kPartitions = 8;
constexpr std::uint32_t kDim = 5;
constexpr std::uint32_t kNegatives = 3;
constexpr std::uint64_t kScoringStream = (std::uint64_t{1} << 24) - 1;  // docs/arithmetic.md.

class ScoringNegatives : public ::testing::Test {
 protected:
  ScoringNegatives() {
    SetFloatMode();
    local_.Initialize();
  }

  static Job MakeJob() {
    absl::StatusOr<Job> job = ParseJob(
        absl::StrCat("model { matrix_factorization { dim: ", kDim, " negatives: ", kNegatives,
                     " mean: false link: SIGMOID loss: BCE } }"),
        "test");
    Check(job.ok(), "the test's job parses");
    FillDefaults(*job);
    return *std::move(job);
  }

  static DataSplit SplitOf(const Dataset& data) {
    Split split;
    split.mutable_random()->set_fraction(0.4);
    return DataSplit::Make(data, split).value();
  }

  /// The items that the user has no sample of.
  std::vector<RowId> OthersOf(std::uint32_t user) const {
    std::vector<bool> has(data_.items());
    for (std::uint64_t s = data_.user_offsets()[user]; s < data_.user_offsets()[user + 1]; ++s) {
      has[Index(data_.item_column()[s])] = true;
    }
    std::vector<RowId> others;
    for (std::uint32_t item = 0; item < has.size(); ++item) {
      if (!has[item]) others.push_back(RowId{item});
    }
    return others;
  }

  std::vector<ObjectiveSums> SlowSums(bool training_samples) {
    std::vector<ObjectiveSums> sums(kPartitions);
    const auto add = [&](RowId user, RowId item, float rating, ObjectiveSums& to) {
      slow::ObserveSample(objective_, local_.Row(kUsers, user), local_.Row(kItems, item), rating,
                          PaddedDim(kDim), to);
    };
    for (std::uint32_t user = 0; user < data_.users(); ++user) {
      const std::vector<RowId> others = OthersOf(user);
      const CounterRandom random(0, Purpose::kNegatives,
                                 CounterRandom::Stream(kScoringStream, user));
      ObjectiveSums& to = sums[Index(Partitioning(kPartitions).Of(RowId{user}))];
      for (std::uint64_t s = data_.user_offsets()[user]; s < data_.user_offsets()[user + 1]; ++s) {
        if (split_.is_validation(s) == training_samples) continue;
        const RowId item = data_.item_column()[s];
        add(RowId{user}, item, 1, to);
        for (std::uint32_t draw = 0; draw < kNegatives && !others.empty(); ++draw) {
          const std::uint64_t n = Index(item) * kNegatives + draw;
          add(RowId{user}, others[random.Below(n, others.size())], 0, to);
        }
      }
    }
    return sums;
  }

  TinyData tiny_;
  const Dataset data_ = Dataset::Open(tiny_.path()).value();
  const DataSplit split_ = SplitOf(data_);
  const Objective objective_{.link = Objective::Link::kSigmoid,
                             .loss = Objective::Loss::kCrossEntropy,
                             .inverse_batch = 1};
  const std::unique_ptr<const ModelSpec> model_ = ModelSpec::Make(MakeJob());
  const std::vector<TableSpec> tables_ = {MakeTable("users", data_.users(), kDim, 0),
                                          MakeTable("items", data_.items(), kDim, 0)};
  LocalRows local_{{.partitions = kPartitions, .tables = tables_}};
};

TEST_F(ScoringNegatives, AreItemsThatTheUserHasNoSampleOf) {
  Trainer trainer({.rows = &local_.client(),
                   .kernels = KernelsFor(KernelTarget::kBest).value(),
                   .objective = objective_,
                   .model = model_.get(),
                   .shuffle_seed = 7},
                  data_, split_);
  std::uint64_t turn = 0;
  for (const bool training_samples : {false, true}) {
    std::vector<ObjectiveSums> sums(kPartitions);
    constexpr std::uint64_t kBatches = 4;
    ASSERT_TRUE(
        trainer
            .Score({.training_samples = training_samples, .batches = kBatches, .turn = turn}, sums)
            .ok());
    turn += kBatches + 1;
    const std::vector<ObjectiveSums> expected = SlowSums(training_samples);
    for (std::size_t p = 0; p < kPartitions; ++p) {
      EXPECT_EQ(slow::BitsOf(sums[p]), slow::BitsOf(expected[p])) << p << training_samples;
    }
  }
}

}  // namespace
}  // namespace cf::scoring_negatives_test

#include "common/model/optimizer.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "tests/reference/drawn.h"
#include "tests/unit/kernels/slow_kernels.h"
#include "tests/unit/paramserver/local_rows.h"

namespace cf::optimizer_test {
namespace {

constexpr double kTolerance = 1e-5;
constexpr TableId kTable{0};

/// A way to train the drawn rows, as make_optimizer_reference.py has it under the same name.
struct Case {
  std::string name;
  std::string optimizer;
  double l2_vectors = 0;
  double l2_biases = 0;
  std::function<double(std::uint32_t step)> factor;  ///< The schedule, told again.
  double bias_rate = 1;
};

double Constant(std::uint32_t) {
  return 1.0;
}

double Exponential(std::uint32_t step) {
  return std::pow(0.9, step / drawn::kStepsPerEpoch) * std::min(1.0, (step + 1) / 15.0);
}

double Cosine(std::uint32_t step) {
  const double done = std::min(1.0, step / static_cast<double>(drawn::kStepsPerEpoch) / 8);
  return 0.1 + 0.9 * (1 + std::cos(M_PI * done)) / 2;
}

const std::string kAdam = "adam { learning_rate: 0.02 }";
const std::string kAdagrad = "adagrad { learning_rate: 0.05 }";
const std::string kSgd = "sgd { learning_rate: 0.1 }";
const std::string kExponential =
    " schedule { exponential { decay: 0.9 staircase: true } warm_up_steps: 15 }";
const std::string kCosine = " schedule { cosine { epochs: 8 floor: 0.1 } }";

const std::vector<Case> kCases = {
    {"adam", kAdam, 0, 0, Constant},
    {"adam_l2_exponential", kAdam + kExponential, 0.01, 0.02, Exponential},
    {"adagrad", kAdagrad, 0, 0, Constant},
    {"adagrad_l2_cosine", kAdagrad + kCosine, 0.01, 0.02, Cosine},
    {"sgd", kSgd, 0, 0, Constant},
    {"sgd_l2_cosine", kSgd + kCosine, 0.01, 0.02, Cosine},
};

/// The textbook's formulas, one weight at a time in double: m and v corrected one by one, and
/// epsilon moved so that it stands where ours does.
struct SlowWeight {
  double w = 0;
  double m = 0;
  double v = 0;
  double a = 0.1;

  void Apply(const std::string& kind, std::uint32_t step, double factor, double gradient) {
    const double t = step + 1;
    if (kind == "adam") {
      m = 0.9 * m + 0.1 * gradient;
      v = 0.999 * v + 0.001 * gradient * gradient;
      const double m_hat = m / (1 - std::pow(0.9, t));
      const double v_hat = v / (1 - std::pow(0.999, t));
      const double epsilon = 1e-7 / std::sqrt(1 - std::pow(0.999, t));
      w -= drawn::kAdamRate * factor * m_hat / (std::sqrt(v_hat) + epsilon);
    } else if (kind == "adagrad") {
      a += gradient * gradient;
      w -= drawn::kAdagradRate * factor * gradient / std::sqrt(a + 1e-7);
    } else {
      w -= drawn::kSgdRate * factor * gradient;
    }
  }
};

/// Calls `check` after each step with the rows as they are.
void TrainDrawnRows(const Case& test,
                    const std::function<void(std::uint32_t step, LocalRows& local)>& check) {
  const Optimizer optimizer = MakeOptimizer(test.optimizer);
  TableSpec table = MakeTable("rows", drawn::kRows, drawn::kDim, MomentsOf(optimizer));
  table.vectors.mutable_zeros();
  table.l2_vectors = test.l2_vectors;
  table.l2_biases = test.l2_biases;
  table.bias_rate = test.bias_rate;
  LocalRows local({.partitions = 4,
                   .seats = 2,
                   .tables = {table},
                   .optimizer = optimizer,
                   .steps_per_epoch = drawn::kStepsPerEpoch});
  local.Initialize();
  for (std::uint32_t row = 0; row < drawn::kRows; ++row) {
    float* weights = local.Row(kTable, RowId{row});  // The drawn start.
    for (std::uint32_t k = 0; k < drawn::kDim; ++k) weights[k] = drawn::Fraction({3, row, k});
    weights[PaddedDim(drawn::kDim)] = drawn::Fraction({3, row, drawn::kDim});
  }
  for (std::uint32_t step = 0; step < drawn::kSteps; ++step) {
    for (std::uint32_t row = 0; row < drawn::kRows; ++row) {
      if (!drawn::IsTouched(step, row)) continue;
      std::vector<float> gradient(PaddedDim(drawn::kDim) + 1);
      for (std::uint32_t k = 0; k < drawn::kDim; ++k)
        gradient[k] = drawn::Fraction({2, step, row, k});
      gradient.back() = drawn::Fraction({2, step, row, drawn::kDim});
      local.Apply(kTable, step, RowId{row}, gradient);
    }
    check(step, local);
  }
}

TEST(Optimizer, TwoHundredStepsAsTheTextbookSays) {
  std::vector<Case> cases = kCases;
  for (Case test : kCases) {
    test.bias_rate = 0.25;
    cases.push_back(test);
  }
  for (const Case& test : cases) {
    std::vector<std::vector<SlowWeight>> slow(drawn::kRows,
                                              std::vector<SlowWeight>(drawn::kDim + 1));
    for (std::uint32_t row = 0; row < drawn::kRows; ++row) {
      for (std::uint32_t k = 0; k <= drawn::kDim; ++k)
        slow[row][k].w = static_cast<double>(drawn::Fraction({3, row, k}));
    }
    TrainDrawnRows(test, [&](std::uint32_t step, LocalRows& local) {
      for (std::uint32_t row = 0; row < drawn::kRows; ++row) {
        const std::vector<float> record = local.Record(kTable, RowId{row});
        for (std::uint32_t k = 0; k <= drawn::kDim; ++k) {
          SlowWeight& weight = slow[row][k];
          if (drawn::IsTouched(step, row)) {
            const double l2 = k < drawn::kDim ? test.l2_vectors : test.l2_biases;
            const auto drawn = static_cast<double>(drawn::Fraction({2, step, row, k}));
            const double rate = test.factor(step) * (k < drawn::kDim ? 1 : test.bias_rate);
            weight.Apply(test.name.substr(0, test.name.find('_')), step, rate,
                         drawn + 2 * l2 * weight.w);
          }
          ASSERT_NEAR(static_cast<double>(record[k]), weight.w, kTolerance)
              << test.name << ", biases " << test.bias_rate << ", step " << step << ", row " << row
              << ", weight " << k;
        }
      }
    });
  }
}

TEST(Optimizer, TwoHundredStepsAsPyTorchMakesThem) {
  const drawn::Figures figures = drawn::ReadFigures();
  for (const Case& test : kCases) {
    int compared = 0;
    TrainDrawnRows(test, [&](std::uint32_t step, LocalRows& local) {
      for (std::uint32_t row = 0; row < drawn::kRows; ++row) {
        const auto expected = figures.find({test.name, step + 1, "rows", row});
        if (expected == figures.end()) continue;
        ++compared;
        const std::vector<float> record = local.Record(kTable, RowId{row});
        for (std::uint32_t k = 0; k <= drawn::kDim; ++k) {
          EXPECT_NEAR(static_cast<double>(record[k]), expected->second[k], kTolerance)
              << test.name << ", step " << step + 1 << ", row " << row << ", weight " << k;
        }
      }
    });
    EXPECT_EQ(compared, 4 * static_cast<int>(drawn::kRows)) << test.name;
  }
}

// Keras's Adam puts epsilon where ours is; PyTorch's dense one adds it to the corrected root. With
// gradients as small as epsilon the two part: this is where ours stands.
TEST(Optimizer, AdamsEpsilonStandsBesideTheUncorrectedRoot) {
  const OptimizerRule rule(MakeOptimizer("adam { learning_rate: 1 epsilon: 1e-3 }"), 20);
  const OptimizerStep step = rule.At(0, MakeTable("t", 1, 16, 2));
  std::vector<float> row(16 + 16 + 32);
  const std::vector<float> gradient(17, 0.01F);
  slow::UpdateRow(step, row.data(), gradient.data());
  const double root = std::sqrt(0.001 * 0.01 * 0.01);
  const double ours = std::sqrt(0.001) / 0.1 * (0.1 * 0.01) / (root + 1e-3);
  EXPECT_NEAR(static_cast<double>(row[0]), -ours, 1e-6);
  EXPECT_GT(std::abs(static_cast<double>(row[0]) + 0.01 / (0.01 + 1e-3)), 0.1) << "PyTorch's";
}

// As Keras's clipnorm: g' clip_norm / |g'|, with the L2 term in g', and only where that is shorter.
TEST(Optimizer, ClippingScalesTheWholeRowAfterItsL2Term) {
  for (const double clip_norm : {0.5, 100.0}) {
    Optimizer optimizer = MakeOptimizer("sgd { learning_rate: 1 }");
    optimizer.set_clip_norm(clip_norm);
    TableSpec table = MakeTable("rows", 1, 20, 0);
    table.l2_vectors = 0.25;
    table.l2_biases = 0.125;
    LocalRows local({.partitions = 1, .seats = 1, .tables = {table}, .optimizer = optimizer});
    local.Initialize();
    float* row = local.Row(kTable, RowId{0});  // The drawn start.
    std::vector<float> gradient(33);
    std::vector<double> weights(21);
    std::vector<double> slopes(21);
    double squares = 0;
    for (std::uint32_t k = 0; k <= 20; ++k) {
      const std::size_t at = k < 20 ? k : 32;
      row[at] = drawn::Fraction({3, 0, k});
      gradient[at] = drawn::Fraction({2, 0, 0, k});
      weights[k] = static_cast<double>(row[at]);
      slopes[k] = static_cast<double>(gradient[at]) + (k < 20 ? 0.5 : 0.25) * weights[k];
      squares += slopes[k] * slopes[k];
    }
    const double scale = std::min(1.0, clip_norm / std::sqrt(squares));
    EXPECT_EQ(scale < 1, clip_norm == 0.5);
    local.Apply(kTable, 0, RowId{0}, gradient);
    const std::vector<float> record = local.Record(kTable, RowId{0});
    for (std::uint32_t k = 0; k <= 20; ++k)
      EXPECT_NEAR(static_cast<double>(record[k]), weights[k] - scale * slopes[k], 1e-6) << k;
  }
}

TEST(Optimizer, TheRateIsTheConfiguredOneTimesTheSchedule) {
  const OptimizerRule rule(MakeOptimizer(kAdam + kExponential), 20);
  EXPECT_DOUBLE_EQ(rule.LearningRate(0), 0.02 / 15);
  EXPECT_DOUBLE_EQ(rule.LearningRate(14), 0.02);
  EXPECT_DOUBLE_EQ(rule.LearningRate(45), 0.02 * 0.9 * 0.9);
}

TEST(Optimizer, APlateauMultipliesTheRateOnceMore) {
  OptimizerRule rule(MakeOptimizer(kSgd + " schedule { plateau {} warm_up_steps: 2 }"), 20);
  const TableSpec table = MakeTable("t", 1, 16, 0);
  EXPECT_EQ(rule.At(0, table).learning_rate, 0.05F);
  EXPECT_EQ(rule.At(7, table).learning_rate, 0.1F);
  rule.SetPlateauFactors({0.25});
  EXPECT_EQ(rule.LearningRate(7), 0.025);
  EXPECT_EQ(rule.At(7, table).learning_rate, 0.025F);
}

TEST(Optimizer, StateStartsAsTheConfigurationSays) {
  EXPECT_EQ(
      OptimizerRule(MakeOptimizer("adagrad { initial_accumulator: 0.25 }"), 1).initial_state(),
      0.25F);
  EXPECT_EQ(OptimizerRule(MakeOptimizer("adam {}"), 1).initial_state(), 0.0F);
  EXPECT_EQ(OptimizerRule(MakeOptimizer("sgd {}"), 1).initial_state(), 0.0F);
}

/// The whole biased factorisation on the drawn minibatches: kernels' gradients, servers' updates.
struct ModelCase {
  std::string name;
  std::string optimizer;
  Objective objective;
  double l2_vectors = 0;
  double l2_biases = 0;
};

const Objective kMse = {.mean = drawn::kMean, .inverse_batch = 1.0F / drawn::kBatch};
const Objective kBce = {.link = Objective::Link::kSigmoid,
                        .loss = Objective::Loss::kCrossEntropy,
                        .rating_min = 1,
                        .rating_range = 4,
                        .inverse_batch = 1.0F / drawn::kBatch};

/// One table's rows of a minibatch with their gradients.
struct TouchedRows {
  std::vector<RowId> ids;
  std::vector<const float*> rows;
  std::vector<float> gradients;

  /// The row's place among those touched so far, and whether it is new.
  std::pair<std::uint32_t, bool> Touch(RowId id) {
    const auto found = std::ranges::find(ids, id);
    const auto place = static_cast<std::uint32_t>(found - ids.begin());
    if (found != ids.end()) return {place, false};
    ids.push_back(id);
    return {place, true};
  }
  void Resolve(LocalRows& local, TableId table) {
    rows.resize(ids.size());
    gradients.resize(ids.size() * (PaddedDim(drawn::kDim) + 1));
    local.Resolve(table, ids, rows);
  }
  void Apply(LocalRows& local, TableId table, std::uint32_t step) const {
    std::vector<const float*> pointers;
    for (std::size_t k = 0; k < ids.size(); ++k)
      pointers.push_back(gradients.data() + k * (PaddedDim(drawn::kDim) + 1));
    ASSERT_TRUE(local.service().ApplyOwn(table, step, ids, pointers).ok());
  }
};

void TrainStep(std::uint32_t step, const Objective& objective, LocalRows& local) {
  TouchedRows users;
  TouchedRows items;
  std::vector<PairSample> samples;
  for (std::uint32_t s = 0; s < drawn::kBatch; ++s) {
    const drawn::DrawnSample sample = drawn::SampleOf(step, s);
    const auto [user, user_is_first] = users.Touch(RowId{sample.user});
    const auto [item, item_is_first] = items.Touch(RowId{sample.item});
    samples.push_back({.user = user & 0x7fffffffU,
                       .user_is_first = user_is_first ? 1U : 0U,
                       .item = item & 0x7fffffffU,
                       .item_is_first = item_is_first ? 1U : 0U,
                       .rating = sample.rating});
  }
  users.Resolve(local, kUsers);
  items.Resolve(local, kItems);
  ObjectiveSums sums;
  KernelsFor(KernelTarget::kBest)
      .value()
      ->pair_gradient({.samples = samples,
                       .user_rows = users.rows.data(),
                       .item_rows = items.rows.data(),
                       .user_gradients = users.gradients.data(),
                       .item_gradients = items.gradients.data(),
                       .gradient_stride = PaddedDim(drawn::kDim) + 1,
                       .padded_dim = PaddedDim(drawn::kDim)},
                      objective, sums);
  users.Apply(local, kUsers, step);
  items.Apply(local, kItems, step);
}

TEST(Optimizer, TwoHundredStepsOfTheWholeModelAsPyTorchsAutogradMakesThem) {
  const drawn::Figures figures = drawn::ReadFigures();
  const std::vector<ModelCase> cases = {{"model_mse_adam", kAdam, kMse, 0.001, 0.002},
                                        {"model_bce_adam", kAdam, kBce, 0.001, 0.002},
                                        {"model_mse_sgd", kSgd, kMse, 0, 0},
                                        {"model_bce_adagrad", kAdagrad, kBce, 0.001, 0}};
  for (const ModelCase& test : cases) {
    const Optimizer optimizer = MakeOptimizer(test.optimizer);
    std::vector<TableSpec> tables = {
        MakeTable("users", drawn::kUsers, drawn::kDim, MomentsOf(optimizer)),
        MakeTable("items", drawn::kItems, drawn::kDim, MomentsOf(optimizer))};
    for (TableSpec& table : tables) {
      table.l2_vectors = test.l2_vectors;
      table.l2_biases = test.l2_biases;
    }
    LocalRows local({.partitions = 1,
                     .seats = 1,
                     .tables = tables,
                     .optimizer = optimizer,
                     .steps_per_epoch = drawn::kStepsPerEpoch});
    local.Initialize();
    for (std::uint32_t t = 0; t < tables.size(); ++t) {
      for (std::uint32_t row = 0; row < tables[t].shape.rows; ++row) {
        float* weights = local.Row(TableId{t}, RowId{row});
        for (std::uint32_t k = 0; k <= drawn::kDim; ++k)
          weights[k < drawn::kDim ? k : PaddedDim(k)] = 0.5F * drawn::Fraction({4, t, row, k});
      }
    }
    int compared = 0;
    for (std::uint32_t step = 0; step < drawn::kSteps; ++step) {
      TrainStep(step, test.objective, local);
      for (std::uint32_t t = 0; t < tables.size(); ++t) {
        for (std::uint32_t row = 0; row < tables[t].shape.rows; ++row) {
          const auto expected = figures.find({test.name, step + 1, tables[t].shape.name, row});
          if (expected == figures.end()) continue;
          ++compared;
          const std::vector<float> record = local.Record(TableId{t}, RowId{row});
          for (std::uint32_t k = 0; k <= drawn::kDim; ++k) {
            EXPECT_NEAR(static_cast<double>(record[k]), expected->second[k], kTolerance)
                << test.name << ", step " << step + 1 << ", " << tables[t].shape.name << " " << row;
          }
        }
      }
    }
    EXPECT_EQ(compared, 4 * static_cast<int>(drawn::kUsers + drawn::kItems)) << test.name;
  }
}

}  // namespace
}  // namespace cf::optimizer_test

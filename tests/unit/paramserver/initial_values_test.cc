#include "paramserver/initial_values.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/kernels/slow_kernels.h"
#include "tests/unit/paramserver/two_tables.h"

namespace cf::initial_values_test {
namespace {

using slow::BitsOf;
using ::testing::Each;

TEST(InitialValues, InitialValuesDoNotDependOnTheSeats) {
  LocalRows one(MakeOptions("adam {}", 1));
  one.Initialize();
  for (const std::uint32_t seats : {2U, 3U, 8U}) {
    LocalRows several(MakeOptions("adam {}", seats));
    several.Initialize();
    EXPECT_EQ(BitsOf(AllRecords(several)), BitsOf(AllRecords(one))) << seats;
  }
}

TEST(InitialValues, InitialValuesDependOnSeedTableAndId) {
  LocalRows::Options options = MakeOptions("adam {}", 1);
  LocalRows local(options);
  local.Initialize();
  options.seed = 43;
  LocalRows other(options);
  other.Initialize();
  const auto first = [](LocalRows& from, TableId table, std::uint32_t id) {
    return from.Record(table, RowId{id})[0];
  };
  EXPECT_NE(first(local, kUsers, 3), first(other, kUsers, 3));
  EXPECT_NE(first(local, kUsers, 3), first(local, kItems, 3));
  EXPECT_NE(first(local, kUsers, 3), first(local, kUsers, 4));
}

// A data set that grows at its end must not change the rows that it had (uniform and normal values;
// he_normal's deviation follows the number of rows).
TEST(InitialValues, InitialValuesDoNotDependOnTheNumberOfRows) {
  LocalRows::Options options = MakeOptions("adam {}", 1);
  LocalRows local(options);
  local.Initialize();
  options.tables[0].shape.rows = 1000;
  LocalRows larger(options);
  larger.Initialize();
  for (std::uint32_t id = 0; id < kUserRows; ++id)
    EXPECT_EQ(local.Record(kUsers, RowId{id}), larger.Record(kUsers, RowId{id}));
}

/// The record of a dense layer that starts as `kernel` and `bias` say.
std::vector<float> LayerRecord(const LayerShape& layer, const Initial& kernel,
                               const Initial& bias) {
  TableSpec table;
  table.shape = {.name = "dense_0",
                 .rows = 1,
                 .dim = static_cast<std::uint32_t>(layer.weights()),
                 .biases = false,
                 .moments = 0};
  table.layer = layer;
  table.vectors = kernel;
  table.biases = bias;
  LocalRows local({.partitions = 2, .seats = 1, .tables = {table}});
  local.Initialize();
  return local.Record(TableId{0}, RowId{0});
}

// Goal: kernels start as Keras's Dense has them. Method: the limits of a uniform distribution, the
// variance of a cut normal one, for a layer that is far from square.
TEST(InitialValues, LayersStartWithTheirFans) {
  const LayerShape layer{.inputs = 400, .units = 25};
  const std::size_t count = std::size_t{400} * 25;
  Initial glorot;
  glorot.mutable_glorot_uniform();
  Initial he;
  he.mutable_he_normal();
  Initial zeros;
  zeros.mutable_zeros();

  const std::vector<float> uniform = LayerRecord(layer, glorot, zeros);
  ASSERT_EQ(uniform.size(), count + 25);
  const auto [least, most] =
      std::minmax_element(uniform.begin(), uniform.begin() + std::ptrdiff_t{count});
  const double limit = std::sqrt(6.0 / 425);
  EXPECT_NEAR(static_cast<double>(*least), -limit, 0.001 * limit);
  EXPECT_NEAR(static_cast<double>(*most), limit, 0.001 * limit);
  for (std::size_t u = 0; u < 25; ++u) EXPECT_EQ(uniform[count + u], 0.0F);

  const std::vector<float> normal = LayerRecord(layer, he, glorot);
  double squares = 0;
  for (std::size_t k = 0; k < count; ++k) {
    squares += static_cast<double>(normal[k]) * static_cast<double>(normal[k]);
  }
  EXPECT_NEAR(squares / static_cast<double>(count), 2.0 / 400, 0.05 * 2.0 / 400);
  for (std::size_t u = 0; u < 25; ++u) {
    EXPECT_LE(std::abs(static_cast<double>(normal[count + u])), std::sqrt(6.0 / 50)) << u;
    EXPECT_NE(normal[count + u], 0.0F) << u;
  }
}

TEST(InitialValues, InitialStateIsTheOptimizers) {
  LocalRows adagrad(MakeOptions("adagrad { initial_accumulator: 0.25 }", 1));
  adagrad.Initialize();
  const std::vector<float> record = adagrad.Record(kUsers, RowId{7});
  ASSERT_EQ(record.size(), 2U * (kDim + 1));
  EXPECT_THAT(std::span(record).subspan(kDim + 1), Each(0.25F));
  EXPECT_EQ(record[kDim], 0.0F) << "the bias is a weight";
  // The padding of a vector's accumulators is zero: its updates must not be.
  EXPECT_EQ(adagrad.Row(kUsers, RowId{7})[16 + 16 + kDim], 0.0F);

  LocalRows adam(MakeOptions("adam {}", 1));
  adam.Initialize();
  const std::vector<float> zeros = adam.Record(kUsers, RowId{7});
  EXPECT_THAT(std::span(zeros).subspan(kDim + 1), Each(0.0F));
}

// A model that starts from a baseline predicts it, with vectors that see each other's biases.
TEST(InitialValues, ABaselineIsTheSumOfBiasesAndVectors) {
  const LocalRows::Options options = MakeOptions("adam {}", 1);
  LocalRows local(options);
  local.Initialize();
  const auto set = [&](TableId table, BaselineSide side, float bias) {
    const TableSpec& spec = options.tables[Index(table)];
    const std::vector<float> biases(spec.shape.rows, bias);
    std::vector<std::vector<float>> before;
    for (std::uint32_t id = 0; id < 3; ++id) before.push_back(local.Record(table, RowId{id}));
    InitialRows rows = local.Initial();
    rows.SetBaseline(table, side, biases);
    local.Initialize(rows);
    // The first two numbers of each vector, and the bias.
    std::vector<float> numbers;
    for (std::uint32_t id = 0; id < 3; ++id) {
      const std::vector<float> after = local.Record(table, RowId{id});
      numbers = {after[0], after[1], after[spec.shape.dim]};
      for (std::uint32_t d = 2; d < spec.shape.dim; ++d) EXPECT_EQ(after[d], before[id][d]);
    }
    return numbers;
  };
  const std::vector<float> user = set(kUsers, BaselineSide::kUser, 0.5F);
  const std::vector<float> item = set(kItems, BaselineSide::kItem, -2);
  EXPECT_EQ(user[0], 1.5F) << "whatever the random value was";
  EXPECT_EQ(item[1], 1.5F);
  EXPECT_NEAR(user[2] + item[2] + user[0] * item[0] + user[1] * item[1], 0.5 - 2, 1e-5);
}

}  // namespace
}  // namespace cf::initial_values_test

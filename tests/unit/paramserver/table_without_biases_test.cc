// A table without biases has none after training either: what is at a bias's place is in no
// snapshot, so it must not move.

#include <vector>

#include <gtest/gtest.h>

#include "common/kernels/kernels.h"
#include "common/model/optimizer.h"

namespace cf::table_without_biases_test {
namespace {

class TableWithoutBiases : public testing::TestWithParam<bool> {};

// Goal: a row's bias is updated where its table has biases, and there only; its vector always.
// Method: one step of each optimizer with a gradient of ones, a bias's among them.
TEST_P(TableWithoutBiases, TheGradientOfABiasIsAppliedOnlyWhereThereIsOne) {
  Optimizer adam;
  adam.mutable_adam();
  Optimizer adagrad;
  adagrad.mutable_adagrad();
  Optimizer sgd;
  sgd.mutable_sgd();
  TableSpec table;
  table.shape = {.name = "rows", .rows = 1, .dim = 16, .biases = GetParam()};
  for (const Optimizer& optimizer : {adam, adagrad, sgd}) {
    const OptimizerRule rule(optimizer, 10);
    const std::size_t n = PaddedDim(table.shape.dim);
    std::vector<float> row(3 * n + kLanes, 1.0F);  // Room for two moments, whatever is used.
    row[n] = 0;
    const std::vector<float> gradient(n + 1, 1.0F);
    const RowUpdate update = {.row = row.data(), .gradient = {.sum = gradient.data()}};
    KernelsFor(KernelTarget::kBest).value()->update_rows(rule.At(0, table), {&update, 1}, nullptr);
    EXPECT_LT(row[0], 1.0F) << optimizer.ShortDebugString();
    EXPECT_EQ(row[n] != 0, GetParam()) << optimizer.ShortDebugString();
  }
}

INSTANTIATE_TEST_SUITE_P(WithAndWithout, TableWithoutBiases, testing::Bool());

}  // namespace
}  // namespace cf::table_without_biases_test

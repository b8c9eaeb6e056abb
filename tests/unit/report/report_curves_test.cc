#include "report/report_curves.h"

#include <string>

#include <gtest/gtest.h>

namespace cf::report_curves_test {
namespace {

RunView MakeRun(std::uint32_t epochs) {
  RunView view;
  for (std::uint32_t epoch = 1; epoch <= epochs; ++epoch) {
    view.history.push_back(
        {.epoch = epoch,
         .step = 7 * epoch,
         .figures = {
             {"train_loss", 1.0 / epoch}, {"val_rmse", 2.0 / epoch}, {"learning_rate", 0.01}}});
  }
  return view;
}

// A page of a very long run stays readable: the last epochs are what it is looked at for.
TEST(EpochsTable, OfALongRunTheLastThousandEpochsAreShown) {
  const HtmlTable table = EpochsTable(MakeRun(1003));
  ASSERT_EQ(table.rows.size(), 1000U);
  EXPECT_EQ(table.rows.front().cells[0], "4");
  EXPECT_EQ(table.rows.back().cells[0], "1003");
  EXPECT_EQ(table.rows.back().cells[1], std::to_string(7 * 1003));
  EXPECT_EQ(EpochsTable(MakeRun(3)).rows.size(), 3U);
}

TEST(FiguresTable, HasTheBestEpochAndTheLastOne) {
  RunView view = MakeRun(3);
  view.snapshot.emplace().mutable_best_metrics()->set_epoch(2);
  const HtmlTable table = FiguresTable({{.name = "", .view = &view}});
  ASSERT_EQ(table.columns.size(), 3U);
  EXPECT_EQ(table.columns[1].name, "best (epoch 2)");
  EXPECT_EQ(table.columns[2].name, "last (epoch 3)");
  for (const HtmlTable::Row& row : table.rows) {
    if (row.cells[0] != "val_rmse") continue;
    EXPECT_EQ(row.cells[1], "1");
    EXPECT_EQ(row.cells[2], "0.666667");
    return;
  }
  ADD_FAILURE() << "val_rmse has no row";
}

}  // namespace
}  // namespace cf::report_curves_test

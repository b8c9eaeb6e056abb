#include "paramserver/refusal_log.h"

#include <gtest/gtest.h>

namespace cf::refusal_log_test {
namespace {

TEST(RefusalLog, NamesTheFirstOfEachTableWhateverTheOrder) {
  RefusalLog log(3);
  log.Note(kItems, 7, RowId{4});
  log.Note(kItems, 5, RowId{9});
  log.Note(kItems, 5, RowId{2});
  log.Note(kItems, 6, RowId{0});
  log.Note(kUsers, 0, RowId{0});
  const std::vector<Refusals> by_table = log.Take();
  ASSERT_EQ(by_table.size(), 3U);
  EXPECT_EQ(by_table[0].count, 1U);
  EXPECT_EQ(by_table[1].count, 4U);
  EXPECT_EQ(by_table[1].step, 5U);
  EXPECT_EQ(by_table[1].row, RowId{2});
  EXPECT_EQ(by_table[2].count, 0U);
}

TEST(RefusalLog, IsEmptyOnceItWasTaken) {
  RefusalLog log(2);
  log.Note(kUsers, 3, RowId{1});
  log.Take();
  EXPECT_EQ(log.Take()[0].count, 0U);
  log.Note(kUsers, 8, RowId{6});
  EXPECT_EQ(log.Take()[0].step, 8U);
}

}  // namespace
}  // namespace cf::refusal_log_test

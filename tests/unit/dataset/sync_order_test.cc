// Goal: a crash of the machine leaves a data set, or the files of an exported split, whole or not
// there. Method: the order of the calls that a disk keeps by.

#include <string>

#include <gtest/gtest.h>

#include "common/dataset/export_split.h"
#include "common/dataset/import.h"
#include "tests/support/file_calls.h"
#include "tests/unit/dataset/test_files.h"

namespace cf::sync_order_test {
namespace {

TEST(SyncOrder, ADataSetIsRenamedWhenAllOfItIsOnTheDisk) {
  const TestFolder folder;
  const std::string ratings =
      folder.Write("r.csv", "user,item,rating,timestamp\n1,a,3,7\n2,b,4,8\n");
  const std::string more = folder.Write("v.csv", "user,item,rating,timestamp\n1,b,2,9\n");
  const std::string titles = folder.Write("t.csv", "item,title,genres\na,A,War\nb,B,\n");
  const FileCalls noted;
  const auto made =
      Import({.ratings = {ratings}, .validation = more, .titles = titles, .out = folder.Path("d")});
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(WhyNotDurable(noted.calls(), folder.Path("d")), "");
}

TEST(SyncOrder, TheFilesOfASplitAreRenamedWhenTheyAreOnTheDisk) {
  const TestFolder folder;
  ASSERT_TRUE(
      Import({.ratings = {folder.Write("r.csv", "user,item\n1,2\n1,3\n")}, .out = folder.Path("d")})
          .ok());
  const Dataset data = Dataset::Open(folder.Path("d")).value();
  const DataSplit split = DataSplit::Make(data, Split()).value();
  const FileCalls noted;
  ASSERT_TRUE(ExportSplit(data, split, folder.Path("csv")).ok());
  for (const char* const name : {"csv/train.csv", "csv/val.csv"}) {
    EXPECT_EQ(WhyNotDurable(noted.calls(), folder.Path(name)), "");
  }
}

}  // namespace
}  // namespace cf::sync_order_test

#include "common/dataset/export_split.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "common/dataset/import.h"
#include "tests/unit/dataset/test_files.h"

namespace cf::export_split_test {
namespace {

TEST(ExportSplit, IsImportedBackAsTheSameSamplesAndSplit) {
  const TestFolder folder;
  std::string text = "user,item,rating,timestamp\n";
  for (int k = 0; k < 3000; ++k) {
    text += "\"u, " + std::to_string(k % 37) + "\",\"say \"\"" + std::to_string(k) + "\"\"\"," +
            std::to_string(static_cast<float>(k % 17) / 3 - 2) + "," + std::to_string(k) + "\n";
  }
  ASSERT_TRUE(Import({.ratings = {folder.Write("r.csv", text)}, .out = folder.Path("d")}).ok());
  const Dataset data = Dataset::Open(folder.Path("d")).value();
  Split random;
  random.mutable_random()->set_fraction(0.2);
  const DataSplit split = DataSplit::Make(data, random).value();
  ASSERT_TRUE(ExportSplit(data, split, folder.Path("csv")).ok());
  ASSERT_TRUE(Import({.ratings = {folder.Path("csv/train.csv")},
                      .validation = folder.Path("csv/val.csv"),
                      .out = folder.Path("again")})
                  .ok());
  const Dataset again = Dataset::Open(folder.Path("again")).value();
  EXPECT_EQ(RawSamplesOf(again), RawSamplesOf(data));
  Split given;
  given.mutable_given();
  const DataSplit same = DataSplit::Make(again, given).value();
  ASSERT_EQ(same.samples(), split.samples());
  EXPECT_EQ(same.validation_count(), 600U);
  for (std::uint64_t k = 0; k < split.samples(); ++k) {
    ASSERT_EQ(same.is_validation(k), split.is_validation(k));
  }
}

TEST(ExportSplit, LeavesNoFileWhereItCannotWrite) {
  const TestFolder folder;
  ASSERT_TRUE(
      Import({.ratings = {folder.Write("r.csv", "user,item\n1,2\n1,3\n")}, .out = folder.Path("d")})
          .ok());
  const Dataset data = Dataset::Open(folder.Path("d")).value();
  const DataSplit split = DataSplit::Make(data, Split()).value();
  EXPECT_FALSE(ExportSplit(data, split, folder.Path("r.csv/x")).ok());
  std::filesystem::create_directories(folder.Path("csv/val.csv/in the way"));
  EXPECT_FALSE(ExportSplit(data, split, folder.Path("csv")).ok());
  EXPECT_TRUE(ExportSplit(data, split, folder.Path("other")).ok());
  EXPECT_EQ(ReadFile(folder.Path("other/train.csv")).value(), "user,item,rating\n1,2,1\n1,3,1\n");
  EXPECT_EQ(ReadFile(folder.Path("other/val.csv")).value(), "user,item,rating\n");
}

}  // namespace
}  // namespace cf::export_split_test

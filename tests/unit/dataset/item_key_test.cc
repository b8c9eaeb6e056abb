#include "common/dataset/item_key.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/dataset/import.h"
#include "common/dataset/statistics.h"
#include "tests/unit/dataset/test_files.h"

namespace cf::item_key_test {
namespace {

using ::testing::HasSubstr;

constexpr char kTitles[] =
    "movieId,title,genres\n2,Heat (1995),Action\n7,Speed (1994),Thriller\n10,Heat (1995),Crime\n"
    "11,Unseen (2000),Drama\n";

absl::StatusOr<Dataset> ImportByTitle(const TestFolder& folder, const std::string& ratings,
                                      Duplicates duplicates = Duplicates::kLast,
                                      const std::string& titles = kTitles) {
  const absl::StatusOr<ImportSummary> imported =
      Import({.ratings = {folder.Write("r.csv", "user,item,rating,time\n" + ratings)},
              .titles = folder.Write("t.csv", titles),
              .out = folder.Path("out"),
              .item_key = ItemKey::kTitle,
              .duplicates = duplicates,
              .overwrite = true});
  if (!imported.ok()) return imported.status();
  return Dataset::Open(folder.Path("out"));
}

TEST(ItemKey, ItemsOfOneTitleBecomeOne) {
  const TestFolder folder;
  // "10" before "2" is the order of lines and of bytes; the lowest number gives the genres.
  const Dataset data = ImportByTitle(folder, "1,10,5,1\n2,2,4,2\n1,7,3,3\n").value();
  EXPECT_EQ(data.items(), 2U);
  EXPECT_EQ(data.samples(), 3U);
  EXPECT_EQ(data.item_raw_id(RowId{0}), "Heat (1995)");  // It has two samples now.
  EXPECT_EQ(data.title(RowId{0}), "Heat (1995)");
  EXPECT_EQ(data.genres(RowId{0}), "Action");
  EXPECT_EQ(data.FindItem("Speed (1994)"), RowId{1});
  EXPECT_EQ(data.FindItem("2"), std::nullopt);
  EXPECT_TRUE(data.items_keyed_by_title());
  EXPECT_EQ(data.items_merged(), 1U);
  EXPECT_EQ(data.titles_without_ratings(), 1U);
  EXPECT_TRUE(data.Verify().ok());
  EXPECT_THAT(FormatStatistics(ComputeStatistics(data)),
              HasSubstr("\nitems are keyed by title: 1 became one with another\n"));
}

TEST(ItemKey, APairRatedUnderTwoIdsIsADuplicate) {
  const TestFolder folder;
  const std::string ratings = "1,10,5,1\n1,2,2,2\n";
  for (const auto& [duplicates, rating] :
       {std::pair(Duplicates::kLast, 2.0F), std::pair(Duplicates::kFirst, 5.0F),
        std::pair(Duplicates::kMean, 3.5F), std::pair(Duplicates::kSum, 7.0F)}) {
    const Dataset data = ImportByTitle(folder, ratings, duplicates).value();
    EXPECT_EQ(data.samples(), 1U);
    EXPECT_EQ(data.duplicates(), 1U);
    EXPECT_EQ(data.ratings()[0], rating);
  }
}

TEST(ItemKey, NamesTheLowestItemWithoutATitleAndWritesNothing) {
  const TestFolder folder;
  for (const char* titles : {"movieId,title\n2,Heat\n", "movieId,title\n2,Heat\n9,\n"}) {
    const absl::Status refused =
        ImportByTitle(folder, "1,10,5,1\n1,9,5,1\n2,2,4,2\n", Duplicates::kLast, titles).status();
    EXPECT_TRUE(absl::IsInvalidArgument(refused));
    EXPECT_EQ(refused.message(),
              folder.Path("t.csv") + ": item 9 has ratings and no title to be its key");
    EXPECT_FALSE(std::filesystem::exists(folder.Path("out")));
  }
  EXPECT_EQ(Import({.ratings = {folder.Path("r.csv")},
                    .out = folder.Path("out"),
                    .item_key = ItemKey::kTitle})
                .status()
                .message(),
            "--item-key title needs --titles");
}

// TensorFlow Recommenders' tutorial has 1,664 films where the data set has 1,682 ids.
TEST(ItemKey, MovieLens100kHas1664Titles) {
  const std::optional<std::string> real = RealData("ml-100k");
  CF_SKIP_WITHOUT(real, "ml-100k");
  const TestFolder folder;
  const absl::StatusOr<ImportSummary> imported = Import({.ratings = {*real + "/u.data"},
                                                         .titles = *real + "/u.item",
                                                         .out = folder.Path("out"),
                                                         .item_key = ItemKey::kTitle});
  ASSERT_TRUE(imported.ok()) << imported.status();
  const Dataset data = Dataset::Open(folder.Path("out")).value();
  EXPECT_EQ(data.items(), 1'664U);
  EXPECT_EQ(data.items_merged(), 18U);
  EXPECT_EQ(data.samples() + data.duplicates(), 100'000U);
}

}  // namespace
}  // namespace cf::item_key_test

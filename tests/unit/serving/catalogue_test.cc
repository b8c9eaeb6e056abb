#include "serving/catalogue.h"

#include <algorithm>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/serving/test_model.h"

namespace cf::catalogue_test {
namespace {

using ::testing::HasSubstr;

// Ids of another data set mean other users and items.
TEST(Catalogue, IsOfTheDataSetThatTheModelWasTrainedOnAndOfNoOther) {
  const TestFolder folder;
  WriteTestData(folder.At("data"));
  const Dataset data = Dataset::Open(folder.At("data")).value();
  Manifest manifest;
  manifest.mutable_data()->set_source_path(folder.At("data"));
  manifest.mutable_data()->set_digest(data.digest());
  EXPECT_TRUE(Catalogue::Open(manifest, "").ok());
  std::string other = data.digest();
  std::ranges::reverse(other);
  ASSERT_NE(other, data.digest());
  manifest.mutable_data()->set_digest(other);
  for (const std::string& place : {std::string(), folder.At("data")}) {
    const absl::Status refused = Catalogue::Open(manifest, place).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
    EXPECT_THAT(std::string(refused.message()), HasSubstr(data.digest()));
  }
}

// A job's path may be relative to where it was started; a folder with all of it may be moved.
TEST(Catalogue, FindsTheDataSetWhereverSomebodyIs) {
  const TestFolder folder;
  WriteTestData(folder.At("data"));
  Manifest manifest;
  manifest.mutable_data()->set_source_path(folder.At("data"));
  manifest.mutable_job()->mutable_data()->set_path("no/such/place");
  EXPECT_EQ(DataFolderOf(manifest, ""), folder.At("data"));
  EXPECT_EQ(DataFolderOf(manifest, "elsewhere"), "elsewhere");
  manifest.mutable_data()->set_source_path(folder.At("gone"));
  EXPECT_EQ(DataFolderOf(manifest, ""), folder.At("gone"));
  manifest.mutable_job()->mutable_data()->set_path(folder.At("data"));
  EXPECT_EQ(DataFolderOf(manifest, ""), folder.At("data"));
}

TEST(Catalogue, MasksByTheSplit) {
  const TestFolder folder;
  WriteColdData(folder.At("data"));
  Manifest manifest;
  manifest.mutable_data()->set_digest(Dataset::Open(folder.At("data"))->digest());
  manifest.mutable_job()->mutable_split()->mutable_given();
  const Catalogue catalogue = Catalogue::Open(manifest, folder.At("data")).value();
  const RowId user = catalogue.data().FindUser("107").value();
  const RowId trained = catalogue.data().FindItem("200").value();
  const RowId validated = catalogue.data().FindItem("209").value();
  const RowId other = catalogue.data().FindItem("203").value();
  for (const Mask mask : {Mask::kAll, Mask::kTrain, Mask::kNone}) {
    EXPECT_EQ(catalogue.IsMasked(user, trained, mask), mask != Mask::kNone);
    EXPECT_EQ(catalogue.IsMasked(user, validated, mask), mask == Mask::kAll);
    EXPECT_FALSE(catalogue.IsMasked(user, other, mask));
  }
  EXPECT_EQ(catalogue.SampleOf(user, other), std::nullopt);
  EXPECT_EQ(catalogue.data().item_column()[*catalogue.SampleOf(user, validated)], validated);
}

TEST(Catalogue, CountsTrainingRatingsAndKnowsAllThatWasSeen) {
  const TestFolder folder;
  WriteTestData(folder.At("data"));
  Manifest manifest;
  manifest.mutable_data()->set_digest(Dataset::Open(folder.At("data"))->digest());
  manifest.mutable_job()->mutable_split()->mutable_random()->set_fraction(0.3);
  const Catalogue catalogue = Catalogue::Open(manifest, folder.At("data")).value();
  const Dataset& data = catalogue.data();
  std::vector<std::uint32_t> of_item(data.items());
  for (std::uint32_t user = 0; user < data.users(); ++user) {
    std::uint32_t of_user = 0;
    for (std::uint64_t s = data.user_offsets()[user]; s < data.user_offsets()[user + 1]; ++s) {
      const RowId item = data.item_column()[s];
      EXPECT_TRUE(catalogue.HasSeen(RowId{user}, item));
      EXPECT_EQ(catalogue.RatingOf(RowId{user}, item), data.ratings()[s]);
      if (catalogue.split().is_validation(s)) continue;
      ++of_user;
      ++of_item[Index(item)];
    }
    EXPECT_EQ(catalogue.UserTrainingRatings(RowId{user}), of_user);
  }
  for (std::uint32_t item = 0; item < data.items(); ++item) {
    EXPECT_EQ(catalogue.ItemTrainingRatings(RowId{item}), of_item[item]);
  }
}

}  // namespace
}  // namespace cf::catalogue_test

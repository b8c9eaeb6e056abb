#include "serving/catalogue.h"

#include <algorithm>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/serving/test_model.h"

namespace cf {
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
}  // namespace cf

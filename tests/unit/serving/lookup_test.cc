#include "serving/lookup.h"

#include <string>

#include <gmock/gmock.h>

#include "tests/unit/serving/test_model.h"

namespace cf::lookup_test {
namespace {

using testing::HasSubstr;
using testing::Not;

class LookupTest : public testing::Test {
 protected:
  LookupTest() {
    WriteColdData(folder_.At("data"));
    Manifest manifest;
    manifest.mutable_data()->set_digest(Dataset::Open(folder_.At("data"))->digest());
    manifest.mutable_job()->mutable_split()->mutable_given();
    catalogue_.emplace(Catalogue::Open(manifest, folder_.At("data")).value());
    lookup_.emplace(*catalogue_);
  }

  std::string RawId(const absl::StatusOr<RowId>& item) const {
    return item.ok() ? catalogue_->data().item_raw_id(*item) : std::string(item.status().message());
  }

  TestFolder folder_;
  std::optional<Catalogue> catalogue_;
  std::optional<Lookup> lookup_;
};

TEST_F(LookupTest, FindsItemsByRawIdAndByTitle) {
  EXPECT_EQ(RawId(lookup_->Item("201")), "201");
  EXPECT_EQ(RawId(lookup_->Item("Toy Story (1995)")), "200");
  EXPECT_EQ(RawId(lookup_->Item("matrix, the (1999)")), "202");
  EXPECT_EQ(lookup_->Items("Twice (2000)")->size(), 2);
  EXPECT_EQ(lookup_->NameOf(*lookup_->Item("202")), "Matrix, The (1999)");
}

TEST_F(LookupTest, OffersWhatIsNearAndTakesNothingOfIt) {
  EXPECT_EQ(RawId(lookup_->Item("Toy Story")),
            "no item has the raw id or title \"Toy Story\" in the data set cold; near to it: \"Toy "
            "Story (1995)\" (item 200), \"Toy Story 2 (1999)\" (item 201)");
  EXPECT_EQ(RawId(lookup_->Item("Casablanca")),
            "no item has the raw id or title \"Casablanca\" in the data set cold");
  EXPECT_THAT(RawId(lookup_->Item("0201")), HasSubstr("near to it: 201"));
  EXPECT_THAT(RawId(lookup_->Item("201.0")), HasSubstr("near to it: 201"));
  EXPECT_TRUE(absl::IsNotFound(lookup_->Items("Toy Story").status()));
}

TEST_F(LookupTest, ATitleWithoutARatingIsKnownAndNoItem) {
  for (const char* name : {"300", "toy story 3 (2010)"}) {
    EXPECT_EQ(RawId(lookup_->Item(name)),
              "item 300, \"Toy Story 3 (2010)\", has no rating in the data set cold, so the model "
              "knows nothing of it");
  }
}

TEST_F(LookupTest, ATitleOfTwoItemsIsNoNameOfOne) {
  const absl::Status refused = lookup_->Item("Twice (2000)").status();
  EXPECT_TRUE(absl::IsInvalidArgument(refused));
  EXPECT_EQ(refused.message(),
            "2 items have the title \"Twice (2000)\": name one of the items 205, 206");
}

TEST_F(LookupTest, FindsUsersAndOffersThoseWrittenAlike) {
  EXPECT_TRUE(lookup_->User("106").ok());
  EXPECT_EQ(lookup_->User("4").status().message(), "no user 4 in the data set cold");
  for (const char* alike : {" 106", "0106", "106.0", "106 "}) {
    const absl::Status refused = lookup_->User(alike).status();
    EXPECT_TRUE(absl::IsNotFound(refused)) << alike;
    EXPECT_THAT(std::string(refused.message()), HasSubstr("near to it: 106")) << alike;
  }
  EXPECT_THAT(std::string(lookup_->User("").status().message()), Not(HasSubstr("near")));
}

TEST_F(LookupTest, FindsGenresInAnyCase) {
  EXPECT_EQ(FindGenre(catalogue_->data(), "sci-fi").value(), "Sci-Fi");
  const absl::Status refused = FindGenre(catalogue_->data(), "Western").status();
  EXPECT_TRUE(absl::IsNotFound(refused));
  EXPECT_EQ(refused.message(), "no genre \"Western\": there are Drama, Sci-Fi");
  EXPECT_TRUE(HasGenre(catalogue_->data(), *lookup_->Item("201"), "Sci-Fi"));
  EXPECT_FALSE(HasGenre(catalogue_->data(), *lookup_->Item("201"), "Sci"));
  EXPECT_FALSE(HasGenre(catalogue_->data(), *lookup_->Item("209"), ""));
}

}  // namespace
}  // namespace cf::lookup_test

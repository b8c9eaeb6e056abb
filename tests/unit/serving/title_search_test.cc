#include "serving/title_search.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "serving/catalogue.h"
#include "tests/unit/serving/test_model.h"

namespace cf::title_search_test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class TitleSearchTest : public testing::Test {
 protected:
  TitleSearchTest() {
    WriteColdData(folder_.At("data"));
    Manifest manifest;
    manifest.mutable_data()->set_digest(Dataset::Open(folder_.At("data"))->digest());
    manifest.mutable_job()->mutable_split()->mutable_given();
    catalogue_.emplace(Catalogue::Open(manifest, folder_.At("data")).value());
    search_.emplace(*catalogue_);
  }

  std::vector<std::string> Titles(const std::vector<RowId>& items) const {
    std::vector<std::string> titles;
    for (const RowId item : items) titles.push_back(catalogue_->data().title(item));
    return titles;
  }

  TestFolder folder_;
  std::optional<Catalogue> catalogue_;
  std::optional<TitleSearch> search_;
};

TEST_F(TitleSearchTest, FindsPartsOfTitles) {
  EXPECT_THAT(Titles(search_->Containing("toy story")),
              ElementsAre("Toy Story (1995)", "Toy Story 2 (1999)"));
  EXPECT_THAT(Titles(search_->Containing("STORY 2")), ElementsAre("Toy Story 2 (1999)"));
  EXPECT_THAT(Titles(search_->Containing("the matrix")), ElementsAre("Matrix, The (1999)"));
  EXPECT_THAT(Titles(search_->Containing("matr")), ElementsAre("Matrix, The (1999)"));
  EXPECT_THAT(Titles(search_->Containing("atri")), ElementsAre("Matrix, The (1999)"));
  EXPECT_THAT(Titles(search_->Containing("amelie")), ElementsAre("Am\xc3\xa9lie (2001)"));
  EXPECT_THAT(Titles(search_->Containing("hope star")), SizeIs(1));
  EXPECT_THAT(search_->Containing("nothing of it"), IsEmpty());
  EXPECT_THAT(search_->Containing(""), SizeIs(10));
  EXPECT_THAT(search_->Containing(" - "), SizeIs(10));
}

// Of 1999 are three, one of them cold; what begins with it comes first, then what most have rated.
TEST_F(TitleSearchTest, TheLikeliestComeFirst) {
  EXPECT_THAT(Titles(search_->Containing("1999")),
              ElementsAre("Toy Story 2 (1999)", "Matrix, The (1999)", "Cold (1999)"));
  EXPECT_THAT(Titles(search_->Containing("1984")), ElementsAre("1984 (1984)"));
}

TEST_F(TitleSearchTest, OffersWhatIsNear) {
  EXPECT_THAT(Titles(search_->Near("Toy Story", 3)),
              ElementsAre("Toy Story (1995)", "Toy Story 2 (1999)"));
  EXPECT_THAT(Titles(search_->Near("Toy Story (1996)", 1)), ElementsAre("Toy Story (1995)"));
  EXPECT_THAT(Titles(search_->Near("Toy Stroy", 1)), ElementsAre("Toy Story (1995)"));
  EXPECT_THAT(Titles(search_->Near("The Matrix", 3)), ElementsAre("Matrix, The (1999)"));
  EXPECT_THAT(Titles(search_->Near("Matirxx", 3)), ElementsAre("Matrix, The (1999)"));
  EXPECT_THAT(Titles(search_->Near("star wars", 3)), SizeIs(1));
  EXPECT_THAT(search_->Near("Casablanca", 3), IsEmpty());
  EXPECT_THAT(search_->Near("?", 3), IsEmpty());
  EXPECT_THAT(search_->Near("x", 3), IsEmpty());
}

TEST_F(TitleSearchTest, KnowsTitlesWithoutRatings) {
  EXPECT_THAT(search_->UnratedContaining("toy story"), ElementsAre(0));
  EXPECT_THAT(search_->UnratedContaining("matrix"), IsEmpty());
}

TEST_F(TitleSearchTest, TakesOnlyTheSameTitle) {
  EXPECT_THAT(Titles(search_->WithTitle("toy story (1995)")), ElementsAre("Toy Story (1995)"));
  EXPECT_THAT(search_->WithTitle("Twice (2000)"), SizeIs(2));
  EXPECT_THAT(search_->WithTitle("Toy Story"), IsEmpty());
  EXPECT_THAT(search_->WithTitle(""), IsEmpty());
}

}  // namespace
}  // namespace cf::title_search_test

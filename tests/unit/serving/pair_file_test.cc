#include "serving/pair_file.h"

#include <string>

#include <gmock/gmock.h>

#include "common/base/files.h"
#include "tests/unit/serving/test_model.h"

namespace cf::pair_file_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

class PairFileTest : public testing::Test {
 protected:
  PairFileTest() {
    WriteColdData(folder_.At("data"));
    data_.emplace(Dataset::Open(folder_.At("data")).value());
  }

  absl::StatusOr<PairFile> Read(const std::string& text,
                                const PairFile::Options& options = {}) const {
    EXPECT_TRUE(WriteFileAtomically(folder_.At("file"), text).ok());
    return PairFile::Read(folder_.At("file"), options, *data_);
  }

  TestFolder folder_;
  std::optional<Dataset> data_;
};

TEST_F(PairFileTest, JoinsWithTheDataSet) {
  const PairFile file = Read("item,rating,user\n200,3.5,100\n999,,100\n200,1,999\n").value();
  EXPECT_TRUE(file.has_users());
  EXPECT_TRUE(file.has_ratings());
  ASSERT_THAT(file.pairs(), SizeIs(3));
  EXPECT_TRUE(file.pairs()[0].known());
  EXPECT_EQ(file.pairs()[0].user, data_->FindUser("100"));
  EXPECT_EQ(file.pairs()[0].item, data_->FindItem("200"));
  EXPECT_EQ(file.pairs()[0].rating, 3.5F);
  EXPECT_EQ(file.pairs()[1].rating, std::nullopt);
  EXPECT_FALSE(file.pairs()[1].known());
  EXPECT_EQ(file.unknown(), 2);
  EXPECT_THAT(file.UnknownUsers(), ElementsAre("999"));
}

TEST_F(PairFileTest, NamesItemsForAllOrForSingleUsers) {
  const PairFile pairs = Read("user,item\n100,200\n101,201\n100,999\n999,202\n").value();
  const NamedItems of_users = pairs.Names("");
  EXPECT_THAT(of_users.for_all, SizeIs(0));
  EXPECT_THAT(of_users.for_users, SizeIs(2));
  EXPECT_THAT(pairs.Names("101").for_all, ElementsAre(*data_->FindItem("201")));
  // Also of a user who is not in the data set.
  EXPECT_THAT(pairs.Names("999").for_all, ElementsAre(*data_->FindItem("202")));

  const PairFile::Options items_too = {.users = PairFile::Users::kOptional};
  const PairFile items = Read("movieId\n200\n201\n", items_too).value();
  EXPECT_FALSE(items.has_users());
  EXPECT_THAT(items.Names("").for_all, SizeIs(2));
  EXPECT_THAT(items.Names("100").for_all, SizeIs(2));
  EXPECT_FALSE(Read("movieId\n200\n201\n").ok());
}

TEST_F(PairFileTest, PassesOverUsersWithoutAList) {
  const PairFile file =
      Read("user,rank,item,title,predicted,source\n100,1,200,\"a, b\",3.5,model\n106,,,,,none\n")
          .value();
  EXPECT_THAT(file.pairs(), SizeIs(1));
}

TEST_F(PairFileTest, RefusesWhatHasNothingOfTheDataSet) {
  const auto refusal = [&](const std::string& text) {
    const absl::Status status = Read(text).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  };
  EXPECT_THAT(refusal("user,item\n100,x1\n"),
              HasSubstr("file: no item of it is in the data set cold: it has such as \"x1\""));
  EXPECT_THAT(refusal("user,item\nx1,200\n"), HasSubstr("no user of it is in the data set cold"));
  EXPECT_THAT(refusal("user,item\n"), HasSubstr("file"));
  EXPECT_THAT(refusal(""), HasSubstr("file"));
  // Columns in another order than they are said to be.
  EXPECT_THAT(refusal("200,100\n"), HasSubstr("no item of it"));
}

}  // namespace
}  // namespace cf::pair_file_test

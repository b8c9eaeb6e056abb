// cfsnapshot as a user calls it: what it prints, where, and its exit codes.

#include <cstdlib>
#include <string>
#include <sys/wait.h>

#include <gmock/gmock.h>

#include "common/base/files.h"
#include "common/text/csv.h"
#include "common/text/numbers.h"
#include "tests/support/paths.h"
#include "tests/unit/serving/test_model.h"

namespace cf {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Result {
  int code = 0;
  std::string out;
  std::string err;
};

class CfsnapshotTest : public testing::Test {
 protected:
  CfsnapshotTest() {
    WriteTestData(folder_.At("data"));
    data_.emplace(*Dataset::Open(folder_.At("data")));
    best_ = WriteTestSnapshot(folder_.At("run"), *data_);
  }

  Result Call(const std::string& arguments) {
    const std::string out = folder_.At("out.txt");
    const std::string err = folder_.At("err.txt");
    const std::string command =
        CF_BIN_DIR "/cfsnapshot " + arguments + " > '" + out + "' 2> '" + err + "'";
    const int status = std::system(command.c_str());
    return {.code = WEXITSTATUS(status), .out = *ReadFile(out), .err = *ReadFile(err)};
  }

  TestFolder folder_;
  std::optional<Dataset> data_;
  std::string best_;
};

TEST_F(CfsnapshotTest, ListsVerifiesAndDigests) {
  const Result list = Call("list " + folder_.At("run"));
  EXPECT_EQ(list.code, 0) << list.err;
  EXPECT_THAT(list.out, HasSubstr("g000001-s000000000100"));
  EXPECT_THAT(list.out, HasSubstr("0.8750"));
  EXPECT_THAT(list.out, HasSubstr("best latest"));
  EXPECT_THAT(Call("verify " + best_).out, HasSubstr("sound"));
  EXPECT_THAT(Call("digest " + best_).out, testing::MatchesRegex("[0-9a-f]+\n"));
  EXPECT_EQ(Call("compare " + best_ + " " + folder_.At("run") + "/snapshots/latest").code, 0);
}

// Scripts go by the exit code: that of neither sameness nor a user's mistake.
TEST_F(CfsnapshotTest, SnapshotsThatDifferAreNoSuccess) {
  const std::string other = WriteTestSnapshot(folder_.At("other"), *data_, {.dim = 11});
  const Result differ = Call("compare " + best_ + " " + other);
  EXPECT_EQ(differ.code, 1);
  EXPECT_THAT(differ.err, HasSubstr("the snapshots differ: table users (60 rows, dim 10"));
  EXPECT_EQ(differ.out, "");
  EXPECT_EQ(Call("compare " + best_ + " " + folder_.At("nowhere")).code, 2);
}

TEST_F(CfsnapshotTest, ShowsFavouritesThenRecommendations) {
  const Result lists = Call("recommend " + best_ + " --user 1007 --top 3");
  EXPECT_EQ(lists.code, 0) << lists.err;
  EXPECT_THAT(lists.out, HasSubstr("User 1007 has rated"));
  EXPECT_THAT(lists.out, HasSubstr("Top 3 of what the user has not rated"));
  EXPECT_THAT(lists.out, HasSubstr("Action|Drama"));
}

TEST_F(CfsnapshotTest, AnUnknownUserGetsOneLineOrWhatIsPopular) {
  const Result refused = Call("recommend " + best_ + " --user 4");
  EXPECT_EQ(refused.code, 2);
  EXPECT_EQ(refused.out, "");
  EXPECT_EQ(refused.err, "no user 4 in the data set toy\n");
  const Result popular = Call("recommend " + best_ + " --user 4 --fallback popular --top 2");
  EXPECT_EQ(popular.code, 0);
  EXPECT_THAT(popular.out, HasSubstr("what most users have rated"));
}

TEST_F(CfsnapshotTest, AllUsersAreWrittenWhole) {
  const std::string out = folder_.At("recs.csv");
  const Result all = Call("recommend " + best_ + " --all-users --top 4 --out " + out);
  EXPECT_EQ(all.code, 0) << all.err;
  EXPECT_THAT(all.err, Not(HasSubstr("\r")));
  const std::string text = *ReadFile(out);
  EXPECT_EQ(text.substr(0, text.find('\n')), "user,rank,item,title,predicted");
  std::size_t lines = 0;
  for (std::size_t from = 0; from < text.size(); ++lines) {
    const std::size_t end = text.find('\n', from);
    const absl::StatusOr<std::vector<std::string>> fields =
        ParseCsvLine(std::string_view(text).substr(from, end - from));
    ASSERT_TRUE(fields.ok());
    ASSERT_EQ(fields->size(), 5);
    from = end + 1;
  }
  EXPECT_EQ(lines, 1 + 4 * data_->users());
}

TEST_F(CfsnapshotTest, PredictsPairsAndTitles) {
  const RowId item = data_->item_column()[0];
  const std::string user = data_->user_raw_id(RowId{0});
  ASSERT_TRUE(WriteFileAtomically(folder_.At("pairs.csv"), "userId,movieId,rating\r\n" + user +
                                                               "," + data_->item_raw_id(item) +
                                                               "\r\n4,5,3\r\n")
                  .ok());
  const Result pairs =
      Call("predict " + best_ + " --format csv --pairs " + folder_.At("pairs.csv"));
  EXPECT_EQ(pairs.code, 0) << pairs.err;
  EXPECT_THAT(pairs.out, HasSubstr("\n" + user + "," + data_->item_raw_id(item) + ","));
  EXPECT_THAT(pairs.out, HasSubstr("," + FloatText(data_->ratings()[0]) + "\n4,5,,3\n"));
  EXPECT_THAT(pairs.err, HasSubstr("1 of 2 pairs"));
  const Result titles = Call("predict " + best_ + " --user " + user +
                             " --titles 'Film \"3\", The' 'film \"7\", the'");
  EXPECT_EQ(titles.code, 0) << titles.err;
  EXPECT_THAT(titles.out, HasSubstr("Film \"7\", The"));
  EXPECT_THAT(Call("predict " + best_ + " --user " + user + " --titles 'motion (1994)'").out,
              HasSubstr("Motion (a.k.a. Standstill) (1994)"));
  EXPECT_EQ(Call("predict " + best_ + " --user " + user + " --titles Nothing").code, 2);

  ASSERT_TRUE(WriteFileAtomically(folder_.At("bad.csv"), "1007,5\n1007\n").ok());
  const Result bad = Call("predict " + best_ + " --pairs " + folder_.At("bad.csv"));
  EXPECT_EQ(bad.code, 2);
  EXPECT_THAT(bad.err, HasSubstr("bad.csv:2: expected user,item[,rating]"));
}

TEST_F(CfsnapshotTest, FindsUsersAndSimilarItems) {
  const std::string item = data_->item_raw_id(RowId{3});
  const Result users = Call("recommend " + best_ + " --item " + item + " --top-users 5");
  EXPECT_EQ(users.code, 0) << users.err;
  EXPECT_THAT(users.out, HasSubstr("Top 5 of the users who have not rated"));
  const Result similar = Call("similar " + best_ + " --format csv --top 1 --item " + item);
  EXPECT_THAT(similar.out, HasSubstr("\n1,1.000," + data_->item_raw_id(RowId{4}) + ","));
}

TEST_F(CfsnapshotTest, ExportsOnceAndSaysWhereTheDataSetIsMissing) {
  const std::string out = folder_.At("export");
  EXPECT_EQ(Call("export " + best_ + " --format npy --out " + out).code, 0);
  EXPECT_EQ(Call("export " + best_ + " --out " + out).code, 2);
  EXPECT_EQ(Call("export " + best_ + " --overwrite --out " + out + "/").code, 0);
  std::filesystem::rename(folder_.At("data"), folder_.At("moved"));
  const Result missing = Call("recommend " + best_ + " --user 1007");
  EXPECT_EQ(missing.code, 2);
  EXPECT_THAT(missing.err, HasSubstr("--data DIR"));
  EXPECT_EQ(Call("recommend " + best_ + " --user 1007 --data " + folder_.At("moved")).code, 0);
}

TEST_F(CfsnapshotTest, WrongCommandLinesExitWith2) {
  EXPECT_EQ(Call("").code, 2);
  EXPECT_EQ(Call("recommend " + best_).code, 2);
  EXPECT_EQ(Call("recommend " + best_ + " --all-users").code, 2);
  EXPECT_EQ(Call("digest " + folder_.At("none")).code, 2);
  EXPECT_EQ(Call("--help").code, 0);
}

}  // namespace
}  // namespace cf

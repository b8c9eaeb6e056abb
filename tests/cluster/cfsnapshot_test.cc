// cfsnapshot as a user calls it: what it prints, where, and its exit codes.

#include <algorithm>
#include <string>

#include <gmock/gmock.h>

#include "common/base/files.h"
#include "common/text/csv.h"
#include "common/text/numbers.h"
#include "tests/cluster/cfsnapshot_fixture.h"

namespace cf::cfsnapshot_test {
namespace {

using testing::HasSubstr;
using testing::Not;

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
  EXPECT_THAT(lists.out, HasSubstr("Top 3 of what the user has not rated, by what the model"));
  EXPECT_THAT(lists.out, HasSubstr("Action|Drama"));
}

TEST_F(CfsnapshotTest, AnUnknownUserGetsOneLineOrWhatIsPopular) {
  const Result refused = Call("recommend " + best_ + " --user 4");
  EXPECT_EQ(refused.code, 2);
  EXPECT_EQ(refused.out, "");
  EXPECT_EQ(refused.err,
            "cfsnapshot: no user 4 in the data set toy (--fallback popular gives the most rated "
            "items)\n");
  const Result popular = Call("recommend " + best_ + " --user 4 --fallback popular --top 2");
  EXPECT_EQ(popular.code, 0);
  EXPECT_THAT(popular.out, HasSubstr("the 2 items that most users have rated"));
  EXPECT_THAT(
      Call("recommend " + best_ + " --user 4 --fallback popular --top 2 --format csv").out,
      testing::MatchesRegex("rank,ratings,item,title,genres,source\n1,[^\n]*,popular\n2,[^\n]*,"
                            "popular\n"));
}

TEST_F(CfsnapshotTest, AllUsersAreWrittenWhole) {
  const std::string out = folder_.At("recs.csv");
  const Result all = Call("recommend " + best_ + " --all-users --top 4 --out " + out);
  EXPECT_EQ(all.code, 0) << all.err;
  EXPECT_THAT(all.err, Not(HasSubstr("\r")));
  const std::string text = *ReadFile(out);
  EXPECT_EQ(text.substr(0, text.find('\n')), "user,rank,item,title,predicted,source");
  std::size_t lines = 0;
  for (std::size_t from = 0; from < text.size(); ++lines) {
    const std::size_t end = text.find('\n', from);
    const absl::StatusOr<std::vector<std::string>> fields =
        ParseCsvLine(std::string_view(text).substr(from, end - from));
    ASSERT_TRUE(fields.ok());
    ASSERT_EQ(fields->size(), 6);
    EXPECT_THAT(fields->back(), testing::AnyOf("source", "model"));
    from = end + 1;
  }
  EXPECT_EQ(lines, 1 + 4 * data_->users());
}

TEST_F(CfsnapshotTest, PredictsPairsAndTitles) {
  const RowId item = data_->item_column()[0];
  const std::string user = data_->user_raw_id(RowId{0});
  ASSERT_TRUE(WriteFileAtomically(folder_.At("pairs.csv"), "userId,movieId,rating\r\n" + user +
                                                               "," + data_->item_raw_id(item) +
                                                               ",\r\n4,5,3\r\n")
                  .ok());
  const Result pairs =
      Call("predict " + best_ + " --format csv --pairs " + folder_.At("pairs.csv"));
  EXPECT_EQ(pairs.code, 0) << pairs.err;
  EXPECT_THAT(pairs.out, HasSubstr("\n" + user + "," + data_->item_raw_id(item) + ","));
  EXPECT_THAT(pairs.out, HasSubstr("," + FloatText(data_->ratings()[0]) + ",model\n4,5,,3,none\n"));
  EXPECT_THAT(pairs.err, HasSubstr("of 2 pairs 1 has a user or an item that is not in the data"));
  const Result titles = Call("predict " + best_ + " --user " + user +
                             " --titles 'Film \"3\", The' 'film \"7\", the'");
  EXPECT_EQ(titles.code, 0) << titles.err;
  EXPECT_THAT(titles.out, HasSubstr("Film \"7\", The"));
  EXPECT_THAT(
      Call("predict " + best_ + " --user " + user + " --format csv --titles 'motion (1994)'").out,
      HasSubstr("Motion (a.k.a. Standstill) (1994)"));
  EXPECT_EQ(Call("predict " + best_ + " --user " + user + " --titles Nothing").code, 2);

  ASSERT_TRUE(WriteFileAtomically(folder_.At("bad.csv"), "user,item\n1007,5\n1007\n").ok());
  const Result bad = Call("predict " + best_ + " --pairs " + folder_.At("bad.csv"));
  EXPECT_EQ(bad.code, 2);
  EXPECT_THAT(bad.err, HasSubstr("bad.csv:3: 1 field, expected 2"));
}

TEST_F(CfsnapshotTest, FindsUsersAndSimilarItems) {
  const std::string item = data_->item_raw_id(RowId{3});
  const Result users = Call("recommend " + best_ + " --item " + item + " --top-users 5");
  EXPECT_EQ(users.code, 0) << users.err;
  EXPECT_THAT(users.out, HasSubstr("Top 5 of the users who have not rated"));
  const Result similar = Call("similar " + best_ + " --format csv --top 1 --item " + item);
  EXPECT_THAT(similar.out, HasSubstr("\n1,1.000," + data_->item_raw_id(RowId{4}) + ","));
  EXPECT_EQ(Call("similar " + best_ + " --item 'Motion (a.k.a. Standstill) (1994)'").code, 0);
  const Result near = Call("similar " + best_ + " --item Motion");
  EXPECT_EQ(near.code, 2);
  EXPECT_EQ(near.out, "");
  EXPECT_THAT(near.err, HasSubstr("near to it: \"Motion (a.k.a. Standstill) (1994)\" (item "));
}

TEST_F(CfsnapshotTest, FindsItemsAndUsersByWhatPeopleCallThem) {
  const Result part = Call("find " + best_ + " standstill");
  EXPECT_EQ(part.code, 0) << part.err;
  EXPECT_THAT(part.out, HasSubstr("1 item:\n"));
  EXPECT_THAT(part.out, HasSubstr("Motion (a.k.a. Standstill) (1994)"));
  EXPECT_THAT(Call("find " + best_ + " film --top 4").out, HasSubstr("4 of 89 items:\n"));
  const Result drawn = Call("find " + best_ + " --random --top 3 --format csv");
  EXPECT_EQ(Call("find " + best_ + " --random --top 3 --format csv").out, drawn.out);
  EXPECT_NE(Call("find " + best_ + " --random --seed 2 --top 3 --format csv").out, drawn.out);
  EXPECT_EQ(std::count(drawn.out.begin(), drawn.out.end(), '\n'), 4);
  EXPECT_THAT(Call("find " + best_ + " --users 1007").out, HasSubstr("1007"));
  EXPECT_THAT(Call("find " + best_ + " --users").out, HasSubstr("20 of 60 users:\n"));
  const Result none = Call("find " + best_ + " Casablanca");
  EXPECT_EQ(none.code, 2);
  EXPECT_THAT(none.err, HasSubstr("no item has the raw id or title \"Casablanca\""));
  EXPECT_EQ(Call("find " + best_ + " --users zzz").code, 2);
  const std::string cold = WriteColdSnapshot(folder_.At("cold"));
  EXPECT_THAT(Call("find " + cold + " 'toy story'").err,
              HasSubstr("without a rating, so that the model knows nothing of them: Toy Story 3"));
  EXPECT_EQ(Call("find " + best_ + " --genre Western").code, 2);
}

// Goal: no list and no prediction is made of rows that no sample has trained.
TEST_F(CfsnapshotTest, SaysWhatAnswersRestOn) {
  const std::string cold = WriteColdSnapshot(folder_.At("cold"));
  const Result refused = Call("recommend " + cold + " --user 106");
  EXPECT_EQ(refused.code, 2);
  EXPECT_EQ(refused.out, "");
  EXPECT_EQ(refused.err,
            "cfsnapshot: user 106 has no training sample, so a list would rest on nothing "
            "(--fallback popular gives the most rated items)\n");
  const Result popular = Call("recommend " + cold + " --user 106 --fallback popular --top 2");
  EXPECT_EQ(popular.code, 0) << popular.err;
  EXPECT_THAT(popular.out, HasSubstr("User 106 has no training sample"));
  EXPECT_THAT(popular.out, HasSubstr("The 2 most rated of what the user has not rated:"));

  const std::string out = folder_.At("lists.csv");
  const Result all = Call("recommend " + cold + " --all-users --top 1 --out " + out);
  EXPECT_EQ(all.code, 0) << all.err;
  EXPECT_THAT(*ReadFile(out), HasSubstr("\n106,,,,,none\n"));
  EXPECT_THAT(all.err, HasSubstr("7 lists by the model, none for 1 user without a training"));
  std::filesystem::remove(out);
  const Result filled =
      Call("recommend " + cold + " --all-users --top 1 --fallback popular --out " + out);
  EXPECT_THAT(*ReadFile(out), HasSubstr("\n106,1,201,Toy Story 2 (1999),,popular\n"));
  EXPECT_THAT(filled.err, HasSubstr("1 by popularity, for users without a training sample"));

  EXPECT_EQ(Call("similar " + cold + " --item 209").code, 2);
  EXPECT_EQ(Call("recommend " + cold + " --item 209").code, 2);
  const Result untrained =
      Call("recommend " + cold + " --user 100 --min-ratings 0 --top 100 --format csv");
  EXPECT_THAT(untrained.out, HasSubstr(",209,100,,none\n"));

  ASSERT_TRUE(WriteFileAtomically(folder_.At("p.csv"), "user,item\n106,201\n888,201\n").ok());
  const Result pairs = Call("predict " + cold + " --format csv --pairs " + folder_.At("p.csv"));
  EXPECT_EQ(pairs.out, "user,item,predicted,actual,source\n106,201,,,none\n888,201,,,none\n");
  EXPECT_THAT(pairs.err, HasSubstr("1 has a user or an item that is not in the data set, 1 has one "
                                   "without a training sample (--fallback popular)"));
  const Result means =
      Call("predict " + cold + " --format csv --fallback popular --pairs " + folder_.At("p.csv"));
  EXPECT_THAT(means.out, HasSubstr("\n888,201,2.8333333,,item_mean\n"));
}

TEST_F(CfsnapshotTest, MasksWhatIsAskedForAndKeepsToGenres) {
  const std::string cold = WriteColdSnapshot(folder_.At("cold"));
  const auto list = [&](const std::string& flags) {
    return Call("recommend " + cold + " --user 107 --top 100 --format csv " + flags).out;
  };
  EXPECT_THAT(list(""), Not(HasSubstr(",200,")));
  EXPECT_THAT(list("--mask train"), Not(HasSubstr(",200,")));
  EXPECT_THAT(list("--mask none"), HasSubstr(",200,"));
  EXPECT_THAT(list("--mask all --min-ratings 0"), Not(HasSubstr(",209,")));
  EXPECT_THAT(list("--mask train --min-ratings 0"), HasSubstr(",209,"));
  EXPECT_THAT(list("--genre sci-fi"), Not(HasSubstr("Drama")));
  EXPECT_THAT(list("--genre sci-fi"), HasSubstr("Sci-Fi"));
}

TEST_F(CfsnapshotTest, SummarisesModelsWithoutTrainingThem) {
  const Result trained = Call("summary " + best_);
  EXPECT_EQ(trained.code, 0) << trained.err;
  EXPECT_THAT(trained.out, HasSubstr("60 x 10 + bias"));
  EXPECT_THAT(trained.out, HasSubstr("matrix_factorization, 1,650 parameters; rating = "));
  EXPECT_EQ(Call("summary " + best_ + " --format csv").out,
            "layer,kind,shape,activation,dropout,parameters\nusers,embedding,60 x 10 + bias,,,660\n"
            "items,embedding,90 x 10 + bias,,,990\n");
  const std::string job =
      CF_SOURCE_DIR "/configs/mlp_128_32.textproto --data " + folder_.At("data");
  const Result untrained = Call(job + " --summary", "cfworker");
  EXPECT_EQ(untrained.code, 0) << untrained.err;
  EXPECT_THAT(untrained.out, testing::ContainsRegex("dense_0 +dense +[0-9]+ x 128 \\+ bias +relu"));
  EXPECT_THAT(untrained.out, HasSubstr("linear"));
  const Result wrong = Call(job + "x --summary", "cfworker");
  EXPECT_EQ(wrong.code, 2);
  EXPECT_EQ(std::count(wrong.err.begin(), wrong.err.end(), '\n'), 1) << wrong.err;
}

// A model that knows no difference between items has an order of ids, which is that of frequency.
TEST_F(CfsnapshotTest, SaysWhereAllScoresAreAlike) {
  const std::string same = WriteTestSnapshot(folder_.At("same"), *data_, {.same_items = true});
  const std::string user = data_->user_raw_id(RowId{0});
  EXPECT_THAT(Call("recommend " + same + " --user " + user).err,
              HasSubstr("the model scores all of these alike"));
  EXPECT_THAT(Call("recommend " + same + " --all-users --out " + folder_.At("lists.csv")).err,
              HasSubstr("in 60 lists the model scores all alike"));
  EXPECT_EQ(Call("recommend " + best_ + " --user " + user).err, "");
}

TEST_F(CfsnapshotTest, RefusesFlagsWithoutEffect) {
  const std::string start = " " + best_ + " ";
  for (const char* wrong : {"recommend{}--user 1007 --top-users 3",
                            "recommend{}--item 5 --top 3",
                            "recommend{}--item 5 --min-ratings 3",
                            "recommend{}--item 5 --genre Action",
                            "recommend{}--item 5 --fallback popular",
                            "recommend{}--user 1007 --threads 2",
                            "recommend{}--user 1007 --overwrite",
                            "find{}--seed 3",
                            "find{}--users --genre Action",
                            "predict{}--user 1007",
                            "predict{}--pairs x --user 1007 --titles y",
                            "predict{}--split val --pairs x",
                            "predict{}--pairs x --limit 3",
                            "predict{}--split val --columns user=a,item=b",
                            "predict{}--split val --limit 0",
                            "evaluate{}--mask all",
                            "evaluate{}--columns user=a,item=b",
                            "evaluate{}--samples x --split val",
                            "recommend{}--item 5 --exclude x",
                            "recommend{}--user 1007 --columns user=a,item=b",
                            "recommend{}--all-users --format text --out y",
                            "recommend{}--user 1007 --item 5",
                            "recommend{}--user 1007 --mask seen",
                            "recommend{}--item 5 --diversity 0.3",
                            "recommend{}--user 1007 --diversity 1.5",
                            "recommend{}--user 1007 --alike-by genres",
                            "recommend{}--user 1007 --genre-cap 0",
                            "recommend{}--user 1007 --pull l2",
                            "recommend{}--all-users --ratings x --out y",
                            "recommend{}--ratings x --candidates z",
                            "recommend{}--ratings x --threads 2",
                            "predict{}--split val --ratings x"}) {
    std::string arguments = wrong;
    arguments.replace(arguments.find("{}"), 2, start);
    const Result refused = Call(arguments);
    EXPECT_EQ(refused.code, 2) << arguments;
    EXPECT_EQ(refused.out, "") << arguments;
    EXPECT_EQ(std::count(refused.err.begin(), refused.err.end(), '\n'), 1) << refused.err;
    EXPECT_THAT(refused.err, testing::StartsWith("cfsnapshot")) << arguments;
    EXPECT_LT(refused.err.size(), 200) << refused.err;
  }
}

TEST_F(CfsnapshotTest, WritesWhateverItSaysIntoAFile) {
  const std::string user = data_->user_raw_id(RowId{0});
  for (const std::string& verb :
       {"list " + folder_.At("run"), "verify " + best_, "digest " + best_,
        "compare " + best_ + " " + best_, "find " + best_ + " film",
        "recommend " + best_ + " --user " + user, "recommend " + best_ + " --item 5",
        "similar " + best_ + " --item 5", "predict " + best_ + " --user " + user + " --titles 5",
        "evaluate " + best_}) {
    const std::string out = folder_.At("answer");
    std::filesystem::remove(out);
    const Result into_file = Call(verb + " --out " + out);
    EXPECT_EQ(into_file.code, 0) << verb << into_file.err;
    EXPECT_EQ(into_file.out, "") << verb;
    const bool table = verb.find("verify") != 0 && verb.find("digest") != 0 && verb.find("compare");
    EXPECT_EQ(*ReadFile(out), Call(verb + (table ? " --format csv" : "")).out) << verb;
  }
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
}  // namespace cf::cfsnapshot_test

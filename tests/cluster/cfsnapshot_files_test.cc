// cfsnapshot with files of users and items: pairs, candidates, samples.

#include <algorithm>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <absl/strings/str_format.h>
#include <gmock/gmock.h>

#include "common/dataset/split.h"
#include "common/text/csv.h"
#include "tests/cluster/cfsnapshot_fixture.h"

namespace cf::cfsnapshot_files_test {
namespace {

using testing::HasSubstr;
using testing::Not;

class CfsnapshotFilesTest : public CfsnapshotTest {};

// Goal: a file of pairs is read as the import reads ratings, whatever it looks like, and what cannot
// be read so is refused.
TEST_F(CfsnapshotFilesTest, ReadsPairsAsTheImportDoes) {
  const std::string user = data_->user_raw_id(RowId{3});
  const std::string item = data_->item_raw_id(RowId{7});
  const std::string path = folder_.At("pairs");
  const auto predict = [&](const std::string& text, const std::string& flags = "") {
    EXPECT_TRUE(WriteFileAtomically(path, text).ok());
    return Call("predict " + best_ + " --format csv --pairs " + path + " " + flags);
  };
  const std::string expected = predict("userId,itemId\n" + user + "," + item + "\n").out;
  EXPECT_THAT(expected, HasSubstr("\n" + user + "," + item + ","));
  EXPECT_EQ(std::count(expected.begin(), expected.end(), '\n'), 2);
  for (const std::string& text :
       {"itemId,userId\n" + item + "," + user + "\n",
        "userId\titemId\n" + user + "\t" + item + "\n",
        "movie_id;user_id\n" + item + ";" + user + "\n",
        "\xef\xbb\xbfuser,item\r\n\"" + user + "\",\"" + item + "\"\r\n", user + "," + item + "\n",
        "title,item,user\n\"a, b\"," + item + "," + user + "\n"}) {
    EXPECT_EQ(predict(text).out, expected) << text;
  }
  EXPECT_EQ(predict("who,what\n" + user + "," + item + "\n", "--columns user=who,item=what").out,
            expected);
  const auto rated = [&](const std::string& text) { return predict(text).out; };
  const std::string with_rating = rated(user + "::" + item + "::4\n");
  EXPECT_THAT(with_rating, HasSubstr(",4,model\n"));
  EXPECT_EQ(rated("rating,timestamp,itemId,userId\n4,100," + item + "," + user + "\n"),
            with_rating);
  EXPECT_THAT(predict(user + "::" + item + "::4\n").err, HasSubstr("mae"))
      << "errors of pairs with ratings";

  for (const std::string& wrong :
       {std::string(), std::string("a,b\nx,y\n"), "user,item\n" + user + "\n",
        std::string("user,item\nnobody,nothing\n"), "user,rating\n" + user + ",3\n"}) {
    const Result refused = predict(wrong);
    EXPECT_EQ(refused.code, 2) << wrong;
    EXPECT_EQ(refused.out, "") << wrong;
    EXPECT_EQ(std::count(refused.err.begin(), refused.err.end(), '\n'), 1) << refused.err;
    EXPECT_THAT(refused.err, HasSubstr(path)) << wrong;
  }
}

// Goal: what one model lists, another sorts anew, in one command. Method: the same model keeps the
// order of its own lists, and the longer ones of candidates are cut.
TEST_F(CfsnapshotFilesTest, SortsTheListsOfAnotherModelAnew) {
  const std::string cold = WriteColdSnapshot(folder_.At("cold"));
  const std::string first = folder_.At("first.csv");
  const std::string second = folder_.At("second.csv");
  ASSERT_EQ(Call("recommend " + cold + " --all-users --top 5 --out " + first).code, 0);
  const Result sorted = Call("recommend " + cold + " --candidates " + first + " --out " + second);
  EXPECT_EQ(sorted.code, 0) << sorted.err;
  std::string without_cold = *ReadFile(first);
  const std::string none = "106,,,,,none\n";
  ASSERT_NE(without_cold.find(none), std::string::npos);
  without_cold.erase(without_cold.find(none), none.size());
  EXPECT_EQ(*ReadFile(second), without_cold);

  // Predicted by item, not by rank.
  const Result predicted = Call("predict " + cold + " --format csv --pairs " + first);
  EXPECT_EQ(predicted.code, 0) << predicted.err;
  EXPECT_THAT(predicted.out, Not(HasSubstr("none")));
  EXPECT_THAT(predicted.err, Not(HasSubstr("not in the data set")));

  ASSERT_TRUE(
      WriteFileAtomically(folder_.At("c.csv"), "user,item\n107,203\n107,204\n9,203\n107,nothing\n")
          .ok());
  const Result unknown = Call("recommend " + cold + " --overwrite --candidates " +
                              folder_.At("c.csv") + " --out " + second);
  EXPECT_EQ(unknown.code, 0) << unknown.err;
  EXPECT_THAT(unknown.err, HasSubstr("c.csv: of 4 pairs 2 are of a user or an item that is not"));
  EXPECT_THAT(*ReadFile(second), HasSubstr("\n9,,,,,none\n"));
  EXPECT_THAT(*ReadFile(second), testing::ContainsRegex("\n107,2,20[34],"));

  const auto list = [&](const std::string& flags) {
    return Call("recommend " + cold + " --user 107 --top 100 --format csv " + flags);
  };
  EXPECT_THAT(list("--candidates " + folder_.At("c.csv")).out, HasSubstr("\n2,"));
  EXPECT_THAT(list("--candidates " + folder_.At("c.csv")).out, Not(HasSubstr("\n3,")));
  EXPECT_THAT(list("--exclude " + folder_.At("c.csv")).out, Not(HasSubstr(",203,")));
  ASSERT_TRUE(WriteFileAtomically(folder_.At("i.txt"), "item\n203\n205\n").ok());
  EXPECT_THAT(list("--exclude " + folder_.At("i.txt")).out, Not(HasSubstr(",205,")));
  EXPECT_THAT(list("--candidates " + folder_.At("i.txt")).out, HasSubstr(",205,"));
  EXPECT_THAT(list("--candidates " + folder_.At("i.txt")).out, Not(HasSubstr(",204,")));
  EXPECT_EQ(Call("recommend " + cold + " --candidates " + folder_.At("i.txt") + " --out " +
                 folder_.At("third.csv"))
                .code,
            2);
  EXPECT_FALSE(std::filesystem::exists(folder_.At("third.csv")));
  EXPECT_EQ(list("--exclude " + folder_.At("none")).code, 2);
}

// Goal: somebody unknown has a list from a file of their own, by raw ids or titles.
TEST_F(CfsnapshotFilesTest, FoldsInWhoseRatingsAreGiven) {
  const std::string mine = folder_.At("mine.csv");
  ASSERT_TRUE(
      WriteFileAtomically(mine, "item,rating\n8,5\n\"Film \"\"7\"\", The\",0.5\nnothing,3\n").ok());
  const Result list = Call("recommend " + best_ + " --ratings " + mine + " --top 90");
  EXPECT_EQ(list.code, 0) << list.err;
  EXPECT_THAT(list.out, HasSubstr("of what the user has not rated, folded in from 2 ratings:"));
  EXPECT_THAT(list.err, HasSubstr("mine.csv: 1 line is of an item that is not in the data set"));
  EXPECT_THAT(list.out, Not(HasSubstr("Film \"7\"")));
  const Result csv = Call("recommend " + best_ + " --format csv --ratings " + mine);
  EXPECT_THAT(csv.out, testing::ContainsRegex("\n10,[-0-9.]+,[0-9]+,.*,fold_in\n"));
  EXPECT_THAT(csv.out, Not(HasSubstr("\n11,")));

  // Somebody known has their training ratings, too.
  const Result known = Call("recommend " + best_ + " --user 1007 --ratings " + mine);
  EXPECT_EQ(known.code, 0) << known.err;
  EXPECT_THAT(known.out,
              testing::ContainsRegex("folded in from 2 ratings and [0-9]+ of training:"));

  ASSERT_TRUE(WriteFileAtomically(folder_.At("many.csv"),
                                  "user,item,rating\nnew,8,5\n1007,11,4\nnew,14,2.5\n")
                  .ok());
  const std::string many = " --ratings " + folder_.At("many.csv");
  const Result refused = Call("recommend " + best_ + many);
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("many.csv: names users; --user U says whose list"));
  const std::string out = folder_.At("lists.csv");
  const Result lists = Call("recommend " + best_ + many + " --top 2 --out " + out);
  EXPECT_EQ(lists.code, 0) << lists.err;
  EXPECT_THAT(*ReadFile(out), testing::ContainsRegex("\nnew,2,.*,fold_in\n1007,1,.*,fold_in\n"));
  EXPECT_THAT(lists.err, HasSubstr("2 users folded in, "));
  // What is excluded for one of them is left out of their list, and of no other's.
  const auto items_of = [](const std::string& path, const std::string& user) {
    std::vector<std::string> items;
    std::istringstream text(ReadFile(path).value_or(""));
    std::string line;
    std::getline(text, line);
    const std::vector<std::string> header = ParseCsvLine(line).value();
    const auto item = static_cast<std::size_t>(std::ranges::find(header, "item") - header.begin());
    while (std::getline(text, line)) {
      const std::vector<std::string> cells = ParseCsvLine(line).value();
      if (cells.at(0) == user) items.push_back(cells.at(item));
    }
    return items;
  };
  const std::vector<std::string> before = items_of(out, "1007");
  ASSERT_EQ(before.size(), 2U);
  ASSERT_TRUE(
      WriteFileAtomically(folder_.At("not.csv"), "user,item\n1007," + before[0] + "\n").ok());
  const std::string less = folder_.At("less.csv");
  const Result without = Call("recommend " + best_ + many + " --top 2 --exclude " +
                              folder_.At("not.csv") + " --out " + less);
  EXPECT_EQ(without.code, 0) << without.err;
  EXPECT_EQ(items_of(less, "1007").at(0), before[1]);
  EXPECT_EQ(items_of(less, "new"), items_of(out, "new"));
  EXPECT_EQ(Call("recommend " + best_ + many + " --user new").code, 0);
  EXPECT_THAT(Call("recommend " + best_ + many + " --user other").err,
              HasSubstr("has no rating of an item of the data set by user other"));

  ASSERT_TRUE(WriteFileAtomically(folder_.At("pairs.csv"), "user,item,rating\nnew,17,3\n").ok());
  const Result predicted = Call("predict " + best_ + many + " --pairs " + folder_.At("pairs.csv"));
  EXPECT_EQ(predicted.code, 0) << predicted.err;
  EXPECT_THAT(predicted.out, HasSubstr("fold_in"));
  EXPECT_THAT(predicted.out, HasSubstr("of 1 pair of users folded in, with a rating"));

  ASSERT_TRUE(WriteFileAtomically(mine, "item,rating\n8,9\n").ok());
  const Result extreme = Call("recommend " + best_ + " --ratings " + mine);
  EXPECT_EQ(extreme.code, 2);
  EXPECT_THAT(extreme.err, HasSubstr("the rating 9 of item 8 is not between 0.5 and 5"));
  ASSERT_TRUE(WriteFileAtomically(mine, "item\n8\n").ok());
  EXPECT_THAT(Call("recommend " + best_ + " --ratings " + mine).err,
              HasSubstr("mine.csv: has no ratings, which this model learns from"));
}

TEST_F(CfsnapshotFilesTest, VarietyChangesListsAndCapsCutThem) {
  const std::string call = "recommend " + best_ + " --user 1007 --format csv --top 5";
  const Result plain = Call(call);
  EXPECT_EQ(Call(call + " --diversity 0").out, plain.out);
  EXPECT_NE(Call(call + " --diversity 0.9 --alike-by vectors").out, plain.out);
  // Every item has the same two genres.
  EXPECT_EQ(Call(call + " --diversity 0.9").out, plain.out);
  EXPECT_THAT(Call(call + " --genre-cap 3").out, Not(HasSubstr("\n4,")));
  EXPECT_THAT(Call(call + " --genre-cap 3").out, HasSubstr("\n3,"));
}

// Goal: a test file of one's own has the figures that validation has. Method: the validation samples
// as such a file.
TEST_F(CfsnapshotFilesTest, EvaluatesOnAFile) {
  // Of the mean that training has, which evaluation finds out again.
  const auto set_mean = [&](Manifest& manifest) {
    const DataSplit split = DataSplit::Make(*data_, manifest.job().split()).value();
    const TrainingStatistics of_training =
        ComputeTrainingStatistics(*data_, split, manifest.partitions()).value();
    manifest.mutable_statistics()->set_mean(of_training.mean);
  };
  const std::string best = WriteTestSnapshot(folder_.At("trained"), *data_, {.change = set_mean});
  const std::string metrics = " --format csv --metrics ndcg_5,hr_5_unmasked,recall_5_sampled_9";
  const Result validation = Call("evaluate " + best + metrics);
  ASSERT_EQ(validation.code, 0) << validation.err;
  ASSERT_EQ(Call("predict " + best + " --split val --out " + folder_.At("val.csv")).code, 0);
  const Result test = Call("evaluate " + best + metrics + " --samples " + folder_.At("val.csv") +
                           " --columns user=user,item=item,rating=actual");
  ASSERT_EQ(test.code, 0) << test.err;
  const auto figures = [](const Result& result) {
    std::vector<std::string> of =
        ParseCsvLine(result.out.substr(result.out.find('\n') + 1,
                                       result.out.size() - result.out.find('\n') - 2))
            .value();
    of.erase(of.begin(), of.begin() + 2);  // The split and which samples.
    return of;
  };
  EXPECT_EQ(figures(test), figures(validation));
  EXPECT_THAT(test.out, HasSubstr("count,loss,rmse,mae,test_ndcg_5,test_hr_5_unmasked,"));
  EXPECT_EQ(test.err, "");
  ASSERT_EQ(Call("predict " + best + " --split train --limit 3 --out " + folder_.At("tr.csv")).code,
            0);
  EXPECT_THAT(Call("evaluate " + best + " --metrics ndcg_5 --samples " + folder_.At("tr.csv")).err,
              HasSubstr("of 3 pairs 3 are training samples, which the model has seen"));
  const Result train = Call("evaluate " + best + " --split train --metrics ndcg_5");
  EXPECT_EQ(train.code, 0) << train.err;
  EXPECT_THAT(train.out, HasSubstr("train_ndcg_5 "));

  ASSERT_TRUE(WriteFileAtomically(folder_.At("t.csv"), "user,item\n1007,5\n4,5\n").ok());
  const Result no_rating = Call("evaluate " + best + " --samples " + folder_.At("t.csv"));
  EXPECT_EQ(no_rating.code, 2);
  EXPECT_THAT(no_rating.err, HasSubstr("has no ratings to compare predictions with: --metrics"));
  const Result ranked =
      Call("evaluate " + best + " --metrics hr_3 --samples " + folder_.At("t.csv"));
  EXPECT_EQ(ranked.code, 0) << ranked.err;
  EXPECT_THAT(ranked.out, HasSubstr("test_hr_3 "));
  EXPECT_THAT(ranked.err, HasSubstr("of 2 pairs 1 has a user or an item that is not"));
}

// Goal: whoever computes a figure from lists gets ours, if the lists mask what the figure does.
// Method: the share of users with a validation sample in their list is val_hr_10.
TEST_F(CfsnapshotFilesTest, ListsMaskedAsFiguresAreHaveTheirFigures) {
  ASSERT_EQ(Call("predict " + best_ + " --split val --out " + folder_.At("val.csv")).code, 0);
  const auto lines_of = [&](const std::string& name) {
    std::vector<std::vector<std::string>> lines;
    const std::string text = *ReadFile(folder_.At(name));
    for (std::size_t from = text.find('\n') + 1; from < text.size();) {
      const std::size_t end = text.find('\n', from);
      lines.push_back(ParseCsvLine(std::string_view(text).substr(from, end - from)).value());
      from = end + 1;
    }
    return lines;
  };
  std::set<std::pair<std::string, std::string>> validation;
  std::set<std::string> users;
  for (const std::vector<std::string>& line : lines_of("val.csv")) {
    validation.emplace(line[0], line[1]);
    users.insert(line[0]);
  }
  const auto hit = [&](const std::string& mask) {
    const Result listed = Call("recommend " + best_ + " --all-users --overwrite --min-ratings 0 " +
                               "--mask " + mask + " --out " + folder_.At("lists.csv"));
    EXPECT_EQ(listed.code, 0) << listed.err;
    std::set<std::string> with_hit;
    for (const std::vector<std::string>& line : lines_of("lists.csv")) {
      if (validation.contains({line[0], line[2]})) with_hit.insert(line[0]);
    }
    return absl::StrFormat(
        "%.4f", static_cast<double>(with_hit.size()) / static_cast<double>(users.size()));
  };
  const std::string figures = Call("evaluate " + best_ + " --metrics hr_10,hr_10_unmasked").out;
  EXPECT_THAT(figures, HasSubstr("val_hr_10 " + hit("train") + " "));
  EXPECT_THAT(figures, HasSubstr("val_hr_10_unmasked " + hit("none") + " "));
  EXPECT_EQ(hit("all"), "0.0000");
}

TEST_F(CfsnapshotFilesTest, PredictsSamplesOfTheSplit) {
  const Result some = Call("predict " + best_ + " --split val --limit 10 --format csv");
  EXPECT_EQ(some.code, 0) << some.err;
  EXPECT_EQ(std::count(some.out.begin(), some.out.end(), '\n'), 11);
  EXPECT_THAT(some.err, HasSubstr("of 10 pairs with a rating"));
  const Result text = Call("predict " + best_ + " --split train --limit 3");
  EXPECT_THAT(text.out, testing::ContainsRegex("\nrmse [0-9.]+ mae [0-9.]+ of 3 pairs with"));
  const Result all = Call("predict " + best_ + " --split val --format csv");
  const Result many = Call("predict " + best_ + " --split val --limit 100000 --format csv");
  EXPECT_EQ(all.out, many.out);
}

}  // namespace
}  // namespace cf::cfsnapshot_files_test

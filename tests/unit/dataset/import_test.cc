#include "common/dataset/import.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/files.h"
#include "common/dataset/split.h"
#include "tests/unit/dataset/test_files.h"

namespace cf::import_test {
namespace {

using ::testing::HasSubstr;

Dataset OpenOrDie(const std::string& folder) {
  absl::StatusOr<Dataset> data = Dataset::Open(folder);
  if (!data.ok()) ADD_FAILURE() << data.status();
  return *std::move(data);
}

/// Imports into the folder's "out" and opens it.
Dataset ImportOrDie(const TestFolder& folder, ImportOptions options,
                    ImportSummary* summary = nullptr) {
  if (options.out.empty()) options.out = folder.Path("out");
  options.overwrite = true;
  const absl::StatusOr<ImportSummary> imported = Import(options);
  if (!imported.ok()) ADD_FAILURE() << imported.status();
  if (summary != nullptr) *summary = *imported;
  return OpenOrDie(options.out);
}

/// Ratings of a few hundred users, enough for several chunks of a file; every pair once.
std::vector<std::string> GeneratedLines(std::size_t count) {
  std::mt19937 random(11);
  std::vector<std::string> lines;
  for (std::size_t k = 0; k < count; ++k) {
    lines.push_back(absl::StrCat(1 + k % 997, ",", 1 + k / 997 * 7, ",",
                                 static_cast<double>(1 + random() % 10) / 2, ",",
                                 900'000'000 + random() % 100'000'000));
  }
  return lines;
}

std::string AsCsv(const std::vector<std::string>& lines, const char* end = "\n") {
  return absl::StrCat("userId,movieId,rating,timestamp", end, absl::StrJoin(lines, end), end);
}

TEST(Import, GivesTheSameDataSetWhateverTheOrderOfLinesAndThreads) {
  const TestFolder folder;
  std::vector<std::string> lines = GeneratedLines(250'000);  // Three chunks.
  const std::string first = folder.Write("first.csv", AsCsv(lines));
  const Dataset data = ImportOrDie(folder, {.ratings = {first}, .threads = 1});
  EXPECT_EQ(data.samples(), lines.size());
  EXPECT_EQ(data.users(), 997U);
  EXPECT_TRUE(data.Verify().ok());
  std::shuffle(lines.begin(), lines.end(), std::mt19937(5));
  const std::string second = folder.Write("second.csv", AsCsv(lines, "\r\n"));
  for (const unsigned threads : {1U, 2U, 5U}) {
    const Dataset shuffled = ImportOrDie(
        folder, {.ratings = {second}, .out = folder.Path("shuffled"), .threads = threads});
    EXPECT_EQ(shuffled.digest(), data.digest());
    Split config;
    config.mutable_random();
    EXPECT_EQ(DataSplit::Make(shuffled, config)->validation_count(), 25'000U);
  }
}

// Goal: samples that stand by user are taken where they stand, in their order.
// Method: lines of each user side by side, users in random order, then all pairs again with other
// ratings; the last and the first of each pair are the data set of either half.
TEST(Import, MergesInTheOrderOfLinesWhereTheyAreByUser) {
  const TestFolder folder;
  std::mt19937 random(3);
  std::vector<int> users(997);
  std::iota(users.begin(), users.end(), 1);
  std::string halves[2];
  for (std::string& half : halves) {
    std::shuffle(users.begin(), users.end(), random);
    for (const int user : users) {
      for (int item = 0; item < 120; ++item) {
        absl::StrAppend(&half, user, ",", item, ",", random() % 100'000, "\n");
      }
    }
  }
  const auto digest_of = [&folder](const std::string& lines, Duplicates duplicates) {
    const std::string path = folder.Write("r.csv", "userId,movieId,rating\n" + lines);
    return ImportOrDie(folder, {.ratings = {path}, .duplicates = duplicates}).digest();
  };
  const std::string both = halves[0] + halves[1];
  EXPECT_EQ(digest_of(both, Duplicates::kFirst), digest_of(halves[0], Duplicates::kLast));
  EXPECT_EQ(digest_of(both, Duplicates::kLast), digest_of(halves[1], Duplicates::kLast));
}

TEST(Import, NamesTheFirstBadLineOfManyChunksWhateverTheThreads) {
  const TestFolder folder;
  std::vector<std::string> lines = GeneratedLines(250'000);
  lines[100'000] = "1,2,three,4";
  lines[249'998] = "1,2";
  const std::string path = folder.Write("r.csv", AsCsv(lines));
  for (const unsigned threads : {1U, 2U, 5U}) {
    EXPECT_EQ(Import({.ratings = {path}, .out = folder.Path("out"), .threads = threads})
                  .status()
                  .message(),
              path + ":100002: the rating is \"three\", expected a number");
  }
  ImportSummary summary;
  const Dataset data = ImportOrDie(folder, {.ratings = {path}, .skip_bad_lines = true}, &summary);
  EXPECT_EQ(data.samples(), 249'998U);
  EXPECT_EQ(summary.bad_lines.count, 2U);
  EXPECT_THAT(summary.bad_lines.first, HasSubstr(":100002: "));
  EXPECT_EQ(summary.lines, 250'001U);
}

TEST(Import, GivesDenseIdsByFallingFrequencyThenByRawId) {
  const TestFolder folder;
  const Dataset numbers = ImportOrDie(
      folder, {.ratings = {folder.Write("r.csv",
                                        "user,item,rating\n10,5,1\n9,5,2\n9,40,3\n8,40,4\n10,7,5\n"
                                        "7,300,1\n")}});
  // Users 9 and 10 have two each, then 7 and 8; items 5 and 40 two each, then 7 and 300.
  std::vector<std::string> users;
  for (std::uint32_t u = 0; u < numbers.users(); ++u) {
    users.push_back(numbers.user_raw_id(RowId{u}));
  }
  EXPECT_EQ(users, (std::vector<std::string>{"9", "10", "7", "8"}));
  EXPECT_EQ(numbers.item_raw_id(RowId{0}), "5");
  EXPECT_EQ(numbers.item_raw_id(RowId{3}), "300");
  EXPECT_EQ(numbers.FindUser("10"), RowId{1});
  EXPECT_EQ(numbers.FindUser("11"), std::nullopt);
  EXPECT_EQ(numbers.FindUser("x"), std::nullopt);

  // One string makes strings of all: bytewise, "10" is before "9".
  const Dataset strings = ImportOrDie(
      folder,
      {.ratings = {folder.Write("s.csv", "user,item,rating\n10,a,1\n9,a,2\nann,\"b, c\",3\n")}});
  EXPECT_EQ(strings.user_raw_id(RowId{0}), "10");
  EXPECT_EQ(strings.user_raw_id(RowId{1}), "9");
  EXPECT_EQ(strings.user_raw_id(RowId{2}), "ann");
  EXPECT_EQ(strings.FindUser("ann"), RowId{2});
  EXPECT_EQ(strings.FindItem("b, c"), RowId{1});
}

TEST(Import, MergesDuplicatesAsAsked) {
  const TestFolder folder;
  const std::string path =
      folder.Write("r.csv", "user,item,rating,time\n1,1,2,30\n1,2,5,31\n1,1,3,20\n1,1,1,10\n");
  for (const auto& [duplicates, rating, time] :
       {std::tuple(Duplicates::kLast, 1.0F, 10), std::tuple(Duplicates::kFirst, 2.0F, 30),
        std::tuple(Duplicates::kMean, 2.0F, 10), std::tuple(Duplicates::kSum, 6.0F, 10)}) {
    ImportSummary summary;
    const Dataset data =
        ImportOrDie(folder, {.ratings = {path}, .duplicates = duplicates}, &summary);
    const RawSamples samples = RawSamplesOf(data);
    EXPECT_EQ(samples.size(), 2U);
    EXPECT_EQ(samples.at({"1", "1"}), (std::pair<float, std::int64_t>(rating, time)));
    EXPECT_EQ(samples.at({"1", "2"}), (std::pair<float, std::int64_t>(5.0F, 31)));
    EXPECT_EQ(summary.written.duplicates, 2U);
  }
}

TEST(Import, ReadsInteractionsNegativeRatingsAndBothKindsOfTime) {
  const TestFolder folder;
  const std::string clicks = folder.Write("c.csv", "item,user\nx,1\ny,1\nx,1\n");
  const Dataset interactions = ImportOrDie(folder, {.ratings = {clicks}});
  EXPECT_FALSE(interactions.has_ratings());
  EXPECT_EQ(interactions.samples(), 2U);
  EXPECT_EQ(interactions.ratings()[0], 1.0F);
  EXPECT_TRUE(interactions.timestamps().empty());
  const Dataset counted =
      ImportOrDie(folder, {.ratings = {clicks}, .duplicates = Duplicates::kSum});
  EXPECT_TRUE(counted.has_ratings());
  EXPECT_EQ(RawSamplesOf(counted).at({"1", "x"}).first, 2.0F);

  const Dataset jokes = ImportOrDie(
      folder, {.ratings = {folder.Write("j.csv",
                                        "\xEF\xBB\xBFuser_id,item_id,rating,timestamp\r\n"
                                        "1,1,-9.75,2000-07-30 18:45:03\r\n\r\n2,1,0,964982703")}});
  EXPECT_EQ(jokes.samples(), 2U);
  EXPECT_EQ(jokes.ratings()[0], -9.75F);
  EXPECT_EQ(jokes.timestamps()[0], jokes.timestamps()[1]);
}

TEST(Import, KeepsAPairOfBothFilesInValidationOnly) {
  const TestFolder folder;
  const std::string training = folder.Write("u1.base", "1\t1\t3\t10\n1\t2\t4\t11\n2\t1\t5\t12\n");
  const std::string validation = folder.Write("u1.test", "1\t2\t1\t13\n2\t3\t2\t14\n");
  ImportSummary summary;
  const Dataset data =
      ImportOrDie(folder, {.ratings = {training}, .validation = validation}, &summary);
  EXPECT_EQ(data.samples(), 4U);
  EXPECT_EQ(summary.written.leaks, 1U);
  EXPECT_EQ(summary.written.validation, 2U);
  EXPECT_EQ(RawSamplesOf(data).at({"1", "2"}).first, 1.0F);
  Split config;
  config.mutable_given();
  const absl::StatusOr<DataSplit> split = DataSplit::Make(data, config);
  ASSERT_TRUE(split.ok());
  EXPECT_EQ(split->validation_count(), 2U);
  for (std::uint64_t k = 0; k < data.samples(); ++k) {
    EXPECT_EQ(split->is_validation(k), data.timestamps()[k] >= 13);
  }
  EXPECT_THAT(Import({.ratings = {training},
                      .validation = folder.Write("v", "1\t2\t1\n"),
                      .out = folder.Path("other")})
                  .status()
                  .message(),
              HasSubstr("/v:1: expected the same columns"));
}

TEST(Import, ReadsDoubleColonsAndLatin1Titles) {
  const TestFolder folder;
  ImportSummary summary;
  const Dataset data = ImportOrDie(
      folder,
      {.ratings = {folder.Write("ratings.dat", "1::10::5::978300760\n1::11::3::978300761\n")},
       .titles = folder.Write("movies.dat",
                              "10::L\xE9on (1994)::Crime|Drama\n11::Heat (1995)::Action\n"
                              "12::Unseen (2000)::Drama\n")},
      &summary);
  EXPECT_EQ(data.title(data.FindItem("10").value()), "Léon (1994)");
  EXPECT_EQ(data.genres(data.FindItem("10").value()), "Crime|Drama");
  EXPECT_EQ(data.FindTitle("heat (1995)"), std::vector<RowId>{data.FindItem("11").value()});
  EXPECT_TRUE(data.FindTitle("Unseen (2000)").empty());
  EXPECT_EQ(summary.titles, 3U);
  EXPECT_EQ(data.titles_without_ratings(), 1U);
}

TEST(Import, KeepsTitlesOfItemsWithoutRatingsOutsideTheDigest) {
  const TestFolder folder;
  const std::string ratings = folder.Write("r.csv", "user,item,rating\n1,20,3\n2,3,4\n");
  const std::string titles = "movieId,title,genres\n20,Twenty,Drama\n3,Three,\n";
  const Dataset without =
      ImportOrDie(folder, {.ratings = {ratings}, .titles = folder.Write("t", titles)});
  EXPECT_EQ(without.unrated_items(), 0U);
  const Dataset data = ImportOrDie(
      folder, {.ratings = {ratings},
               .titles = folder.Write("u", titles + "100,Hundred,Action\n9,Nine,\nx,Letter,War\n"),
               .out = folder.Path("more")});
  ASSERT_EQ(data.unrated_items(), 3U);
  EXPECT_EQ(data.unrated_raw_id(0), "9");
  EXPECT_EQ(data.unrated_title(1), "Hundred");
  EXPECT_EQ(data.unrated_genres(1), "Action");
  EXPECT_EQ(data.unrated_raw_id(2), "x");
  EXPECT_EQ(data.digest(), without.digest());
  EXPECT_TRUE(data.Verify().ok());

  // A data set that was made before they were kept has the number only.
  const std::string manifest = folder.Path("more/manifest.textproto");
  std::string text = ReadFile(manifest).value();
  const std::size_t at = text.find("unrated_titles: 3\n");
  ASSERT_NE(at, std::string::npos);
  text.erase(at, std::string_view("unrated_titles: 3\n").size());
  folder.Write("more/manifest.textproto", text);
  const Dataset older = OpenOrDie(folder.Path("more"));
  EXPECT_EQ(older.unrated_items(), 0U);
  EXPECT_EQ(older.titles_without_ratings(), 3U);
}

struct BrokenInput {
  const char* what;
  std::string ratings;
  std::string titles;
  std::string expected;  ///< After the folder's path.
};

TEST(Import, AnswersBrokenInputsWithOneLineAndWritesNothing) {
  const std::string good = "userId,movieId,rating\n1,2,3\n";
  const BrokenInput inputs[] = {
      {"a rating that is no number", good + "1,3,four\n", "",
       "r:3: the rating is \"four\", expected a number"},
      {"too few fields", good + "1,3\n", "", "r:3: 2 fields, expected 3 separated by \",\""},
      {"too many fields", good + "1,3,4,5\n", "", "r:3: 4 fields, expected 3 separated by \",\""},
      {"bad UTF-8", good + "L\xE9on,3,4\n", "",
       "r:3: the user \"L\\xe9on\" is not UTF-8 (--encoding latin-1 or cp1252 reads that)"},
      {"an empty file", "", "", "r:1: the file is empty"},
      {"a missing column", "userId,rating\n1,3\n", "",
       "r:1: no column for the item (as \"movieId\") in \"userId,rating\"; --columns says which it "
       "is"},
      {"no header", "1,2,3\n", "",
       "r:1: expected a header that names the columns, as \"userId,movieId,rating\", found "
       "numbers; "
       "--columns user=1,item=2,rating=3 reads a file without one"},
      {"a header only", "userId,movieId,rating\n", "", "r:2: expected ratings, the file ends"},
      {"an empty id", good + ",3,4\n", "", "r:3: the user is empty"},
      {"a quote that does not end", good + "\"1,3,4\n", "", "r:3: a quoted field does not end"},
      {"a time that is none", "user,item,rating,timestamp\n1,2,3,2001-02-30 00:00:00\n", "",
       "r:2: the timestamp is \"2001-02-30 00:00:00\", expected seconds since 1970, YYYY-MM-DD or "
       "YYYY-MM-DD HH:MM:SS; --columns without timestamp reads the rest"},
      {"an infinite rating", good + "1,3,inf\n", "",
       "r:3: the rating is \"inf\", expected a number"},
      {"a last line cut short", "1::2::3::4\n1::3::", "",
       "r:2: 3 fields, expected 4 separated by \"::\""},
      {"bad UTF-8 in a title", good, "movieId,title,genres\n2,L\xE9on,Crime\n",
       "t:2: not UTF-8 (--encoding latin-1 or cp1252 reads that)"},
      {"titles without a title", good, "movieId,genres\n2,Crime\n",
       "t:1: no column for the title in \"movieId,genres\", expected a header as "
       "\"movieId,title,genres\"; --title-columns item=NAME,title=NAME says which it is"},
  };
  for (const BrokenInput& input : inputs) {
    const TestFolder folder;
    ImportOptions options = {.ratings = {folder.Write("r", input.ratings)},
                             .out = folder.Path("out")};
    if (!input.titles.empty()) options.titles = folder.Write("t", input.titles);
    const std::size_t entries = folder.entries();
    const absl::Status status = Import(options).status();
    EXPECT_EQ(status.message(), folder.Path(input.expected)) << input.what;
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << input.what;
    EXPECT_EQ(folder.entries(), entries) << input.what;

    // A data set that was there stays as it is, also when it was to be replaced.
    const Dataset before =
        ImportOrDie(folder, {.ratings = {folder.Write("good", good)}, .out = folder.Path("out")});
    options.overwrite = true;
    EXPECT_FALSE(Import(options).ok());
    const Dataset after = OpenOrDie(folder.Path("out"));
    EXPECT_EQ(after.digest(), before.digest());
    EXPECT_TRUE(after.Verify().ok());
  }
}

TEST(Import, NamesAMissingFile) {
  const TestFolder folder;
  const absl::Status status =
      Import({.ratings = {folder.Path("none.csv")}, .out = folder.Path("out")}).status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_EQ(status.message(), folder.Path("none.csv") + ": No such file or directory");
}

TEST(Import, RefusesALineWithoutEnd) {
  const TestFolder folder;
  const std::string path =
      folder.Write("r.csv", "user,item,rating\n1,1,1\n" + std::string(5 << 20, 'x'));
  EXPECT_EQ(Import({.ratings = {path}, .out = folder.Path("out")}).status().message(),
            path + ":3: the line is longer than a mebibyte");
}

TEST(Import, HasTheNotebooksFiguresOfLatestSmall) {
  const std::optional<std::string> real = RealData("ml-latest-small");
  CF_SKIP_WITHOUT(real, "ml-latest-small");
  const TestFolder folder;
  const Dataset data =
      ImportOrDie(folder, {.ratings = {*real + "/ratings.csv"}, .titles = *real + "/movies.csv"});
  EXPECT_EQ(data.users(), 610U);
  EXPECT_EQ(data.items(), 9'724U);
  EXPECT_EQ(data.samples(), 100'836U);
  EXPECT_EQ(data.titles_without_ratings(), 18U);
  EXPECT_EQ(data.user_raw_id(RowId{0}), "414");
  EXPECT_EQ(data.title(RowId{0}), "Forrest Gump (1994)");
  const std::vector<RowId> found = data.FindTitle("M*A*S*H (a.k.a. MASH) (1970)");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(data.genres(found[0]), "Comedy|Drama|War");
  Split config;
  config.mutable_random();
  const absl::StatusOr<DataSplit> split = DataSplit::Make(data, config);
  ASSERT_TRUE(split.ok());
  EXPECT_EQ(split->validation_count(), 10'084U);
  EXPECT_EQ(split->training_count(), 90'752U);
}

TEST(Import, ReadsMovieLens100kWithItsGivenSplit) {
  const std::optional<std::string> real = RealData("ml-100k");
  CF_SKIP_WITHOUT(real, "ml-100k");
  const TestFolder folder;
  ImportSummary summary;
  const Dataset data = ImportOrDie(folder,
                                   {.ratings = {*real + "/u1.base"},
                                    .validation = *real + "/u1.test",
                                    .titles = *real + "/u.item"},
                                   &summary);
  EXPECT_EQ(data.samples(), 100'000U);
  EXPECT_EQ(summary.written.validation, 20'000U);
  EXPECT_EQ(summary.written.leaks, 0U);
  EXPECT_EQ(summary.titles, 1'682U);
  EXPECT_EQ(data.genres(data.FindItem("1").value()), "Animation|Children's|Comedy");
  const Dataset whole =
      ImportOrDie(folder, {.ratings = {*real + "/u.data"}, .out = folder.Path("whole")});
  EXPECT_EQ(RawSamplesOf(whole), RawSamplesOf(data));
}

TEST(Import, ReadsMovieLens1mWithLatin1Titles) {
  const std::optional<std::string> real = RealData("ml-1m");
  CF_SKIP_WITHOUT(real, "ml-1m");
  const TestFolder folder;
  const Dataset data =
      ImportOrDie(folder, {.ratings = {*real + "/ratings.csv"}, .titles = *real + "/movies.dat"});
  EXPECT_EQ(data.samples(), 1'000'209U);
  EXPECT_EQ(data.users(), 6'040U);
  EXPECT_EQ(data.items(), 3'706U);
  EXPECT_TRUE(data.timestamps().empty());
  EXPECT_EQ(data.titles_without_ratings(), 177U);
  EXPECT_FALSE(data.FindTitle("Misérables, Les (1995)").empty());
}

}  // namespace
}  // namespace cf::import_test

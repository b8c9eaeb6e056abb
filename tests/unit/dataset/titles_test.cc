#include "common/dataset/titles.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/dataset/test_files.h"

namespace cf::titles_test {
namespace {

/// The titles for items of the numbers.
absl::StatusOr<Titles> Read(const TitleOptions& options, std::vector<std::int64_t> rated = {},
                            BadLines* bad_lines = nullptr) {
  BadLines ignored;
  absl::StatusOr<TitleFile> file =
      TitleFile::Open(options, bad_lines == nullptr ? &ignored : bad_lines);
  if (!file.ok()) return file.status();
  return file->Join(Vocabulary(std::move(rated)));
}

std::string ErrorOf(const TitleOptions& options) {
  return std::string(Read(options).status().message());
}

Titles TitlesOrDie(const TitleOptions& options) {
  absl::StatusOr<Titles> titles = Read(options);
  if (!titles.ok()) ADD_FAILURE() << titles.status();
  return *std::move(titles);
}

TEST(ReadTitles, ReadsCsvWithQuotes) {
  const TestFolder folder;
  const Titles titles = TitlesOrDie(
      {.path = folder.Write("movies.csv",
                            "movieId,title,genres\r\n11,\"American President, The (1995)\",Comedy|"
                            "Drama\r\n12,\"\"\"Great Performances\"\" Cats (1998)\",Musical\r\n")});
  EXPECT_EQ(titles.at("11").title, "American President, The (1995)");
  EXPECT_EQ(titles.at("11").genres, "Comedy|Drama");
  EXPECT_EQ(titles.at("12").title, "\"Great Performances\" Cats (1998)");
}

TEST(ReadTitles, FindsColumnsInAnyOrder) {
  const TestFolder folder;
  const Titles titles = TitlesOrDie(
      {.path = folder.Write("t.tsv", "Name\titem_id\nLéon\tx7\nHeat\tx8\nLater\tx7\n")});
  EXPECT_EQ(titles.size(), 2U);
  EXPECT_EQ(titles.at("x7").title, "Léon");
  EXPECT_EQ(titles.at("x7").genres, "");
}

TEST(ReadTitles, NamesTheFlagsOfUItem) {
  const TestFolder folder;
  const std::string items = folder.Write(
      "u.item", "1|Caf\xE9 (1995)|01-Jan-1995||http://x|0|1|1\n2|Heat (1995)|||http://y|0|0|0\n");
  EXPECT_EQ(TitlesOrDie({.path = items}).at("1").genres, "");  // Nobody names the flags.
  folder.Write("u.genre", "unknown|0\nAction|1\nDrama|2\n\n");
  const Titles titles = TitlesOrDie({.path = items});
  EXPECT_EQ(titles.at("1").title, "Café (1995)");
  EXPECT_EQ(titles.at("1").genres, "Action|Drama");
  EXPECT_EQ(titles.at("2").genres, "");
  EXPECT_EQ(ErrorOf({.path = items, .genres_path = folder.Write("two", "a|0\nb|1\n")}),
            items + ":1: 8 fields, expected 7 separated by \"|\"");
  EXPECT_EQ(ErrorOf({.path = items, .genres_path = folder.Write("bad", "a|0\nb|7\n")}),
            folder.Path("bad") + ":2: \"b|7\", expected NAME|1");
}

TEST(ReadTitles, TakesAFileAsOneEncoding) {
  const TestFolder folder;
  // The second line is UTF-8 of its own, but the file is not.
  const Titles titles =
      TitlesOrDie({.path = folder.Write("movies.dat", "1::L\xE9on::Crime\n2::\xC3\xA9::Drama\n")});
  EXPECT_EQ(titles.at("1").title, "Léon");
  EXPECT_EQ(titles.at("2").title, "Ã©");
  EXPECT_EQ(TitlesOrDie({.path = folder.Write("new.dat", "1::Léon::Crime\n")}).at("1").title,
            "Léon");
  EXPECT_EQ(TitlesOrDie({.path = folder.Write("l.csv", "item,title\n1,L\xE9on\n"),
                         .encoding = Encoding::kLatin1})
                .at("1")
                .title,
            "Léon");
}

TEST(ReadTitles, SkipsBadLinesWhenAsked) {
  const TestFolder folder;
  const std::string path = folder.Write("m.csv", "movieId,title\n1,One\n2\n3,Three\n,Four\n");
  EXPECT_EQ(ErrorOf({.path = path}), path + ":3: 1 field, expected 2 separated by \",\"");
  BadLines bad_lines;
  const absl::StatusOr<Titles> titles =
      Read({.path = path, .skip_bad_lines = true}, {}, &bad_lines);
  ASSERT_TRUE(titles.ok());
  EXPECT_EQ(titles->size(), 2U);
  EXPECT_EQ(bad_lines.count, 2U);
  EXPECT_EQ(bad_lines.first, path + ":3: 1 field, expected 2 separated by \",\"");
}

TEST(TitleFile, TakesTheColumnThatJoins) {
  const TestFolder folder;
  // As films of another site: two columns are called like ids.
  const std::string text =
      "id,imdb_id,title\n862,10,Toy Story\n8844,20,Jumanji\n15602,30,Grumpier Old Men\n";
  const std::string path = folder.Write("m.csv", text);
  EXPECT_EQ(Read({.path = path}, {10, 20, 30})->at("10").title, "Toy Story");
  EXPECT_EQ(Read({.path = path}, {862, 8844})->at("8844").title, "Jumanji");
  EXPECT_EQ(Read({.path = path}, {862, 8844, 7, 9}).status().message(),
            path +
                ":1: no column is surely the item: \"id\" has 2 of 4 rated items, \"imdb_id\" has "
                "0 of 4 rated items; --title-columns item=NAME,title=title says which it is");
  EXPECT_EQ(Read({.path = path}, {1, 2, 3, 862, 10}).status().message(),
            path +
                ":1: no column is surely the item: \"id\" has 1 of 5 rated items, \"imdb_id\" has "
                "1 of 5 rated items; --title-columns item=NAME,title=title says which it is");
  EXPECT_EQ(
      Read({.path = path, .columns = {.item = "imdb_id", .title = "title"}}, {862})->at("20").title,
      "Jumanji");
  // A column that counts rows has the ids, too.
  const std::string counted =
      folder.Write("c.csv", ",movieId,title\n1,1,One\n2,2,Two\n3,4,Four\n4,3,Three\n");
  EXPECT_THAT(std::string(Read({.path = counted}, {1, 2, 3, 4}).status().message()),
              ::testing::HasSubstr("\"\" has 4 of 4 rated items, \"movieId\" has 4 of 4"));
  // One that is called so is taken, however few it has.
  const std::string few = folder.Write("f.csv", "itemId,title\n7,Seven\n");
  EXPECT_EQ(Read({.path = few}, {1, 2, 3, 7})->size(), 1U);
  // None is called so: by what joins.
  const std::string sku = folder.Write("s.csv", "code,title,year\n5,Five,1999\n6,Six,2000\n");
  EXPECT_EQ(Read({.path = sku}, {5, 6})->at("6").title, "Six");
  EXPECT_FALSE(Read({.path = sku}, {1, 2, 3}).ok());
}

TEST(TitleFile, SplitsGenresByWhatSeparatesThem) {
  const TestFolder folder;
  const auto genres = [&](const std::string& field) {
    return Read({.path = folder.Write(
                     "g.csv", "movieId,title,genres\n1,One,\"" + field + "\"\n2,Two,Drama\n")})
        ->at("1")
        .genres;
  };
  EXPECT_EQ(genres("Action, Comedy"), "Action|Comedy");
  EXPECT_EQ(genres("Action,Comedy, "), "Action|Comedy");
  EXPECT_EQ(genres("Action; Sci-Fi"), "Action|Sci-Fi");
  EXPECT_EQ(genres("Action|Children, Family"), "Action|Children, Family");
  EXPECT_EQ(genres("Drama"), "Drama");
  const std::string lists =
      folder.Write("l.csv", "id,title,genres\n1,One,\"[{'id': 16, 'name': 'Animation'}]\"\n");
  EXPECT_THAT(ErrorOf({.path = lists}), ::testing::HasSubstr("expected Action|Comedy"));
  EXPECT_TRUE(Read({.path = lists, .columns = {.item = "id", .title = "title"}}).ok());
}

TEST(TitleFile, RefusesWhatItCannotBeSureOf) {
  const TestFolder folder;
  const std::string wide =
      folder.Write("w.csv", "movieId,title,genres\n11,American President, The (1995),Comedy\n");
  EXPECT_EQ(ErrorOf({.path = wide}), wide +
                                         ":2: 4 fields, expected 3 separated by \",\"; a title "
                                         "that has \",\" must be in quotes");
  EXPECT_EQ(ErrorOf({.path = wide, .skip_bad_lines = true}),
            wide + ":3: every line was malformed, as " + ErrorOf({.path = wide}));
  // The first line of a file without a header is no rule for the others.
  const std::string dat =
      folder.Write("m.dat", "1::One::Drama::x\n2::Two::Drama\n3::Three::Drama\n");
  EXPECT_EQ(ErrorOf({.path = dat}), dat + ":1: 4 fields, expected 3 separated by \"::\"");
  const std::string csv = folder.Write("c.csv", "movieId,title\n1,One\n");
  EXPECT_EQ(
      ErrorOf({.path = csv, .genres_path = folder.Path("none")}),
      "--genres " + folder.Path("none") + ": names the flags of u.item, and " + csv + " has none");
  const std::string items = folder.Write("u.item", "1|One|||http://x|0|1\n2|Two|||http://y|1|0\n");
  EXPECT_EQ(ErrorOf({.path = items, .genres_path = folder.Path("none")}),
            folder.Path("none") + ": No such file or directory");
  BadLines bad_lines;
  EXPECT_EQ(TitleFile::Open({.path = items}, &bad_lines)->Note(),
            "no genres: u.genre (--genres) names the flags of u.item");
}

TEST(TitleFile, SaysWhereIdsHaveSeveralTitles) {
  const TestFolder folder;
  BadLines bad_lines;
  absl::StatusOr<TitleFile> file = TitleFile::Open(
      {.path = folder.Write("t.csv", "id,title\n1,One\n1,Uno\n1,One\n2,Two\n")}, &bad_lines);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->Join(Vocabulary())->at("1").title, "One");
  EXPECT_EQ(file->Note(), "1 title left out, for an item before has the same id and another title");
}

TEST(TitleFile, ReadsLineBreaksInQuotesAndOtherSeparators) {
  const TestFolder folder;
  const std::string meta =
      folder.Write("m.csv",
                   "adult,genres,id,overview,title\nFalse,Comedy,10,\"line one\nline two\",Toy\n"
                   "False,x,20,ok,Jum\n");
  EXPECT_EQ(Read({.path = meta}, {10, 20})->at("10").title, "Toy");
  EXPECT_EQ(Read({.path = meta}, {10, 20})->at("20").title, "Jum");
  const std::string books =
      folder.Write("b.csv", "\"ISBN\";\"Book-Title\"\r\n\"1\";\"A; \"\"B\"\"\"\r\n");
  EXPECT_EQ(Read({.path = books})->at("1").title, "A; \"B\"");
}

}  // namespace
}  // namespace cf::titles_test

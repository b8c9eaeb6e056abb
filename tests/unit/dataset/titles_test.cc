#include "common/dataset/titles.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/dataset/test_files.h"

namespace cf {
namespace {

std::string ErrorOf(const TitleOptions& options) {
  BadLines bad_lines;
  return std::string(ReadTitles(options, &bad_lines).status().message());
}

Titles TitlesOrDie(const TitleOptions& options) {
  BadLines bad_lines;
  absl::StatusOr<Titles> titles = ReadTitles(options, &bad_lines);
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
            items + ":1: 8 fields, expected 7");
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
  EXPECT_EQ(ErrorOf({.path = path}), path + ":3: 1 fields, expected 2");
  BadLines bad_lines;
  const absl::StatusOr<Titles> titles =
      ReadTitles({.path = path, .skip_bad_lines = true}, &bad_lines);
  ASSERT_TRUE(titles.ok());
  EXPECT_EQ(titles->size(), 2U);
  EXPECT_EQ(bad_lines.count, 2U);
  EXPECT_EQ(bad_lines.first, path + ":3: 1 fields, expected 2");
}

}  // namespace
}  // namespace cf

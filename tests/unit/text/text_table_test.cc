#include "common/text/text_table.h"

#include <algorithm>

#include <absl/strings/str_split.h>
#include <gtest/gtest.h>

#include "common/text/display.h"

namespace cf::text_table_test {
namespace {

TextTable MakeTable() {
  TextTable table({{.name = "title"}, {.name = "n", .right = true}, {.name = "last"}});
  table.AddRow({"L\303\251on", "7", "a,b"});  // Four characters in five bytes.
  table.AddRow({"Alien", "12", ""});
  return table;
}

TEST(TextTable, AlignsColumnsByCharacters) {
  EXPECT_EQ(MakeTable().Format(TableFormat::kText),
            "  title   n  last\n"
            "  L\303\251on    7  a,b\n"
            "  Alien  12\n");
}

TEST(TextTable, AsCsvHasEveryCellQuotedWhereNeeded) {
  EXPECT_EQ(MakeTable().Format(TableFormat::kCsv),
            "title,n,last\n"
            "L\303\251on,7,\"a,b\"\n"
            "Alien,12,\n");
}

std::size_t WidestLine(const std::string& text) {
  std::size_t widest = 0;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    widest = std::max(widest, DisplayWidth({line.data(), line.size()}));
  }
  return widest;
}

TEST(TextTable, WideCharactersLineUp) {
  TextTable table({{.name = "title", .words = true}, {.name = "n", .right = true}});
  table.AddRow({"千と千尋", "7"});
  table.AddRow({"Ame\u0301lie", "12"});
  EXPECT_EQ(table.FormatText(80),
            "  title      n\n"
            "  千と千尋   7\n"
            "  Ame\u0301lie    12\n");
}

TEST(TextTable, ControlCharactersDoNothing) {
  TextTable table({{.name = "title", .words = true}, {.name = "n", .right = true}});
  table.AddRow({"\x1b[31mred\tand\nmore", "7"});
  EXPECT_EQ(table.FormatText(80),
            "  title                   n\n"
            "  \\x1b[31mred\\tand\\nmore  7\n");
  EXPECT_EQ(table.Format(TableFormat::kCsv), "title,n\n\"\x1b[31mred\tand\nmore\",7\n");
}

TEST(TextTable, WordsAreCutAndFiguresAreNot) {
  TextTable table({{.name = "predicted", .right = true},
                   {.name = "title", .words = true},
                   {.name = "genres", .words = true}});
  table.AddRow({"4.123", std::string(300, 'L'), "Drama"});
  table.AddRow({"3.999", "Alien", std::string(100, 'g')});
  for (const std::size_t width : {60, 80, 120}) {
    const std::string text = table.FormatText(width);
    EXPECT_EQ(WidestLine(text), width);
    EXPECT_NE(text.find("4.123"), std::string::npos);
    EXPECT_NE(text.find("Alien"), std::string::npos);
    EXPECT_NE(text.find("LLL..."), std::string::npos);
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
  }
}

TEST(TextTable, WordsThatAreNoneHaveNoColumn) {
  TextTable table({{.name = "item", .right = true},
                   {.name = "title", .words = true},
                   {.name = "actual", .right = true}});
  table.AddRow({"7", "", ""});
  EXPECT_EQ(table.FormatText(80), "  item  actual\n     7\n");
  EXPECT_EQ(table.Format(TableFormat::kCsv), "item,title,actual\n7,,\n");
}

TEST(TextTable, TooManyFiguresComeInBlocks) {
  TextTable table({{.name = "run"},
                   {.name = "first", .right = true},
                   {.name = "second", .right = true},
                   {.name = "third", .right = true}});
  table.AddRow({"a", "123456", "234567", "345678"});
  table.AddRow({"b", "1", "2", "3"});
  EXPECT_EQ(table.FormatText(22),
            "  run   first  second\n"
            "  a    123456  234567\n"
            "  b         1       2\n"
            "\n"
            "  run   third\n"
            "  a    345678\n"
            "  b         3\n");
}

// Whatever it holds, no line is wider than the terminal.
TEST(TextTable, EveryLineFits) {
  TextTable table({{.name = "run"},
                   {.name = "state"},
                   {.name = "figure", .right = true},
                   {.name = "where", .words = true}});
  table.AddRow({"runs/" + std::string(200, 'x'), "interrupted", "0.1234", "a-host.of.a.long.name"});
  table.AddRow({"千千千千千千千千千千千千千千千千千千千千千千千千千千千", "new", "1", "千"});
  for (std::size_t width = 20; width < 130; ++width) {
    const std::string text = table.FormatText(width);
    EXPECT_LE(WidestLine(text), width) << text;
    EXPECT_NE(text.find("0.1234"), std::string::npos) << text;
    EXPECT_NE(text.find("interrupted"), std::string::npos) << text;
  }
}

TEST(TextTable, WithoutRowsThereIsALineOfNames) {
  EXPECT_EQ(TextTable({{.name = "a"}, {.name = "title", .words = true}}).FormatText(80),
            "  a  title\n");
}

}  // namespace
}  // namespace cf::text_table_test

#include "common/text/display.h"

#include <cstdlib>
#include <pty.h>
#include <string>
#include <sys/ioctl.h>
#include <unistd.h>

#include <absl/cleanup/cleanup.h>
#include <gtest/gtest.h>

namespace cf::display_test {
namespace {

TEST(Printable, ShowsWhatATerminalWouldActUpon) {
  EXPECT_EQ(Printable("Amélie (2001) 千と千尋 👍"), "Amélie (2001) 千と千尋 👍");
  EXPECT_EQ(Printable("\x1b[31mred\x1b[0m"), "\\x1b[31mred\\x1b[0m");
  EXPECT_EQ(Printable("a\tb\nc\rd\x7f\x01"), "a\\tb\\nc\\rd\\x7f\\x01");
  EXPECT_EQ(Printable(std::string("\0", 1)), "\\x00");
  EXPECT_EQ(Printable("\xc2\x9b"
                      "31m"),
            "\\u009b31m");  // An escape sequence of one character.
  EXPECT_EQ(Printable("\u202egnp.exe"), "\\u202egnp.exe");
  EXPECT_EQ(Printable("a\u2028b"), "a\\u2028b");
  EXPECT_EQ(Printable(""), "");
}

TEST(Printable, ShowsBytesThatAreNoUtf8) {
  EXPECT_EQ(Printable("caf\xe9"), "caf\\xe9");
  EXPECT_EQ(Printable("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(Printable("\xc0\xaf"), "\\xc0\\xaf");           // Longer than it need be.
  EXPECT_EQ(Printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // Half of a pair.
  EXPECT_EQ(Printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
  EXPECT_EQ(Printable("千\xe5\x8d"), "\\xe5\\x8d\\x83\\xe5\\x8d");  // Cut off.
}

TEST(DisplayWidth, CountsColumns) {
  EXPECT_EQ(DisplayWidth(""), 0U);
  EXPECT_EQ(DisplayWidth("Toy Story"), 9U);
  EXPECT_EQ(DisplayWidth("Amélie"), 6U);
  EXPECT_EQ(DisplayWidth("Ame\u0301lie"), 6U);  // The same with a mark of its own.
  EXPECT_EQ(DisplayWidth("千と千尋の神隠し"), 16U);
  EXPECT_EQ(DisplayWidth("기생충"), 6U);
  EXPECT_EQ(DisplayWidth("ｱﾆﾒ"), 3U);  // Of half the width.
  EXPECT_EQ(DisplayWidth("👍🏽"), 2U);
  EXPECT_EQ(DisplayWidth("ไทย"), 3U);
  EXPECT_EQ(DisplayWidth("नमस्ते"), 4U);
  EXPECT_EQ(DisplayWidth("Матрица"), 7U);
}

TEST(CutToWidth, CutsBetweenCharacters) {
  EXPECT_EQ(CutToWidth("Toy Story", 9), "Toy Story");
  EXPECT_EQ(CutToWidth("Toy Story", 8), "Toy S...");
  EXPECT_EQ(CutToWidth("Toy Story", 7), "Toy...");  // Without the space at its end.
  EXPECT_EQ(CutToWidth("千と千尋の神隠し", 16), "千と千尋の神隠し");
  EXPECT_EQ(CutToWidth("千と千尋の神隠し", 15), "千と千尋の神...");
  EXPECT_EQ(CutToWidth("千と千尋の神隠し", 14), "千と千尋の...");
  // A mark stays with its letter, even where it comes exactly at the end.
  EXPECT_EQ(CutToWidth("abe\u0301defg", 6), "abe\u0301...");
  EXPECT_EQ(CutToWidth("abce\u0301", 4), "abce\u0301");
}

TEST(CutToWidth, IsNeverWiderThanAskedFor) {
  const std::string text = "千a\u0301と b千 c👍d";
  for (std::size_t columns = 4; columns < 20; ++columns) {
    EXPECT_LE(DisplayWidth(CutToWidth(text, columns)), columns);
  }
}

TEST(WrapToWidth, BreaksAtSpaces) {
  EXPECT_EQ(WrapToWidth("one two three", 7, 2), "one two\n  three");
  EXPECT_EQ(WrapToWidth("one two three", 80, 2), "one two three");
  EXPECT_EQ(WrapToWidth("one-longer-than-a-line two", 7, 1),
            "one-lon\n ger-th\n an-a-l\n ine\n two");
  EXPECT_EQ(WrapToWidth("one\ntwo three", 80, 2), "one\n  two three");
  EXPECT_EQ(WrapToWidth("千と 千尋", 4, 0), "千と\n千尋");
  EXPECT_EQ(WrapToWidth("", 4, 0), "");
}

// A name and its figure are read as one.
TEST(WrapToWidth, KeepsAFigureWithItsName) {
  EXPECT_EQ(WrapToWidth("val_rmse 0.8375 val_mae 0.65", 17, 2), "val_rmse 0.8375\n  val_mae 0.65");
  EXPECT_EQ(WrapToWidth("loss -0.5 rmse nan", 12, 0), "loss -0.5\nrmse nan");
  EXPECT_EQ(WrapToWidth("Epoch 1/20 10/100 0.9s", 11, 0), "Epoch 1/20\n10/100 0.9s");
  EXPECT_EQ(WrapToWidth("779,160 parameters, 9.2 MiB", 24, 2), "779,160 parameters,\n  9.2 MiB");
}

TEST(FitToWidth, WrapsWhatIsTooWideAndShowsWhatActs) {
  EXPECT_EQ(FitToWidth("Users who have not rated \x1b[31mred:\n  rank  user\n     1    42\n", 20),
            "Users who have not\n  rated \\x1b[31mred:\n  rank  user\n     1    42\n");
  EXPECT_EQ(FitToWidth("", 20), "");
  EXPECT_EQ(FitToWidth("a", 20), "a");
}

TEST(TerminalWidth, IsTheTerminalsOrWhatColumnsSaysOrEighty) {
  const char* const before = std::getenv("COLUMNS");
  const std::string saved = before == nullptr ? "" : before;
  const absl::Cleanup restore = [&] {
    before == nullptr ? ::unsetenv("COLUMNS") : ::setenv("COLUMNS", saved.c_str(), 1);
  };
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::unsetenv("COLUMNS");
  EXPECT_EQ(TerminalWidth(ends[1]), 80U);
  ::setenv("COLUMNS", "120", 1);
  EXPECT_EQ(TerminalWidth(ends[1]), 120U);
  for (const char* const wrong : {"wide", "0", "-3", ""}) {
    ::setenv("COLUMNS", wrong, 1);
    EXPECT_EQ(TerminalWidth(ends[1]), 80U) << wrong;
  }
  ::setenv("COLUMNS", "120", 1);
  winsize size = {.ws_row = 40, .ws_col = 60, .ws_xpixel = 0, .ws_ypixel = 0};
  int terminal[2];
  ASSERT_EQ(::openpty(&terminal[0], &terminal[1], nullptr, nullptr, &size), 0);
  EXPECT_EQ(TerminalWidth(terminal[1]), 60U);
  for (const int file : {ends[0], ends[1], terminal[0], terminal[1]}) ::close(file);
}

}  // namespace
}  // namespace cf::display_test

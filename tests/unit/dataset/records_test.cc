#include "common/dataset/records.h"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "common/dataset/text.h"

namespace cf::records_test {
namespace {

std::vector<std::string> Cut(std::string_view text, const RecordSyntax& syntax) {
  std::vector<std::string> records;
  while (!text.empty()) {
    const std::size_t bytes = RecordBytes(text, syntax, true);
    records.emplace_back(text.substr(0, bytes));
    text.remove_prefix(bytes);
  }
  return records;
}

using Records = std::vector<std::string>;

TEST(RecordBytes, CutsAtEndsOfLineOutsideQuotes) {
  EXPECT_EQ(Cut("1,2\n3,4\r\n\n5", {}), (Records{"1,2\n", "3,4\r\n", "\n", "5"}));
  EXPECT_EQ(Cut("1,\"a\nb\",2\n3,4\n", {}), (Records{"1,\"a\nb\",2\n", "3,4\n"}));
  EXPECT_EQ(Cut("\"a\"\"\nb\"\r\nc\n", {}), (Records{"\"a\"\"\nb\"\r\n", "c\n"}));
  EXPECT_EQ(Cut("x, \"a\n,b\" ,\"\n\"\ny\n", {}), (Records{"x, \"a\n,b\" ,\"\n\"\n", "y\n"}));
  EXPECT_EQ(Cut("1;\"a\n\";2\n3\n", {.separator = ";"}), (Records{"1;\"a\n\";2\n", "3\n"}));
  EXPECT_EQ(Cut("1  \"a\n\"\t2\n3\n", {.separator = std::string(kBlanks)}),
            (Records{"1  \"a\n\"\t2\n", "3\n"}));
}

TEST(RecordBytes, TakesQuotesWithinAFieldForLetters) {
  EXPECT_EQ(Cut("5\" disc,1\na\"b\nc\n", {}), (Records{"5\" disc,1\n", "a\"b\n", "c\n"}));
  EXPECT_EQ(Cut("1,\"a\n", {.separator = ",", .quotes = false}), (Records{"1,\"a\n"}));
}

TEST(RecordBytes, EndsARecordOfMalformedQuotesWithItsLine) {
  EXPECT_EQ(Cut("1,\"a,2\n3,4\n", {}), (Records{"1,\"a,2\n", "3,4\n"}));
  EXPECT_EQ(Cut("1,\"a,2\n3,\"b\",4\n5\n", {}), (Records{"1,\"a,2\n", "3,\"b\",4\n", "5\n"}));
}

// Goal: however a text is cut into pieces, the records are the same.
// Method: random texts of what records are made of; every prefix must cut as the whole does, as far
// as it says that records are whole.
TEST(RecordBytes, CutsAPrefixAsTheWhole) {
  std::mt19937 random(3);
  const std::string alphabet = "ab,,\"\"\"\n\n\r ";
  for (const char* const separator : {",", " "}) {
    const RecordSyntax syntax = {.separator = separator};
    for (int k = 0; k < 2'000; ++k) {
      std::string text;
      for (int c = 0; c < 40; ++c) text += alphabet[random() % alphabet.size()];
      std::vector<std::size_t> ends;
      std::size_t end = 0;
      for (const std::string& record : Cut(text, syntax)) ends.push_back(end += record.size());
      for (std::size_t length = 0; length <= text.size(); ++length) {
        const std::size_t bytes = RecordsBytes(text.substr(0, length), syntax, false);
        ASSERT_TRUE(bytes == 0 || std::find(ends.begin(), ends.end(), bytes) != ends.end())
            << text << " cut to " << length << " ends at " << bytes;
        // And the pieces are cut alike again.
        std::size_t again = 0;
        for (const std::string& record : Cut(text.substr(0, bytes), syntax)) {
          again += record.size();
          ASSERT_NE(std::find(ends.begin(), ends.end(), again), ends.end()) << text;
        }
      }
    }
  }
}

TEST(RecordBytes, BoundsWhatAQuoteMayHold) {
  const std::string open = "1,\"" + std::string(kRecordBytesMax, 'x') + "\",2\n";
  // The quote closes beyond the longest record, so that it does not count.
  EXPECT_EQ(Cut("1,\"a\n" + std::string(kRecordBytesMax, 'x') + "\"\n", {}).size(), 2U);
  EXPECT_EQ(Cut(open + "3\n", {}), (Records{open, "3\n"}));
}

TEST(Records, CountsLines) {
  EXPECT_EQ(LinesOf(""), 0U);
  EXPECT_EQ(LinesOf("a"), 1U);
  EXPECT_EQ(LinesOf("a\nb\n"), 2U);
  EXPECT_EQ(LinesOf("a\nb"), 2U);
  EXPECT_TRUE(IsBlank(" \t\r\n"));
  EXPECT_FALSE(IsBlank(" ,\n"));
}

}  // namespace
}  // namespace cf::records_test

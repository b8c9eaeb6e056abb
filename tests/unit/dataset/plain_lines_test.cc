#include "common/dataset/plain_lines.h"

#include <bit>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "common/dataset/record_parser.h"

namespace cf::plain_lines_test {
namespace {

RecordFormat Detect(std::string_view header) {
  return DetectRecordFormat(header, true, {}).value();
}

/// Where the line after the first of `text` begins; -1 if the first is left to ParseRecord.
std::ptrdiff_t Read(const RecordFormat& format, const std::string& text, PlainLine* line) {
  const std::string padded = text + std::string(PlainLines::kPadding, '\0');
  const char* const next =
      PlainLines(format).Read(padded.data(), padded.data() + text.size(), line);
  return next == nullptr ? -1 : next - padded.data();
}

// Goal: what is taken is read as ParseRecord reads it, and nothing is taken that it refuses.
// Method: lines of characters that numbers are made of, and a few others.
TEST(PlainLines, ReadsWhatItTakesAsParseRecordDoes) {
  std::mt19937 random(7);
  const std::string alphabet = "0001122334455667789.-: \"x";
  for (const std::string header :
       {"userId,movieId,rating,timestamp", "tag,movieId,userId", "1::2::3::4", "1\t2\t3\t4",
        "a,timestamp,userId,b,c,rating,movieId,d"}) {
    const RecordFormat format = Detect(header);
    int taken = 0;
    for (int k = 0; k < 20'000; ++k) {
      std::string line;
      for (int field = 0; field < format.fields; ++field) {
        if (field > 0) line += format.syntax.separator;
        // Odd characters are rare, so that both kinds of lines are many.
        const bool odd = random() % 16 == 0;
        // Some lines are longer than the 64 bytes that are looked at at once.
        for (std::size_t length = 1 + random() % 20; length > 0; --length) {
          line += alphabet[random() % (odd ? alphabet.size() : 19)];
        }
        if (field == format.rating && random() % 2 == 0) line.insert(line.size() - 1, ".");
      }
      ParsedRecord parsed;
      const absl::Status status = ParseRecord(format, line, &parsed);
      PlainLine plain;
      const std::ptrdiff_t next = Read(format, line + "\r\n1,2,3", &plain);
      if (next < 0) continue;
      ++taken;
      ASSERT_TRUE(status.ok()) << line << ": " << status;
      EXPECT_EQ(next, static_cast<std::ptrdiff_t>(line.size()) + 2) << line;
      EXPECT_EQ(plain.user, parsed.user.number) << line;
      EXPECT_EQ(plain.item, parsed.item.number) << line;
      EXPECT_EQ(std::bit_cast<std::uint32_t>(plain.rating),
                std::bit_cast<std::uint32_t>(parsed.rating))
          << line;
      EXPECT_EQ(plain.timestamp, parsed.timestamp) << line;
    }
    EXPECT_GT(taken, 100) << header;
  }
}

TEST(PlainLines, LeavesRunsOfBlanksToParseRecord) {
  RecordFormat format = {
      .syntax = {.separator = std::string(kBlanks)}, .user = 0, .item = 1, .fields = 2};
  PlainLine plain;
  EXPECT_EQ(Read(format, "1 2\n", &plain), 4);
  EXPECT_EQ(Read(format, "1  2\n", &plain), -1);
  EXPECT_EQ(Read(format, "1\t2\n", &plain), -1);
  EXPECT_EQ(Read(format, "1 2 \n", &plain), -1);
  format.user = 2;
  format.fields = 3;
  EXPECT_EQ(Read(format, "a\tb 2 3\n", &plain), -1);  // Four fields.
}

TEST(PlainLines, TakesRatingsOfEveryLengthToTheBit) {
  const RecordFormat format = Detect("user,item,rating");
  for (const std::string rating :
       {"0", "5", "3.5", "0.1", "4.999999", "16.77721", "1234567", "0.000001", "007.5"}) {
    PlainLine plain;
    ParsedRecord parsed;
    ASSERT_TRUE(ParseRecord(format, "1,2," + rating, &parsed).ok());
    EXPECT_EQ(Read(format, "1,2," + rating, &plain),
              static_cast<std::ptrdiff_t>(rating.size()) + 4);
    EXPECT_EQ(plain.rating, parsed.rating) << rating;
  }
}

TEST(PlainLines, LeavesToParseRecordWhatIsNotPlain) {
  const RecordFormat format = Detect("user,item,rating,timestamp");
  PlainLine plain;
  EXPECT_EQ(Read(format, "1,2,3.5,4\n", &plain), 10);
  EXPECT_EQ(Read(format, "1,2,3.5,4", &plain), 9);
  for (const std::string line : {"01,2,3,4",
                                 "-1,2,3,4",
                                 "+1,2,3,4",
                                 " 1,2,3,4",
                                 "1 ,2,3,4",
                                 "\"1\",2,3,4",
                                 "1,a,3,4",
                                 "1,2,.5,4",
                                 "1,2,3.,4",
                                 "1,2,-3,4",
                                 "1,2,3e1,4",
                                 "1,2,12345678,4",
                                 "1,2,3,04",
                                 "1,2,3,2000-07-30 18:45:03",
                                 "1,2,3",
                                 "1,2,3,4,5",
                                 "1,2,3,4\r5",
                                 "",
                                 "\n",
                                 "1,,3,4",
                                 "1234567890123456789,2,3,4"}) {
    EXPECT_EQ(Read(format, line, &plain), -1) << line;
  }
}

}  // namespace
}  // namespace cf::plain_lines_test

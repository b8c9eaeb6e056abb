#include "common/dataset/text.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/text/csv.h"

namespace cf::text_test {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Fields(std::string_view line, std::string_view delimiter = ",",
                                bool quotes = true) {
  std::vector<std::string> fields;
  FieldReader reader(line, delimiter, quotes);
  for (std::string_view field; reader.Next(&field);) fields.emplace_back(field);
  if (reader.error() != nullptr) fields = {reader.error()};
  return fields;
}

TEST(IsUtf8, AcceptsWellFormedTextOnly) {
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8("Léon"));
  EXPECT_TRUE(IsUtf8("\xE2\x82\xAC \xF0\x9F\x8E\xAC"));
  EXPECT_TRUE(IsUtf8("\xF4\x8F\xBF\xBF"));   // U+10FFFF
  EXPECT_FALSE(IsUtf8("L\xE9on"));           // latin-1
  EXPECT_FALSE(IsUtf8("\xC3"));              // cut short
  EXPECT_FALSE(IsUtf8("\xC0\xAF"));          // overlong
  EXPECT_FALSE(IsUtf8("\xE0\x80\xAF"));      // overlong
  EXPECT_FALSE(IsUtf8("\xED\xA0\x80"));      // surrogate
  EXPECT_FALSE(IsUtf8("\xF4\x90\x80\x80"));  // beyond U+10FFFF
  EXPECT_FALSE(IsUtf8("\x80"));
}

TEST(Decode, TakesLatin1WhereItIsNotUtf8) {
  EXPECT_EQ(Decode("L\xE9on", Encoding::kAutomatic), "Léon");
  EXPECT_EQ(Decode("Léon", Encoding::kAutomatic), "Léon");
  EXPECT_EQ(Decode("L\xE9on", Encoding::kUtf8), std::nullopt);
  EXPECT_EQ(Decode("\xC3\xA9", Encoding::kLatin1), "Ã©");
}

TEST(FieldReader, ReadsQuotesAndDelimiters) {
  EXPECT_THAT(Fields("a,b,,d"), ElementsAre("a", "b", "", "d"));
  EXPECT_THAT(Fields("a,"), ElementsAre("a", ""));
  EXPECT_THAT(Fields(""), ElementsAre(""));
  EXPECT_THAT(Fields(" a , b"), ElementsAre("a", "b"));
  EXPECT_THAT(Fields("\"a,b\",c"), ElementsAre("a,b", "c"));
  EXPECT_THAT(Fields("\"say \"\"hi\"\"\" , x"), ElementsAre("say \"hi\"", "x"));
  EXPECT_THAT(Fields("\"\",x"), ElementsAre("", "x"));
  EXPECT_THAT(Fields("1::2::3", "::"), ElementsAre("1", "2", "3"));
  EXPECT_THAT(Fields("\"a\tb", "\t", false), ElementsAre("\"a", "b"));
}

TEST(FieldReader, RefusesQuotesThatDoNotEnd) {
  EXPECT_THAT(Fields("\"a,b"), ElementsAre("a quoted field does not end"));
  EXPECT_THAT(Fields("\"a\"b,c"), ElementsAre("something follows the quote that ends a field"));
}

TEST(FieldReader, ReadsWhatIsWrittenAsCsv) {
  for (const std::string text :
       {"plain", "a,b", "a \"quote\"", " space", "space ", " ", "", "a\rb", "Léon"}) {
    EXPECT_THAT(Fields(CsvField(text) + ",x"), ElementsAre(text, "x"));
  }
}

}  // namespace
}  // namespace cf::text_test

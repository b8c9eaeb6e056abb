#include "common/text/csv.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace cf::csv_test {
namespace {

TEST(CsvField, IsInQuotesWhereItHasToBe) {
  EXPECT_EQ(CsvField("plain"), "plain");
  EXPECT_EQ(CsvField("two words"), "two words");
  EXPECT_EQ(CsvField(""), "");
  EXPECT_EQ(CsvField("a,b"), "\"a,b\"");
  EXPECT_EQ(CsvField("Film \"3\", The"), "\"Film \"\"3\"\", The\"");
  EXPECT_EQ(CsvField("a\nb"), "\"a\nb\"");
  EXPECT_EQ(CsvField("a\rb"), "\"a\rb\"");
  // Readers that take spaces around a field for none of it are common; ours of data sets is one.
  EXPECT_EQ(CsvField(" a"), "\" a\"");
  EXPECT_EQ(CsvField("a "), "\"a \"");
  EXPECT_EQ(CsvField(" "), "\" \"");
}

TEST(ParseCsvLine, ReadsBackWhatCsvFieldWrote) {
  const std::vector<std::string> fields = {"", "a,b", "\"", " x ", "M*A*S*H (1970)", ""};
  std::string line = CsvField(fields[0]);
  for (std::size_t k = 1; k < fields.size(); ++k) line += "," + CsvField(fields[k]);
  EXPECT_EQ(*ParseCsvLine(line), fields);
}

TEST(ParseCsvLine, ReadsQuotesAndRefusesBrokenOnes) {
  EXPECT_EQ(*ParseCsvLine("\"a,b\",\"\"\"\",x"), (std::vector<std::string>{"a,b", "\"", "x"}));
  EXPECT_EQ(*ParseCsvLine(",x,"), (std::vector<std::string>{"", "x", ""}));
  // Before spaces were put in quotes they were written as they are.
  EXPECT_EQ(*ParseCsvLine(" x ,y"), (std::vector<std::string>{" x ", "y"}));
  EXPECT_EQ(*ParseCsvLine("a\"b,c"), (std::vector<std::string>{"a\"b", "c"}));
  EXPECT_FALSE(ParseCsvLine("\"open").ok());
  EXPECT_FALSE(ParseCsvLine("\"a\"b").ok());
}

}  // namespace
}  // namespace cf::csv_test

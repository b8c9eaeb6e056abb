#include "common/dataset/file_kind.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cf::file_kind_test {
namespace {

using ::testing::HasSubstr;
using std::string_view_literals::operator""sv;

TEST(NotATable, KnowsWhatPeopleHaveInstead) {
  for (const auto& [bytes, expected] :
       {std::pair("\x1F\x8B\x08\x00"sv, "compressed (gzip); unpack it first"),
        std::pair("PK\x03\x04\x14"sv, "compressed (zip); unpack it first"),
        std::pair("BZh91AY"sv, "compressed (bzip2)"),
        std::pair("\xFD\x37zXZ\x00\x00"sv, "compressed (xz)"),
        std::pair("\x28\xB5\x2F\xFD\x04"sv, "compressed (zstd)"),
        std::pair("PAR1\x15\x04"sv, "Parquet"),
        std::pair("\x93NUMPY\x01"sv, "a NumPy array"),
        std::pair("SQLite format 3\0"sv, "an SQLite database"),
        std::pair("\x80\x04\x95\x10"sv, "a Python pickle"),
        std::pair("\x89HDF\r\n\x1a\n"sv, "HDF5"),
        std::pair("%%MatrixMarket matrix coordinate\n"sv, "a Matrix Market file"),
        std::pair("\xFF\xFEu\0s\0e\0r\0"sv, "UTF-16, expected UTF-8; save it as UTF-8"),
        std::pair("\xFE\xFF\0u\0s\0e\0r"sv, "UTF-16"),
        std::pair("u\0s\0e\0r\0,\0i\0t\0e\0m\0"sv, "UTF-16"),
        std::pair("user,item\n1,\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"sv, "binary"),
        std::pair("user,item\r1,2\r"sv, "lines end in CR"),
        std::pair("{\"user\": 1}\n"sv, "JSON, expected a table as CSV"),
        std::pair("\xEF\xBB\xBF{\"user\": 1}\n"sv, "JSON"),
        std::pair("[\n  {"sv, "JSON"),
        std::pair(" [{\"user\": 1}]"sv, "JSON"),
        std::pair("<!DOCTYPE html>"sv, "HTML or XML"),
        std::pair("1:\n14888,3,2005-09-06\n"sv, "docs/data.md has the line of awk"),
        std::pair("5 1:1 20:1\n3 1:1 21:0.5\n"sv, "features as of LIBFM or LIBSVM"),
        std::pair("17770:\r\n1,3,2005-09-06\r\n"sv, "Netflix prize")}) {
    EXPECT_THAT(NotATable(bytes, "f"), HasSubstr(expected));
  }
}

TEST(NotATable, LeavesTablesAlone) {
  for (const std::string_view text :
       {"userId,movieId\n1,2\n"sv, "1::2::3\n"sv, "1:2,3\n"sv, "\xEF\xBB\xBFuser,item\r\n"sv,
        "L\xE9on\t2\n"sv, "user,item\r\n1,2\r\n"sv, "1\t2\t3"sv, "[x],y\n"sv, "PK,1\n"sv,
        "1 2 10:30\n"sv, "a:1 b:2\n"sv}) {
    EXPECT_EQ(NotATable(text, "f"), "") << text;
  }
}

}  // namespace
}  // namespace cf::file_kind_test

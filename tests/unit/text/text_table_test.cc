#include "common/text/text_table.h"

#include <gtest/gtest.h>

namespace cf {
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

}  // namespace
}  // namespace cf

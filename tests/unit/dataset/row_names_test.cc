#include "common/dataset/row_names.h"

#include <gtest/gtest.h>

#include "common/base/check.h"
#include "common/dataset/writer.h"
#include "tests/unit/dataset/test_files.h"

namespace cf::row_names_test {
namespace {

// Two users and three items, the more frequent ones first.
Dataset WriteData(const std::string& folder) {
  SampleChunk chunk;
  chunk.users = {0, 0, 0, 1, 1};
  chunk.items = {0, 1, 2, 0, 1};
  chunk.ratings = {1, 2, 3, 4, 5};
  DatasetWriter writer = DatasetWriter::Create({.folder = folder, .name = "named"}).value();
  writer.Append(std::move(chunk));
  writer.SetUsers(Vocabulary(std::vector<std::int64_t>{501, 502}));
  writer.SetItems(Vocabulary(std::vector<std::int64_t>{71, 72, 73}));
  writer.SetItemTexts({{.title = "First", .genres = ""}, {.title = "Second", .genres = ""}, {}});
  Check(writer.Finish().ok(), "the test can write a data set");
  return Dataset::Open(folder).value();
}

TEST(RowNameOf, IsTheRawIdAndTheTitle) {
  const TestFolder files;
  const Dataset data = WriteData(files.Path("data"));
  EXPECT_EQ(RowNameOf(data, "users", RowId{1})->raw_id, "502");
  EXPECT_EQ(RowNameOf(data, "users", RowId{1})->title, "");
  EXPECT_EQ(RowNameOf(data, "items", RowId{1})->raw_id, "72");
  EXPECT_EQ(RowNameOf(data, "items", RowId{1})->title, "Second");
  EXPECT_EQ(RowNameOf(data, "history", RowId{0})->title, "First");
  EXPECT_EQ(RowNameOf(data, "items", RowId{2})->title, "");
}

TEST(RowNameOf, KnowsNothingOfOtherRows) {
  const TestFolder files;
  const Dataset data = WriteData(files.Path("data"));
  EXPECT_FALSE(RowNameOf(data, "users", RowId{2}).has_value());
  EXPECT_FALSE(RowNameOf(data, "items", RowId{3}).has_value());
  EXPECT_FALSE(RowNameOf(data, "dense_0", RowId{0}).has_value());
}

}  // namespace
}  // namespace cf::row_names_test

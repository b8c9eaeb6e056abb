#include "common/dataset/columns.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "common/dataset/dataset.h"
#include "tests/unit/dataset/test_files.h"

namespace cf::columns_test {
namespace {

// Numbers in a file, behind a head that is no part of them.
template <class T>
MappedFile Numbers(const TestFolder& folder, const std::string& name,
                   const std::vector<T>& values) {
  std::string bytes(64, '#');
  bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  MappedFile file = MappedFile::Open(folder.Write(name, bytes)).value();
  file.DropFront(64);
  return file;
}

TextColumn Texts(const TestFolder& folder, const std::string& name, const std::string& bytes,
                 const std::vector<std::uint64_t>& offsets) {
  return {.offsets = Numbers(folder, name + ".offsets", offsets),
          .bytes = MappedFile::Open(folder.Write(name, bytes)).value()};
}

// Goal: a column that nobody has looked through is never read outside of itself.
TEST(Columns, WhatIsOutOfRangeIsNotThere) {
  const TestFolder folder;
  const TextColumn text = Texts(folder, "text", "annbob", {0, 3, 100, 1});
  EXPECT_EQ(text.At(RowId{0}), "ann");
  EXPECT_EQ(text.At(RowId{1}), "bob");
  EXPECT_EQ(text.At(RowId{2}), "");
  EXPECT_EQ(text.At(RowId{3}), "");
  RawIdColumn ids;
  ids.numbers = Numbers<std::int64_t>(folder, "numbers", {300, 100, 200});
  ids.order = Numbers<RowId>(folder, "order", {RowId{7}, RowId{2}, RowId{0}});
  EXPECT_EQ(ids.Text(RowId{1}), "100");
  EXPECT_EQ(ids.Text(RowId{3}), "");
  EXPECT_EQ(ids.Find("300"), RowId{0});
  EXPECT_EQ(ids.Find("100"), std::nullopt);
  RawIdColumn names;
  names.numeric = false;
  names.strings = Texts(folder, "names", "b", {0, 1});
  names.order = Numbers<RowId>(folder, "name_order", {RowId{9}});
  EXPECT_EQ(names.Find(""), std::nullopt) << "an id without a name is nobody's";
}

TEST(Columns, MakeADataSetOfWhateverFilesTheyAreIn) {
  const TestFolder folder;
  DatasetManifest manifest;
  manifest.set_name("elsewhere");
  manifest.set_users(1);
  manifest.set_items(2);
  manifest.set_digest("d1");
  manifest.set_has_titles(true);
  DatasetColumns columns;
  columns.user_offsets = Numbers<std::uint64_t>(folder, "offsets", {0, 2});
  columns.items = Numbers<RowId>(folder, "items", {RowId{0}, RowId{1}});
  columns.ratings = Numbers<float>(folder, "ratings", {3, 4.5F});
  columns.user_ids.numeric = false;
  columns.user_ids.strings = Texts(folder, "users", "ann", {0, 3});
  columns.user_ids.order = Numbers<RowId>(folder, "user_order", {RowId{0}});
  columns.item_ids.numbers = Numbers<std::int64_t>(folder, "item_ids", {300, 100});
  columns.item_ids.order = Numbers<RowId>(folder, "item_order", {RowId{1}, RowId{0}});
  columns.titles = Texts(folder, "titles", "OneTwo", {0, 3, 6});
  const Dataset data = Dataset::Of("its/export", manifest, std::move(columns));
  EXPECT_EQ(data.name(), "elsewhere");
  EXPECT_EQ(data.folder(), "its/export");
  EXPECT_EQ(data.samples(), 2U);
  EXPECT_EQ(data.ratings()[1], 4.5F);
  EXPECT_EQ(data.FindUser("ann"), RowId{0});
  EXPECT_EQ(data.FindItem("100"), RowId{1});
  EXPECT_EQ(data.FindTitle("two"), std::vector<RowId>{RowId{1}});
  EXPECT_EQ(data.genres(RowId{0}), "");
  EXPECT_FALSE(data.has_ratings());
}

}  // namespace
}  // namespace cf::columns_test

#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "common/dataset/dataset.h"
#include "common/dataset/split.h"
#include "common/dataset/writer.h"

namespace cf {

/// A data set in a folder of its own, in which every user has every `item_step`-th item, a twentieth
/// of them for validation. Ratings count from 0, so that each sample is known by its own.
///
/// Owner:   a test.
/// Threads: any, once it is made.
/// Bounds:  users * items / item_step samples, removed at the end.
class GridData {
 public:
  struct Size {
    std::uint32_t users = 0;
    std::uint32_t items = 0;
    std::uint32_t item_step = 1;
  };

  explicit GridData(const Size& size) : folder_(Write(size)) {}
  ~GridData() { std::filesystem::remove_all(folder_); }
  GridData(const GridData&) = delete;
  GridData& operator=(const GridData&) = delete;

  const std::string& folder() const { return folder_; }
  const Dataset& data() const { return data_; }
  const DataSplit& split() const { return split_; }

 private:
  static std::string Write(const Size& size) {
    std::string folder = ::testing::TempDir() + "cf-grid-XXXXXX";
    if (::mkdtemp(folder.data()) == nullptr) std::abort();
    DatasetWriter writer =
        DatasetWriter::Create(
            {.folder = folder + "/data", .name = "full", .has_timestamps = false, .threads = 1})
            .value();
    SampleChunk chunk;
    for (std::uint32_t user = 0; user < size.users; ++user) {
      for (std::uint32_t item = user % size.item_step; item < size.items; item += size.item_step) {
        chunk.users.push_back(user);
        chunk.items.push_back(item);
        chunk.ratings.push_back(static_cast<float>(chunk.ratings.size()));
      }
    }
    writer.Append(std::move(chunk));
    writer.SetUsers(Numbers(size.users));
    writer.SetItems(Numbers(size.items));
    EXPECT_TRUE(writer.Finish().ok());
    return folder;
  }
  static Vocabulary Numbers(std::uint32_t count) {
    std::vector<std::int64_t> numbers(count);
    std::iota(numbers.begin(), numbers.end(), 1);
    return Vocabulary(std::move(numbers));
  }

  static DataSplit MakeSplit(const Dataset& data) {
    Split split;
    split.mutable_random()->set_fraction(0.05);
    return DataSplit::Make(data, split).value();
  }

  const std::string folder_;
  const Dataset data_ = Dataset::Open(folder_ + "/data").value();
  const DataSplit split_ = MakeSplit(data_);
};

}  // namespace cf

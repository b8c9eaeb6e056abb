#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "common/base/check.h"
#include "common/dataset/dataset.h"
#include "common/dataset/writer.h"
#include "common/math/random.h"

namespace cf {

/// A folder of one test's own with a small data set in it, "data": 41 users, 23 items and 500
/// ratings from 1 to 5 of three years, some of the users with a single one; items with up to four
/// genres. Removed with it.
class TinyData {
 public:
  static constexpr std::uint32_t kUserCount = 41;
  static constexpr std::uint32_t kItemCount = 23;
  static constexpr std::uint32_t kSampleCount = 500;

  TinyData() {
    std::string name = ::testing::TempDir() + "cf-tiny-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    folder_ = name;
    DatasetWriter writer =
        DatasetWriter::Create(
            {.folder = path(), .name = "tiny", .has_timestamps = true, .threads = 1})
            .value();
    writer.Append(DrawSamples());
    writer.SetUsers(Numbers(kUserCount));
    writer.SetItems(Numbers(kItemCount));
    writer.SetItemTexts(Texts());
    Check(writer.Finish().ok(), "a test can write a data set");
  }
  TinyData(const TinyData&) = delete;
  TinyData& operator=(const TinyData&) = delete;
  ~TinyData() { std::filesystem::remove_all(folder_); }

  std::string path() const { return folder_ + "/data"; }
  std::string Beside(const std::string& name) const { return folder_ + "/" + name; }

 private:
  static Vocabulary Numbers(std::uint32_t count) {
    std::vector<std::int64_t> numbers(count);
    std::iota(numbers.begin(), numbers.end(), 1);
    return Vocabulary(std::move(numbers));
  }

  static std::vector<ItemText> Texts() {
    const char* const genres[] = {"", "War", "Drama|War", "Action", "Comedy|Drama|Action|Western"};
    std::vector<ItemText> texts;
    for (std::uint32_t item = 0; item < kItemCount; ++item) {
      texts.push_back({.title = "Film " + std::to_string(item), .genres = genres[item % 5]});
    }
    return texts;
  }

  /// One sample for every user and item, then pairs that are not there yet; the lower numbers more
  /// often.
  static SampleChunk DrawSamples() {
    const CounterRandom random(20261121, Purpose::kSynth);
    std::vector<bool> taken(kUserCount * kItemCount);
    SampleChunk chunk;
    const auto add = [&](std::uint64_t user, std::uint64_t item) {
      if (taken[user * kItemCount + item]) return;
      taken[user * kItemCount + item] = true;
      chunk.users.push_back(static_cast<std::uint32_t>(user));
      chunk.items.push_back(static_cast<std::uint32_t>(item));
      chunk.ratings.push_back(
          static_cast<float>(1 + random.Below(1'000'000 + chunk.users.size(), 5)));
      chunk.timestamps.push_back(static_cast<std::int64_t>(
          900'000'000 + random.Below(2'000'000 + chunk.users.size(), 80'000'000)));
    };
    for (std::uint32_t user = 0; user < kUserCount; ++user) add(user, user % kItemCount);
    for (std::uint64_t n = 0; chunk.users.size() < kSampleCount; n += 3) {
      const std::uint64_t user =
          std::min(random.Below(n, kUserCount), random.Below(n + 1, kUserCount));
      add(user, random.Below(n + 2, kItemCount));
    }
    return chunk;
  }

  std::string folder_;
};

}  // namespace cf

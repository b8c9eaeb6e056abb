#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <unistd.h>
#include <utility>

#include <gtest/gtest.h>

#include "common/dataset/dataset.h"
#include "tests/support/paths.h"

namespace cf {

/// A folder of one test's own, removed with it.
class TestFolder {
 public:
  TestFolder() {
    std::string name = ::testing::TempDir() + "cf-dataset-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  ~TestFolder() { std::filesystem::remove_all(path_); }

  std::string Path(const std::string& name) const { return path_ + "/" + name; }

  /// Writes a file and returns its path.
  std::string Write(const std::string& name, std::string_view contents) const {
    std::ofstream(Path(name), std::ios::binary) << contents;
    return Path(name);
  }

  std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path_), {}));
  }

 private:
  std::string path_;
};

/// A real data set's folder; nothing where the machine does not have it.
inline std::optional<std::string> RealData(const std::string& name) {
  const char* const chosen = std::getenv("CF_TEST_DATA");
  const std::string folder = std::string(chosen != nullptr ? chosen : CF_TEST_DATA) + "/" + name;
  if (!std::filesystem::exists(folder)) return std::nullopt;
  return folder;
}

#define CF_SKIP_WITHOUT(real, name) \
  if (!(real)) GTEST_SKIP() << "no " << (name) << " in CF_TEST_DATA (" << CF_TEST_DATA << ")"

/// Everything of the samples by raw ids, which is what does not depend on dense ids.
using RawSamples = std::map<std::pair<std::string, std::string>, std::pair<float, std::int64_t>>;

inline RawSamples RawSamplesOf(const Dataset& data) {
  RawSamples samples;
  for (std::uint32_t user = 0; user < data.users(); ++user) {
    for (std::uint64_t k = data.user_offsets()[user]; k < data.user_offsets()[user + 1]; ++k) {
      samples[{data.user_raw_id(RowId{user}), data.item_raw_id(data.item_column()[k])}] = {
          data.ratings()[k], data.timestamps().empty() ? 0 : data.timestamps()[k]};
    }
  }
  return samples;
}

}  // namespace cf

#include "common/text/memory_size.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cf::memory_size_test {
namespace {

TEST(MemorySize, ReadsUnits) {
  constexpr std::uint64_t kMib = std::uint64_t{1} << 20;
  EXPECT_EQ(ParseMemorySize("800").value(), 800 * kMib) << "MiB as ever";
  EXPECT_EQ(ParseMemorySize("2GiB").value(), 2048 * kMib);
  EXPECT_EQ(ParseMemorySize("2g").value(), 2048 * kMib);
  EXPECT_EQ(ParseMemorySize("1.5G").value(), 1536 * kMib);
  EXPECT_EQ(ParseMemorySize("500MB").value(), 500'000'000U);
  EXPECT_EQ(ParseMemorySize("4096KiB").value(), 4 * kMib);
  EXPECT_EQ(ParseMemorySize("1TiB").value(), kMib * kMib);
}

TEST(MemorySize, RefusesWhatIsNone) {
  for (const std::string text : {"", "GiB", "-1", "0", "2 GiB", "2GiBs", "2X", "1KiB", "1e3",
                                 "1.2.3", "2Gi", "2000TiB", "nan", "0.1"}) {
    const absl::Status refused = ParseMemorySize(text).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(refused.message()), ::testing::HasSubstr("\"" + text + "\"")) << text;
  }
}

}  // namespace
}  // namespace cf::memory_size_test

#include "common/base/memory_figures.h"

#include <cstddef>
#include <vector>

#include <gtest/gtest.h>

namespace cf::memory_figures_test {
namespace {

TEST(MemoryFigures, CountWhatIsTouched) {
  constexpr std::size_t kBytes = std::size_t{64} << 20;
  const std::uint64_t before = ProcessMemory();
  ASSERT_GT(before, 0U);
  {
    const std::vector<char> touched(kBytes, 1);
    EXPECT_GE(ProcessMemory(), before + kBytes / 2) << static_cast<int>(touched.back());
  }
  EXPECT_GE(ProcessMemoryPeak(), before + kBytes / 2);
  EXPECT_GT(AvailableMemory(), 0U);
}

}  // namespace
}  // namespace cf::memory_figures_test

#include "common/kernels/aligned.h"

#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

namespace cf::aligned_test {
namespace {

TEST(FloatsBeforeLine, LeadsToALineWithinOneLine) {
  for (std::size_t floats = 16; floats < 2000; floats += 7) {
    const std::vector<float> memory(floats);
    const std::size_t before = FloatsBeforeLine(memory);
    EXPECT_LT(before, kLineBytes / sizeof(float));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory.data() + before) % kLineBytes, 0U);
  }
}

}  // namespace
}  // namespace cf::aligned_test

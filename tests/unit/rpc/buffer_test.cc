#include "common/rpc/buffer.h"

#include <cstdint>
#include <utility>

#include <gtest/gtest.h>

namespace cf::buffer_test {
namespace {

TEST(Buffer, IsAlignedAndKeepsItsCapacity) {
  Buffer buffer(1000);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % Buffer::kAlignment, 0U);
  const std::byte* data = buffer.data();
  buffer.Resize(10);
  EXPECT_EQ(buffer.size(), 10U);
  EXPECT_EQ(buffer.capacity(), 1000U);
  buffer.Resize(1000);
  EXPECT_EQ(buffer.data(), data);
  Buffer taken = std::move(buffer);
  EXPECT_EQ(taken.size(), 1000U);
  EXPECT_TRUE(buffer.empty());  // NOLINT: what a moved-from buffer is, is promised.
}

TEST(BufferPool, ReusesTheSmallestThatFits) {
  BufferPool pool(1 << 20);
  Buffer small(100);
  Buffer large(10'000);
  const std::byte* small_data = small.data();
  pool.Give(std::move(large));
  pool.Give(std::move(small));
  EXPECT_EQ(pool.Take(50).data(), small_data);
}

TEST(BufferPool, KeepsNoMoreThanItsBytes) {
  BufferPool pool(1000);
  Buffer kept(800);
  Buffer freed(300);
  const std::byte* kept_data = kept.data();
  pool.Give(std::move(kept));
  pool.Give(std::move(freed));  // Would make 1,100.
  EXPECT_EQ(pool.Take(10).data(), kept_data);
  EXPECT_EQ(pool.Take(10).capacity(), 10U);
}

}  // namespace
}  // namespace cf::buffer_test

#include "common/rpc/ring.h"

#include <cstring>
#include <deque>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace cf::ring_test {
namespace {

/// Both ends over memory of this process.
struct Ring {
  explicit Ring(std::size_t bytes)
      : memory(bytes), writer(control.get(), memory), reader(control.get(), memory) {}

  bool Send(std::size_t bytes, int value) {
    const std::span<std::byte> record = writer.Reserve(bytes);
    if (record.empty()) return false;
    EXPECT_EQ(record.size(), bytes);
    std::memset(record.data(), value, bytes);
    writer.Commit();
    return true;
  }
  std::span<std::byte> Front() const {
    const absl::StatusOr<std::span<std::byte>> front = reader.Front();
    EXPECT_TRUE(front.ok()) << front.status();
    return front.ok() ? *front : std::span<std::byte>();
  }

  std::unique_ptr<RingControl> control = std::make_unique<RingControl>();
  std::vector<std::byte> memory;
  RingWriter writer;
  RingReader reader;
};

TEST(Ring, ARecordIsThereOnceItIsCommitted) {
  Ring ring(1024);
  EXPECT_TRUE(ring.Front().empty());
  const std::span<std::byte> record = ring.writer.Reserve(100);
  EXPECT_TRUE(ring.Front().empty());
  record[99] = std::byte{7};
  ring.writer.Commit();
  ASSERT_EQ(ring.Front().size(), 100U);
  EXPECT_EQ(ring.Front()[99], std::byte{7});
  EXPECT_EQ(ring.Front().data(), record.data()) << "read where it was written";
}

TEST(Ring, WhatDoesNotFitIsRefusedUntilThereIsRoom) {
  Ring ring(1024);
  EXPECT_FALSE(ring.Send(1025, 1));
  EXPECT_TRUE(ring.Send(600, 1));
  EXPECT_FALSE(ring.Send(600, 2));
  EXPECT_TRUE(ring.Send(300, 2));
  ring.reader.Release(ring.reader.Take());
  EXPECT_TRUE(ring.Send(600, 3)) << "in front of the second";
  EXPECT_FALSE(ring.Send(64, 4));
}

TEST(Ring, HoldsNoMoreRecordsThanItHasSlots) {
  Ring ring(64 * (kRingSlots + 1));
  for (std::uint32_t k = 0; k < kRingSlots; ++k) EXPECT_TRUE(ring.Send(1, 1));
  EXPECT_FALSE(ring.Send(1, 1));
  ring.reader.Release(ring.reader.Take());
  EXPECT_TRUE(ring.Send(1, 1));
}

TEST(Ring, KeepsToTheFrontOfItsMemory) {
  Ring ring(std::size_t{1} << 20);
  std::deque<std::uint32_t> taken;
  for (int k = 0; k < 100; ++k) {
    ASSERT_TRUE(ring.Send(1000, k));
    EXPECT_LT(ring.Front().data(), ring.memory.data() + 4096);
    taken.push_back(ring.reader.Take());
    if (taken.size() > 1) {
      ring.reader.Release(taken.front());
      taken.pop_front();
    }
  }
}

TEST(Ring, RecordsAreGivenBackInAnyOrder) {
  Ring ring(64 * 3);
  for (int k = 0; k < 3; ++k) ASSERT_TRUE(ring.Send(64, k));
  const std::uint32_t first = ring.reader.Take();
  const std::uint32_t second = ring.reader.Take();
  ring.reader.Release(second);
  EXPECT_FALSE(ring.Send(64, 4)) << "the oldest is still being read";
  ring.reader.Release(first);
  EXPECT_TRUE(ring.Send(128, 4));
}

// Goal: no record is lost, torn or overwritten while it is read. Method: many records of random
// sizes, of which each carries its number in every byte, several being held at a time.
TEST(Ring, ManyRecordsOfRandomSizesArriveWhole) {
  constexpr int kRecords = 1000;
  Ring ring(10'000);
  std::jthread sender([&] {
    std::mt19937 random(1);
    for (int k = 0; k < kRecords; ++k) {
      const std::size_t bytes = 1 + random() % 3000;
      while (!ring.Send(bytes, k & 0xff)) std::this_thread::yield();
    }
  });
  std::deque<std::pair<std::uint32_t, std::span<std::byte>>> held;
  std::mt19937 random(1);
  for (int k = 0; k < kRecords; ++k) {
    const std::size_t bytes = 1 + random() % 3000;
    while (ring.Front().empty()) {
      if (!held.empty()) {
        ring.reader.Release(held.front().first);
        held.pop_front();
      }
      std::this_thread::yield();
    }
    const std::span<std::byte> record = ring.Front();
    ASSERT_EQ(record.size(), bytes);
    held.emplace_back(ring.reader.Take(), record);
    const std::span<std::byte> oldest = held.front().second;
    ASSERT_EQ(std::memcmp(oldest.data(), oldest.data() + 1, oldest.size() - 1), 0) << "torn";
    ASSERT_EQ(record[bytes - 1], static_cast<std::byte>(k & 0xff));
  }
}

// --- A peer that runs amok -----------------------------------------------------------------------

void ExpectDataLoss(const Ring& ring) {
  EXPECT_EQ(ring.reader.Front().status().code(), absl::StatusCode::kDataLoss);
}

TEST(Ring, RefusesARecordBeyondTheMemory) {
  for (const std::uint64_t slot :
       {std::uint64_t{1024 / 64} << 32 | 1, std::uint64_t{0} << 32 | 1025,
        std::uint64_t{0xffffffff} << 32 | 1, std::uint64_t{15} << 32 | 65, std::uint64_t{0}}) {
    Ring ring(1024);
    ASSERT_TRUE(ring.Send(10, 1));
    ring.control->slots[0] = slot;
    ExpectDataLoss(ring);
  }
}

TEST(Ring, RefusesACountOfMoreRecordsThanThereAreSlots) {
  for (const std::uint32_t committed : {kRingSlots + 1, ~std::uint32_t{0}}) {
    Ring ring(1024);
    ASSERT_TRUE(ring.Send(10, 1));
    ring.control->committed = committed;
    ExpectDataLoss(ring);
  }
}

TEST(Ring, ACountOfReleasedRecordsThatCannotBeFreesNothing) {
  Ring ring(1024);
  ASSERT_TRUE(ring.Send(1000, 1));
  ring.control->released = 2;
  EXPECT_FALSE(ring.Send(1000, 2));
}

}  // namespace
}  // namespace cf::ring_test

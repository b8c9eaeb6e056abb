#include "common/rpc/doorbell.h"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace cf::doorbell_test {
namespace {

// Goal: a waiter never sleeps through the last of what it waits for.
// Method: many rounds in which several threads ring as soon as they see that the round has begun.
void PassRounds(bool spins) {
  constexpr std::uint32_t kSenders = 3;
  constexpr std::uint32_t kRounds = 500;
  Doorbell bell;
  std::atomic<std::uint32_t> round{0};
  std::vector<std::jthread> senders;
  for (std::uint32_t s = 0; s < kSenders; ++s) {
    senders.emplace_back([&] {
      for (std::uint32_t r = 1; r <= kRounds; ++r) {
        round.wait(r - 1);  // Until it is another.
        bell.Ring();
      }
    });
  }
  for (std::uint32_t r = 1; r <= kRounds; ++r) {
    const std::uint32_t before = (r - 1) * kSenders;
    round = r;
    round.notify_all();
    for (std::uint32_t rung = bell.rung(); rung < r * kSenders; rung = bell.rung()) {
      bell.Await(rung, before + kSenders - rung, spins);
    }
    ASSERT_EQ(bell.rung(), r * kSenders);
  }
}

TEST(Doorbell, TheLastWhoRingsWakesASleeper) {
  PassRounds(false);
}

TEST(Doorbell, TheLastWhoRingsIsSeenByAWaiterThatSpins) {
  PassRounds(true);
}

TEST(Doorbell, ReturnsAtOnceWhereEnoughHasArrived) {
  Doorbell bell;
  const std::uint32_t seen = bell.rung();
  bell.Ring();
  bell.Ring();
  bell.Await(seen, 2, false);
  EXPECT_EQ(bell.rung() - seen, 2U);
}

TEST(Doorbell, NobodyWaitsBeyondTheDeadline) {
  for (const bool spins : {false, true}) {
    Doorbell bell;
    const Doorbell::Clock::time_point deadline =
        Doorbell::Clock::now() + std::chrono::milliseconds(2);
    bell.Await(bell.rung(), 1, spins, deadline);
    // It may return before for no reason.
    while (Doorbell::Clock::now() < deadline) bell.Await(bell.rung(), 1, spins, deadline);
    bell.Await(bell.rung(), 1, spins, Doorbell::Clock::time_point::min());
    EXPECT_EQ(bell.rung(), 0U);
  }
}

TEST(Doorbell, NobodyWaitsForABrokenOne) {
  Doorbell bell;
  {
    const std::jthread waiter([&] { bell.Await(bell.rung(), 1000, false); });
    bell.Break();
  }
  bell.Await(bell.rung(), 1000, false);
}

}  // namespace
}  // namespace cf::doorbell_test

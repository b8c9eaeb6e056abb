#include "coordinator/watch.h"

#include <chrono>
#include <condition_variable>
#include <mutex>

#include <gtest/gtest.h>

namespace cf::watch_test {
namespace {

using std::chrono::milliseconds;

TEST(Watch, LooksAgainAndAgainAndCountsNoMoreThanTwoPeriods) {
  std::mutex mutex;
  std::condition_variable changed;
  int looks = 0;
  milliseconds longest{0};
  Watch watch(milliseconds(1), [&](milliseconds elapsed) {
    const std::lock_guard lock(mutex);
    ++looks;
    longest = std::max(longest, elapsed);
    changed.notify_all();
  });
  std::unique_lock lock(mutex);
  ASSERT_TRUE(changed.wait_for(lock, std::chrono::seconds(30), [&] { return looks > 20; }));
  EXPECT_LE(longest, milliseconds(2));
}

TEST(Watch, EndsWithoutWaitingForTheNextLook) {
  const Watch watch(std::chrono::hours(1), [](milliseconds) { ADD_FAILURE() << "not due"; });
}

}  // namespace
}  // namespace cf::watch_test

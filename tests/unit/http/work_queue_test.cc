// Goal: every request that was pushed is answered, in bundles of one route; a full queue takes none.

#include "common/http/work_queue.h"

#include <atomic>
#include <chrono>
#include <latch>

#include <gtest/gtest.h>

#include "common/http/router.h"

namespace cf::work_queue_test {
namespace {

std::shared_ptr<HttpExchange> RequestOf(const Route& route,
                                        std::chrono::seconds left = std::chrono::seconds(60)) {
  auto exchange = std::make_shared<HttpExchange>();
  exchange->route = &route;
  exchange->deadline = std::chrono::steady_clock::now() + left;
  return exchange;
}

TEST(WorkQueue, BundlesAreOfOneRouteAndAShareOfWhatWaits) {
  std::latch first_runs(1);
  std::latch go(1);
  std::latch all(12);
  std::vector<std::size_t> sizes;
  const Route slow = {.method = "GET", .pattern = "/slow", .handle = [&](auto) {
                        first_runs.count_down();
                        go.wait();
                      }};
  const Route many = {
      .method = "GET",
      .pattern = "/many",
      .handle = [&](std::span<HttpExchange* const> bundle) { sizes.push_back(bundle.size()); },
      .bundle_max = 4};
  const Route single = {
      .method = "GET", .pattern = "/single", .handle = [&](std::span<HttpExchange* const> bundle) {
        sizes.push_back(bundle.size());
      }};
  WorkQueue queue({.workers = 1, .waiting_max = 100}, [&](const WorkQueue::Bundle& bundle) {
    all.count_down(static_cast<std::ptrdiff_t>(bundle.size()));
  });
  ASSERT_TRUE(queue.Push(RequestOf(slow)));
  first_runs.wait();
  for (int k = 0; k < 6; ++k) ASSERT_TRUE(queue.Push(RequestOf(many)));
  for (int k = 0; k < 2; ++k) ASSERT_TRUE(queue.Push(RequestOf(single)));
  for (int k = 0; k < 3; ++k) ASSERT_TRUE(queue.Push(RequestOf(many)));
  EXPECT_EQ(queue.size(), 11U);
  go.count_down();
  all.wait();
  EXPECT_EQ(sizes, (std::vector<std::size_t>{4, 2, 1, 1, 3}));
}

// Goal: a bundle is as large as it can be without leaving a thread idle: one pass over the items then serves
// most requests. Method: the other thread is busy until the bundle has been answered.
TEST(WorkQueue, WhereNoThreadIsIdleABundleIsAllThatWaits) {
  std::latch both_run(2);
  std::latch go_first(1);
  std::latch go_second(1);
  std::latch all(4);
  std::vector<std::size_t> sizes;
  const Route first = {.method = "GET", .pattern = "/first", .handle = [&](auto) {
                         both_run.count_down();
                         go_first.wait();
                       }};
  const Route second = {.method = "GET", .pattern = "/second", .handle = [&](auto) {
                          both_run.count_down();
                          go_second.wait();
                        }};
  const Route many = {.method = "GET",
                      .pattern = "/many",
                      .handle =
                          [&](std::span<HttpExchange* const> bundle) {
                            sizes.push_back(bundle.size());
                            all.count_down(static_cast<std::ptrdiff_t>(bundle.size()));
                          },
                      .bundle_max = 8};
  WorkQueue queue({.workers = 2, .waiting_max = 100}, [](const WorkQueue::Bundle&) {});
  ASSERT_TRUE(queue.Push(RequestOf(first)));
  ASSERT_TRUE(queue.Push(RequestOf(second)));
  both_run.wait();
  for (int k = 0; k < 4; ++k) ASSERT_TRUE(queue.Push(RequestOf(many)));
  go_first.count_down();
  all.wait();
  EXPECT_EQ(sizes, (std::vector<std::size_t>{4}));
  go_second.count_down();
}

TEST(WorkQueue, AFullQueueTakesNone) {
  std::latch runs(1);
  std::latch go(1);
  std::atomic<int> answered = 0;
  const Route route = {.method = "GET", .pattern = "/", .handle = [&](auto) {
                         if (answered == 0) runs.count_down();
                         go.wait();
                       }};
  {
    WorkQueue queue({.workers = 1, .waiting_max = 2}, [&](const WorkQueue::Bundle& bundle) {
      answered += static_cast<int>(bundle.size());
    });
    ASSERT_TRUE(queue.Push(RequestOf(route)));
    runs.wait();
    EXPECT_TRUE(queue.Push(RequestOf(route)));
    EXPECT_TRUE(queue.Push(RequestOf(route)));
    EXPECT_FALSE(queue.Push(RequestOf(route)));
    go.count_down();
  }
  EXPECT_EQ(answered, 3);
}

TEST(WorkQueue, WhatHasWaitedTooLongIsNotWorkedAt) {
  bool worked = false;
  std::shared_ptr<HttpExchange> answered;
  const Route route = {.method = "GET", .pattern = "/", .handle = [&](auto) { worked = true; }};
  {
    WorkQueue queue({}, [&](const WorkQueue::Bundle& bundle) { answered = bundle.front(); });
    queue.Push(RequestOf(route, std::chrono::seconds(-1)));
  }
  EXPECT_FALSE(worked);
  EXPECT_EQ(answered->response.status, 503);
}

}  // namespace
}  // namespace cf::work_queue_test

#include "worker/wave.h"

#include <algorithm>
#include <map>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "common/math/random.h"

namespace cf::wave_test {
namespace {

std::vector<Wave::Visit> AllVisits(Wave& wave) {
  std::vector<Wave::Visit> visits;
  while (const std::optional<Wave::Visit> visit = wave.Take()) {
    visits.push_back(*visit);
    wave.End(*visit, visit->last);
  }
  return visits;
}

TEST(Wave, OneRankTakesARoundAVisit) {
  Wave wave({0, 4});
  wave.Begin(0, 8, std::vector<std::uint64_t>(4, 0));
  const std::vector<Wave::Visit> visits = AllVisits(wave);
  // (p, first, last): the uppermost starts with one block, and then goes a round behind the lowest.
  const std::vector<std::vector<std::uint64_t>> expected = {
      {3, 0, 1}, {2, 0, 2}, {1, 0, 3}, {0, 0, 4}, {3, 1, 5}, {2, 2, 6},
      {1, 3, 7}, {0, 4, 8}, {3, 5, 8}, {2, 6, 8}, {1, 7, 8}};
  ASSERT_EQ(visits.size(), expected.size());
  for (std::size_t v = 0; v < visits.size(); ++v) {
    EXPECT_EQ(Index(visits[v].partition), expected[v][0]) << v;
    EXPECT_EQ(visits[v].first, expected[v][1]) << v;
    EXPECT_EQ(visits[v].last, expected[v][2]) << v;
  }
  for (const std::uint64_t next : wave.next()) EXPECT_EQ(next, 8U);
}

TEST(Wave, PassesOverWhatIsDone) {
  Wave wave({4, 6});
  wave.Begin(0, 5, std::vector<std::uint64_t>{1, 4});
  const std::vector<Wave::Visit> visits = AllVisits(wave);
  ASSERT_EQ(visits.size(), 4U);
  EXPECT_EQ(visits[0].partition, PartitionId{4});
  EXPECT_EQ(visits[0].first, 1U);
  EXPECT_EQ(visits[0].last, 2U);
  EXPECT_EQ(visits[1].partition, PartitionId{4}) << "the upper one is a sweep ahead";
  EXPECT_EQ(visits[2].partition, PartitionId{5});
  EXPECT_EQ(visits[2].first, 4U);
  EXPECT_EQ(visits[3].last, 5U);
}

TEST(Wave, WithoutASubEpochThereIsNoVisit) {
  Wave wave({0, 4});
  wave.Begin(3, 3, std::vector<std::uint64_t>(4, 3));
  EXPECT_FALSE(wave.Take().has_value());
}

TEST(Wave, TellsWhatComes) {
  Wave wave({0, 2});
  wave.Begin(0, 2, std::vector<std::uint64_t>(2, 0));
  EXPECT_EQ(wave.Coming(2), (std::vector{PartitionId{1}, PartitionId{0}}));
  const Wave::Visit first = wave.Take().value();
  EXPECT_EQ(wave.Coming(2), (std::vector{PartitionId{0}, PartitionId{1}}));
  wave.End(first, first.last);
  EXPECT_EQ(AllVisits(wave).size(), 2U);
  EXPECT_TRUE(wave.Coming(2).empty());
}

TEST(Wave, APartitionIsVisitedByOneThreadAtATime) {
  Wave wave({0, 1});
  wave.Begin(0, 3, std::vector<std::uint64_t>(1, 0));
  const Wave::Visit first = wave.Take().value();
  std::optional<Wave::Visit> second;
  bool ended = false;
  {
    const std::jthread other([&] {
      second = wave.Take();
      EXPECT_TRUE(ended);
    });
    ended = true;
    wave.End(first, first.last);
  }
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->first, 1U);
}

// A thread that was slow to wake up once found that another had been to its partition, ahead of it.
TEST(Wave, VisitsToAPartitionKeepTheirOrder) {
  constexpr std::uint64_t kVisits = 2000;
  Wave wave({0, 1});
  wave.Begin(0, kVisits, std::vector<std::uint64_t>(1, 0));
  std::uint64_t done = 0;  // Of one visit at a time.
  const auto visit_all = [&] {
    while (const std::optional<Wave::Visit> visit = wave.Take()) {
      EXPECT_EQ(visit->first, done);
      done = visit->last;
      wave.End(*visit, visit->last);
    }
  };
  {
    const std::jthread first(visit_all);
    const std::jthread second(visit_all);
    const std::jthread third(visit_all);
  }
  EXPECT_EQ(done, kVisits);
}

TEST(Wave, AVisitThatEndsEarlyEndsIt) {
  Wave wave({0, 1});
  wave.Begin(0, 3, std::vector<std::uint64_t>(1, 0));
  const Wave::Visit first = wave.Take().value();
  {
    const std::jthread other([&] { EXPECT_FALSE(wave.Take().has_value()); });
    wave.End(first, first.first);
  }
  EXPECT_FALSE(wave.Take().has_value());
  EXPECT_EQ(wave.next()[0], 0U);
  wave.Begin(0, 3, wave.next());
  EXPECT_TRUE(wave.Take().has_value()) << "the next one begins anew";
}

/// Ranks with waves of their own, whose threads take a step at a time, in an order by seed. A thread
/// that cannot go on waits; if all that are not done do, they would for ever.
class Ring {
 public:
  /// Ranks of so many partitions, `threads` of each as far as it has partitions.
  Ring(const std::vector<std::uint32_t>& sizes, std::uint32_t threads) {
    std::uint32_t first = 0;
    for (const std::uint32_t size : sizes) {
      waves_.push_back(std::make_unique<Wave>(SeatRange{first, first + size}));
      for (std::uint32_t t = 0; t < std::min(threads, size); ++t) {
        threads_.push_back({.rank = waves_.size() - 1});
      }
      first += size;
    }
    next_.resize(first);
  }

  /// Trains up to `last`. `slow`: the rank whose threads are drawn seldom.
  void Train(std::uint64_t last, std::uint64_t seed, std::size_t slow) {
    const CounterRandom random(seed, Purpose::kBlockShuffle);
    for (const auto& wave : waves_) {
      wave->Begin(0, last, std::span(next_).subspan(wave->range().first, wave->range().size()));
    }
    for (Thread& thread : threads_) thread = {.rank = thread.rank};
    for (std::uint64_t drawn = 0; !Done(); drawn += 2) {
      ASSERT_TRUE(std::ranges::any_of(threads_, [&](const Thread& t) { return CanGoOn(t); }))
          << "seed " << seed;
      Thread& thread = threads_[random.Below(drawn, threads_.size())];
      if (thread.rank == slow && random.Below(drawn + 1, 20) != 0) continue;
      if (CanGoOn(thread)) GoOn(thread);
    }
    for (const std::uint64_t next : next_) EXPECT_EQ(next, last);
  }

  /// Sets how far partitions have come to something by seed that training can come to.
  void StartAnywhere(std::uint64_t seed, std::uint64_t last) {
    const CounterRandom random(seed, Purpose::kBlockShuffle, 1);
    for (std::uint64_t drawn = 0; drawn < 40 * next_.size(); ++drawn) {
      const std::size_t p = random.Below(drawn, next_.size());
      if (next_[p] < last && IsReady(p)) ++next_[p];
    }
  }

 private:
  struct Thread {
    std::size_t rank = 0;
    std::optional<Wave::Visit> visit{};
    bool is_done = false;
  };

  // Whether what the next block of partition `p` needs is done.
  bool IsReady(std::size_t p) const { return next_[(p + 1) % next_.size()] >= next_[p]; }
  bool Done() const {
    return std::ranges::all_of(threads_, [](const Thread& t) { return t.is_done; });
  }
  bool CanGoOn(const Thread& thread) const {
    if (thread.is_done) return false;
    return !thread.visit.has_value() || IsReady(Index(thread.visit->partition));
  }
  void GoOn(Thread& thread) {
    Wave& wave = *waves_[thread.rank];
    if (!thread.visit.has_value()) {
      // Who takes a visit to a partition that another thread is in waits for that one.
      const std::vector<PartitionId> coming = wave.Coming(1);
      const auto is_there = [&](const Thread& t) {
        return t.visit.has_value() && !coming.empty() && t.visit->partition == coming.front();
      };
      if (std::ranges::any_of(threads_, is_there)) return;
      thread.visit = wave.Take();
      thread.is_done = !thread.visit.has_value();
      if (!thread.is_done) {
        ASSERT_EQ(thread.visit->first, next_[Index(thread.visit->partition)]);
      }
      return;
    }
    std::uint64_t& next = next_[Index(thread.visit->partition)];
    if (++next < thread.visit->last) return;
    wave.End(*thread.visit, next);
    thread.visit.reset();
  }

  std::vector<std::unique_ptr<Wave>> waves_;
  std::vector<Thread> threads_;
  std::vector<std::uint64_t> next_;  // By partition.
};

// Goal: there is no deadlock, whatever the ranks have and whoever is slow, and every block is worked
// on once, behind what it needs.
TEST(Wave, NobodyWaitsForEver) {
  const std::vector<std::vector<std::uint32_t>> rings = {
      {8}, {4, 4}, {5, 3}, {2, 3, 3}, {1, 7}, {1, 1, 6}, {2, 2, 2, 2}, {1, 1, 1, 1, 1, 1, 1, 1}};
  for (const std::vector<std::uint32_t>& sizes : rings) {
    for (const std::uint32_t threads : {1U, 2U, 3U, 8U}) {
      for (std::uint64_t seed = 0; seed < 20; ++seed) {
        Ring ring(sizes, threads);
        if (seed % 2 == 1) ring.StartAnywhere(seed, 24);
        ring.Train(24, seed, seed % (sizes.size() + 1));
      }
    }
  }
}

}  // namespace
}  // namespace cf::wave_test

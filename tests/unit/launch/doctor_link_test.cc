#include "launch/doctor_link.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace cf::doctor_link_test {
namespace {

struct Places {
  std::vector<Listener> listeners;  // By rank.
  std::vector<Endpoint> endpoints;
};

Places Listening(int ranks) {
  Places places;
  for (int rank = 0; rank < ranks; ++rank) {
    places.listeners.push_back(*Listener::Open("127.0.0.1"));
    places.endpoints.push_back(places.listeners.back().endpoint());
  }
  return places;
}

// Goal: all meet once, and nobody two at a time.
TEST(Rounds, EachPairMeetsOnce) {
  for (int count = 1; count <= 9; ++count) {
    std::set<std::pair<int, int>> met;
    for (const std::vector<int>& partner : RoundsOf(count)) {
      ASSERT_EQ(partner.size(), static_cast<std::size_t>(count));
      for (int k = 0; k < count; ++k) {
        const int other = partner[static_cast<std::size_t>(k)];
        ASSERT_TRUE(other >= 0 && other < count);
        EXPECT_EQ(partner[static_cast<std::size_t>(other)], k);
        if (k >= other) continue;
        EXPECT_TRUE(met.emplace(k, other).second) << k << " and " << other;
      }
    }
    EXPECT_EQ(met.size(), static_cast<std::size_t>(count * (count - 1) / 2)) << count;
  }
}

// Goal: each way is measured by one of its ends, rank 0 hears of all, and one that is not asked to
// measure reports, too.
TEST(DoctorLink, MeasuresEachWayAndReports) {
  constexpr int kRanks = 4;
  Places places = Listening(kRanks);
  const JobKey key = *MakeJobKey();
  const std::vector<int> measuring = {0, 1, 3};
  std::map<int, RankReport> reports;
  std::vector<std::thread> threads;
  for (int rank = 0; rank < kRanks; ++rank) {
    threads.emplace_back([&, rank] {
      const auto link =
          DoctorLink::Connect(std::move(places.listeners[static_cast<std::size_t>(rank)]),
                              {.rank = rank, .endpoints = places.endpoints, .key = key});
      ASSERT_TRUE(link.ok()) << link.status();
      RankReport own;
      if (rank != 2) {
        const std::vector<PairSpeed> speeds = (*link)->MeasureWays(measuring);
        own.mutable_speeds()->Assign(speeds.begin(), speeds.end());
      }
      if (rank > 0) (*link)->Tell(own);
      if (rank == 0) reports = (*link)->AwaitReports(std::chrono::seconds(30));
      if (rank == 0) reports[0] = own;
      (*link)->Close();
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_EQ(reports.size(), static_cast<std::size_t>(kRanks));
  std::set<std::pair<std::uint32_t, std::uint32_t>> ways;
  for (const auto& [rank, report] : reports) {
    for (const PairSpeed& speed : report.speeds()) {
      ways.emplace(speed.from_rank(), speed.to_rank());
      EXPECT_EQ(speed.error(), "");
      EXPECT_GT(speed.round_trip_seconds(), 0);
      EXPECT_GT(speed.there_bytes_per_second(), 0);
      EXPECT_GT(speed.back_bytes_per_second(), 0);
    }
  }
  EXPECT_EQ(ways, (std::set<std::pair<std::uint32_t, std::uint32_t>>{{0, 1}, {0, 3}, {1, 3}}));
}

// Goal: a rank that is gone is said of the ways to it, and the others are measured all the same.
TEST(DoctorLink, AWayToNobodySaysWhy) {
  constexpr int kRanks = 3;
  Places places = Listening(kRanks);
  const JobKey key = *MakeJobKey();
  std::map<int, RankReport> reports;
  std::vector<PairSpeed> speeds;
  std::vector<std::thread> threads;
  for (int rank = 0; rank < kRanks; ++rank) {
    threads.emplace_back([&, rank] {
      const auto link =
          DoctorLink::Connect(std::move(places.listeners[static_cast<std::size_t>(rank)]),
                              {.rank = rank, .endpoints = places.endpoints, .key = key});
      ASSERT_TRUE(link.ok()) << link.status();
      if (rank < 2) {
        const std::vector<PairSpeed> own = (*link)->MeasureWays({0, 1, 2});
        if (rank == 0) speeds = own;
      }
      if (rank == 1) (*link)->Tell(RankReport());
      if (rank == 0) reports = (*link)->AwaitReports(std::chrono::seconds(30));
      (*link)->Close();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(reports.contains(1));
  EXPECT_FALSE(reports.contains(2));
  ASSERT_EQ(speeds.size(), 2U);
  for (const PairSpeed& speed : speeds) {
    EXPECT_EQ(speed.error(), speed.to_rank() == 2 ? "the connection was lost" : "");
  }
}

}  // namespace
}  // namespace cf::doctor_link_test

// Goal and method of kill_test.cc, for every victim and moment and a range of seeds.
// CF_TEST_SEEDS=FIRST:LAST chooses others.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/cluster.h"
#include "tests/support/kill_scenario.h"

namespace cf::kill_long_test {
namespace {

TEST(KillLong, AnythingAtAnyTime) {
  unsigned first = 101;
  unsigned last = 106;
  if (const char* seeds = std::getenv("CF_TEST_SEEDS"); seeds != nullptr) {
    ASSERT_EQ(std::sscanf(seeds, "%u:%u", &first, &last), 2) << "CF_TEST_SEEDS is FIRST:LAST";
  }
  const TestCluster cluster;
  const std::string digest = KillOracle(cluster);
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    for (const Victim victim :
         {Victim::kRank, Victim::kMpirun, Victim::kMpirunOfCfrun, Victim::kRankOfCfrun}) {
      for (const Moment moment : {Moment::kBeforeSnapshot, Moment::kAfterSnapshot}) {
        CheckKill(cluster, {.victim = victim, .moment = moment, .seed = seed}, digest);
      }
    }
  }
}

}  // namespace
}  // namespace cf::kill_long_test

// Goal: no bytes that others wrote stop the process or break what a reader promises. Method: every
// target over its seeds and over mutations of them, drawn from a fixed seed; the same targets are
// libFuzzer's with the preset `fuzz`, for hours where this takes a second.

#include <cstddef>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/fuzz/fuzz.h"

namespace cf::fuzz {
namespace {

class Fuzz : public ::testing::TestWithParam<FuzzTarget> {};

INSTANTIATE_TEST_SUITE_P(Targets, Fuzz, ::testing::ValuesIn(Targets()),
                         [](const ::testing::TestParamInfo<FuzzTarget>& target) {
                           return target.param.name;
                         });

TEST_P(Fuzz, SeedsAreTaken) {
  const std::vector<std::string> seeds = GetParam().seeds();
  ASSERT_FALSE(seeds.empty());
  for (const std::string& seed : seeds) EXPECT_TRUE(GetParam().run(BytesOf(seed))) << seed;
}

TEST_P(Fuzz, MutationsOfSeedsAreTakenOrRefused) {
  const std::vector<std::string> seeds = GetParam().seeds();
  std::mt19937_64 random(20261128);
  const auto any = [&]() -> const std::string& { return seeds[random() % seeds.size()]; };
  const int rounds = GetParam().rounds;
  int taken = 0;
  for (int round = 0; round < rounds; ++round) {
    const std::string& seed = any();
    const std::string input = Mutated(seed, any(), "0123456789{}\":/.,-\n\r\t <>#'eE", 4, random);
    taken += GetParam().run(BytesOf(input)) ? 1 : 0;
  }
  EXPECT_GE(taken * 100, rounds * GetParam().share_min);
  EXPECT_GE((rounds - taken) * 100, rounds * GetParam().share_min);
}

TEST_P(Fuzz, RandomBytesAreTakenOrRefused) {
  std::mt19937_64 random(20261129);
  for (int round = 0; round < GetParam().rounds / 4; ++round) {
    std::string input(random() % 200, '\0');
    for (char& c : input) c = static_cast<char>(random());
    GetParam().run(BytesOf(input));
  }
}

}  // namespace
}  // namespace cf::fuzz

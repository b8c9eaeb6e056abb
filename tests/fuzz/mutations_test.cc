// Goal: no bytes that others wrote stop the process or break what a reader promises. Method: the
// target of this program over its seeds and over mutations of them, drawn from a fixed seed; the
// same targets are libFuzzer's with the preset `fuzz`, for hours where this takes a second.

#include <cstddef>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/fuzz/fuzz.h"

namespace cf::fuzz {
namespace {

// Of a hundred mutations, how many must be taken and how many refused at least: a side that is
// starved proves nothing of itself.
constexpr int kShareMin = CF_FUZZ_SHARE_MIN;

TEST(Fuzz, SeedsAreTaken) {
  const std::vector<std::string> seeds = Seeds();
  ASSERT_FALSE(seeds.empty());
  for (const std::string& seed : seeds) EXPECT_TRUE(RunTarget(BytesOf(seed))) << seed;
}

TEST(Fuzz, MutationsOfSeedsAreTakenOrRefused) {
  const std::vector<std::string> seeds = Seeds();
  std::mt19937_64 random(20261128);
  const auto any = [&]() -> const std::string& { return seeds[random() % seeds.size()]; };
  int taken = 0;
  for (int round = 0; round < CF_FUZZ_ROUNDS; ++round) {
    const std::string& seed = any();
    const std::string input = Mutated(seed, any(), "0123456789{}\":/.,-\n\r\t <>#'eE", 4, random);
    taken += RunTarget(BytesOf(input)) ? 1 : 0;
  }
  EXPECT_GE(taken * 100, CF_FUZZ_ROUNDS * kShareMin);
  EXPECT_GE((CF_FUZZ_ROUNDS - taken) * 100, CF_FUZZ_ROUNDS * kShareMin);
}

TEST(Fuzz, RandomBytesAreTakenOrRefused) {
  std::mt19937_64 random(20261129);
  for (int round = 0; round < CF_FUZZ_ROUNDS / 4; ++round) {
    std::string input(random() % 200, '\0');
    for (char& c : input) c = static_cast<char>(random());
    RunTarget(BytesOf(input));
  }
}

}  // namespace
}  // namespace cf::fuzz

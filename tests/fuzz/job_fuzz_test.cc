// What mutations of small inputs do not reach: texts that are deep, or as long as a job may be.

#include <string>

#include <gtest/gtest.h>

#include "tests/fuzz/fuzz.h"

namespace cf::fuzz {
namespace {

TEST(JobFuzz, SurvivesDeepAndLongText) {
  std::string deep;
  for (int k = 0; k < 20000; ++k) deep += "model {";
  EXPECT_FALSE(RunTarget(BytesOf(deep)));
  const std::string braces((1U << 20) - 1, '{');
  EXPECT_FALSE(RunTarget(BytesOf(braces)));
  const std::string name((1U << 20) - 1, 'x');
  EXPECT_FALSE(RunTarget(BytesOf(name)));
}

}  // namespace
}  // namespace cf::fuzz

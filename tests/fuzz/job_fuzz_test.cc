// What mutations of small inputs do not reach: texts that are deep, or as long as a job may be.

#include <algorithm>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "tests/fuzz/fuzz.h"

namespace cf::fuzz {
namespace {

TEST(JobFuzz, SurvivesDeepAndLongText) {
  const auto job = std::ranges::find(Targets(), std::string_view("job"), &FuzzTarget::name);
  ASSERT_NE(job, Targets().end());
  std::string deep;
  for (int k = 0; k < 20000; ++k) deep += "model {";
  EXPECT_FALSE(job->run(BytesOf(deep)));
  const std::string braces((1U << 20) - 1, '{');
  EXPECT_FALSE(job->run(BytesOf(braces)));
  const std::string name((1U << 20) - 1, 'x');
  EXPECT_FALSE(job->run(BytesOf(name)));
}

}  // namespace
}  // namespace cf::fuzz

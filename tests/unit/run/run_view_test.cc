#include "run/run_view.h"

#include <string>

#include <gtest/gtest.h>

namespace cf::run_view_test {
namespace {

TEST(ParseStatus, FieldsOfALaterProgramAreSkipped) {
  const absl::StatusOr<RunStatus> status =
      ParseStatus("epoch: 3 mood { good: true depth { of: \"it\" } } threads: 4", "f");
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->epoch(), 3U);
  EXPECT_EQ(status->threads(), 4U);
}

TEST(ParseStatus, WhatIsNoneIsDamage) {
  EXPECT_EQ(ParseStatus("epoch 3", "f").status().message(), "f: this is no status of a job");
  EXPECT_TRUE(absl::IsDataLoss(ParseStatus("epoch 3", "f").status()));
}

TEST(ParseStatus, ADeeplyNestedOneIsRefused) {
  std::string deep;
  for (int k = 0; k < 200'000; ++k) deep += "a{";
  EXPECT_TRUE(absl::IsDataLoss(ParseStatus(deep, "f").status()));
}

}  // namespace
}  // namespace cf::run_view_test

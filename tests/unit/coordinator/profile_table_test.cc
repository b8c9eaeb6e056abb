#include "coordinator/profile_table.h"

#include <gtest/gtest.h>

#include "common/base/profile.h"

namespace cf::profile_table_test {
namespace {

/// Seconds of one phase, as a rank reports them.
Reply ReplyWith(Phase phase, std::uint64_t seconds) {
  Reply reply;
  for (std::size_t k = 0; k < kPhases; ++k) {
    reply.mutable_profile()->add_nanoseconds(
        k == static_cast<std::size_t>(phase) ? seconds * 1'000'000'000 : 0);
  }
  return reply;
}

TEST(ProfileTable, AddsUpCommandsAndRanks) {
  ProfileTable table;
  std::vector<Reply> replies = {ReplyWith(Phase::kGradient, 1), ReplyWith(Phase::kApply, 2)};
  replies[1].mutable_profile()->mutable_tcp()->set_messages(5);
  replies[1].mutable_profile()->mutable_tcp()->set_bytes(3 << 20);
  table.Add({.progress = {},
             .replies = replies,
             .samples = 400'000'000,
             .steps = 1000,
             .pause_seconds = 0.25});
  const std::vector<Reply> others = {ReplyWith(Phase::kGradient, 3),
                                     ReplyWith(Phase::kWaitRows, 2)};
  table.Add({.progress = {},
             .replies = others,
             .samples = 600'000'000,
             .steps = 1000,
             .pause_seconds = 0.5});
  EXPECT_EQ(
      table.Text("epoch 3"),
      "profile of epoch 3: 1,000,000,000 samples in 2,000 steps; seconds of compute threads\n"
      "rank         loader   unique     pull gradient    merge     push    apply   w.push   w.rows"
      "    other    total\n"
      "0             0.000    0.000    0.000    4.000    0.000    0.000    0.000    0.000    0.000"
      "    0.000    4.000\n"
      "1             0.000    0.000    0.000    0.000    0.000    0.000    2.000    0.000    2.000"
      "    0.000    4.000\n"
      "sum           0.000    0.000    0.000    4.000    0.000    0.000    2.000    0.000    2.000"
      "    0.000    8.000\n"
      "percent         0.0      0.0      0.0     50.0      0.0      0.0     25.0      0.0     25.0"
      "      0.0    100.0\n"
      "ns/sample       0.0      0.0      0.0      4.0      0.0      0.0      2.0      0.0      2.0"
      "      0.0      8.0\n"
      "sent                            call             shared memory                       TCP\n"
      "rank            messages         MiB      messages         MiB      messages         MiB\n"
      "0                      0         0.0             0         0.0             0         0.0\n"
      "1                      0         0.0             0         0.0             5         3.0\n"
      "sum                    0         0.0             0         0.0             5         3.0\n"
      "B/sample                         0.0                       0.0                       0.0\n"
      "training waited 0.750 s for snapshots beside");
}

// A job that ends before its first step has nothing to divide by; one rank sends nothing.
TEST(ProfileTable, OfNothingHasNoTableByChannel) {
  ProfileTable table;
  const std::vector<Reply> replies(1);
  table.Add({.progress = {}, .replies = replies});
  const std::string text = table.Text("the job");
  EXPECT_EQ(text.find("sent"), std::string::npos);
  EXPECT_EQ(text.find("nan"), std::string::npos);
  EXPECT_NE(text.back(), '\n');
}

}  // namespace
}  // namespace cf::profile_table_test

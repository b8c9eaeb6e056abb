#include "launch/subprocess.h"

#include <chrono>

#include <gtest/gtest.h>

namespace cf::subprocess_test {
namespace {

TEST(OutputOf, IsWhatACommandPrints) {
  EXPECT_EQ(OutputOf({"sh", "-c", "echo one; echo two >&2"}).value(), "one\n");
  EXPECT_EQ(OutputOf({"sh", "-c", "exit 3"}).status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(OutputOf({"sh", "-c", "echo why >&2; echo more >&2; exit 3"}).status(),
            absl::InternalError("sh failed (why)"));
  EXPECT_EQ(OutputOf({"no-such-program-anywhere"}).status().code(), absl::StatusCode::kNotFound);
}

TEST(OutputOf, EndsACommandThatDoesNotAnswer) {
  EXPECT_EQ(OutputOf({"sleep", "60"}, std::chrono::seconds(1)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
}

// A requeue reached scontrol itself before it had said that the job was requeued, and cfrun said that
// it was not.
TEST(OutputOf, ASigtermDoesNotKeepACommandFromAnswering) {
  EXPECT_EQ(OutputOf({"sh", "-c", "kill -TERM $$; echo requeued"}).value(), "requeued\n");
}

}  // namespace
}  // namespace cf::subprocess_test

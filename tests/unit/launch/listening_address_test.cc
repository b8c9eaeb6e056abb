#include "launch/listening_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cf::listening_address_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(ListeningAddress, IsLoopbackOnOneHost) {
  EXPECT_EQ(ListeningAddress({"a", "a", "a"}, 1, "").value(), "127.0.0.1");
  // Nothing listens wider than the job needs, whatever the configuration says for other jobs.
  EXPECT_EQ(ListeningAddress({"a", "a"}, 0, "eth0").value(), "127.0.0.1");
}

TEST(ListeningAddress, IsThatOfTheChosenInterface) {
  EXPECT_EQ(ListeningAddress({"a", "b"}, 0, "lo").value(), "127.0.0.1");
}

TEST(ListeningAddress, NamesAnInterfaceThatIsNotHere) {
  const absl::StatusOr<std::string> address = ListeningAddress({"a", "b"}, 1, "nope0");
  ASSERT_EQ(address.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(address.status().message()),
              AllOf(HasSubstr("cluster.interface"), HasSubstr("host b"), HasSubstr("\"nope0\""),
                    HasSubstr("lo")));
}

TEST(ListeningAddress, TowardsAnotherHostIsNeverLoopback) {
  // "localhost" stands for a neighbour whose name resolves to loopback by mistake: the others could
  // not connect there. Where this machine has one other interface, that is it; else it must ask.
  const absl::StatusOr<std::string> address = ListeningAddress({"a", "localhost"}, 0, "");
  if (address.ok()) {
    EXPECT_NE(address->substr(0, 4), "127.");
  } else {
    EXPECT_THAT(std::string(address.status().message()), HasSubstr("set cluster.interface"));
  }
}

}  // namespace
}  // namespace cf::listening_address_test

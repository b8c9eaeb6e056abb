#include "coordinator/roster.h"

#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace cf::roster_test {
namespace {

std::vector<RosterMember> ThreeMembers() {
  return {{.id = MemberId{7}, .host = "a"},
          {.id = MemberId{3}, .host = "b"},
          {.id = MemberId{5}, .host = "a"}};
}

TEST(Roster, KnowsWhoLeadsByIdAndNotByRank) {
  for (const auto& [id, rank] : {std::pair{7U, 0}, {3U, 1}, {5U, 2}}) {
    EXPECT_EQ(Roster::Make(ThreeMembers(), MemberId{id}).value().leader(), rank);
  }
  EXPECT_EQ(Roster::Make(ThreeMembers(), MemberId{7}).value().host_count(), 2);
}

TEST(Roster, RefusesALeaderWhoIsNoMemberAndAMemberWhoIsThereTwice) {
  EXPECT_EQ(Roster::Make(ThreeMembers(), MemberId{1}).status(),
            absl::InvalidArgumentError("the leader, member 1, is not in the roster"));
  EXPECT_EQ(Roster::Make({}, MemberId{0}).status().code(), absl::StatusCode::kInvalidArgument);
  std::vector<RosterMember> twice = ThreeMembers();
  twice[2].id = MemberId{3};
  EXPECT_EQ(Roster::Make(std::move(twice), MemberId{7}).status(),
            absl::InvalidArgumentError("member 3 is in the roster twice"));
}

// Of a loss the leader speaks, and of its own the first who is left.
TEST(Roster, SomebodyWhoIsLeftSpeaks) {
  for (const auto& [id, leader] : {std::pair{7U, 0}, {3U, 1}, {5U, 2}}) {
    const Roster roster = Roster::Make(ThreeMembers(), MemberId{id}).value();
    for (int lost = 0; lost < 3; ++lost) {
      const int speaker = roster.SpeakerWithout(lost);
      EXPECT_NE(speaker, lost);
      if (lost != leader) {
        EXPECT_EQ(speaker, leader);
      }
    }
  }
}

TEST(ThreadsOf, AreThoseThatWereAskedForOrOneForEachCore) {
  MemberResources resources;
  resources.set_cores(6);
  Job job;
  job.mutable_cluster()->set_threads(0);
  EXPECT_EQ(ThreadsOf(job, resources), 6U);
  EXPECT_EQ(ThreadsOf(job, MemberResources()), 1U);
  job.mutable_cluster()->set_threads(2);
  EXPECT_EQ(ThreadsOf(job, resources), 2U);
}

}  // namespace
}  // namespace cf::roster_test

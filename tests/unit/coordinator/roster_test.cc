#include "coordinator/roster.h"

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/resize.h"

namespace cf::roster_test {
namespace {

using ::testing::ElementsAre;

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

TEST(Roster, IsLedByTheOldestOfThoseWhoAreLeft) {
  const Roster roster = Roster::Make(ThreeMembers(), MemberId{3}).value();
  EXPECT_EQ(roster.Of({0, 2}).leader(), 1);
  EXPECT_EQ(roster.RankOf(MemberId{5}), 2);
  EXPECT_EQ(roster.RankOf(MemberId{6}), std::nullopt);
}

/// Jobs of 16 partitions, whose ranks have a thread each.
class Resize : public ::testing::Test {
 protected:
  Resize() {
    job_.mutable_train()->set_partitions(16);
    job_.mutable_cluster()->set_threads(1);
  }

  static Roster RosterOf(const std::vector<std::uint32_t>& ids) {
    std::vector<RosterMember> members;
    for (const std::uint32_t id : ids) {
      members.push_back({.id = MemberId{id}, .host = "a", .memory = 600});
    }
    return Roster::Make(std::move(members), MemberId{ids.front()}).value();
  }

  static RosterMember Newcomer() { return {.host = "b", .threads = 1, .memory = 100}; }

  std::vector<std::uint32_t> Plan(const Roster& roster, std::vector<RosterMember> joining,
                                  std::uint32_t ranks_wanted, bool asked = false) {
    next_ = PlanResize({.job = job_,
                        .roster = roster,
                        .places = places_,
                        .joining = std::move(joining),
                        .ranks_wanted = ranks_wanted,
                        .asked = asked});
    std::vector<std::uint32_t> ids;
    if (!next_.has_value()) return ids;
    for (const RosterEntry& entry : next_->members()) ids.push_back(entry.id());
    return ids;
  }

  Job job_;
  std::map<MemberId, SeatRange> places_;
  std::optional<GenerationEnd::Resized> next_;
};

TEST_F(Resize, PutsWhoJoinsWhereTheOthersKeepAllTheyHave) {
  places_ = {{MemberId{0}, {0, 4}}, {MemberId{2}, {8, 12}}, {MemberId{3}, {12, 16}}};
  EXPECT_THAT(Plan(RosterOf({0, 2, 3}), {Newcomer()}, 4), ElementsAre(0, 4, 2, 3));
  const Roster next = Roster::After(*next_).value();
  EXPECT_TRUE(next.at(1).joined);
  EXPECT_EQ(next.at(1).host, "b");
  EXPECT_EQ(next.leader(), 0);
  EXPECT_THAT(RangesBefore(next, places_, 16),
              ElementsAre(SeatRange{0, 4}, SeatRange{4, 8}, SeatRange{8, 12}, SeatRange{12, 16}));
  EXPECT_EQ(next_->text(), "1 rank joins on b; 4 ranks go on in place");
  EXPECT_EQ(next_->ranks_wanted(), 4U);
}

TEST_F(Resize, GivesWhoJoinsWhatTheOthersHaveTooMuchOf) {
  places_ = {{MemberId{0}, {0, 8}}, {MemberId{1}, {8, 16}}};
  // The first comes between the two, the second behind them: both keep what they are left with.
  EXPECT_THAT(Plan(RosterOf({0, 1}), {Newcomer(), Newcomer()}, 2), ElementsAre(0, 2, 1, 3));
  EXPECT_EQ(next_->ranks_wanted(), 4U);
  EXPECT_EQ(next_->text(), "2 ranks join on b; 4 ranks go on in place");
}

TEST_F(Resize, LetsNobodyInForWhomNoPartitionIsLeft) {
  EXPECT_THAT(Plan(RosterOf({0, 1}), {}, 2), ElementsAre());
  job_.mutable_cluster()->set_threads(6);
  const auto members = [](std::uint32_t threads) {
    std::vector<RosterMember> all = RosterOf({0, 1}).members();
    for (RosterMember& member : all) member.threads = threads;
    return Roster::Make(std::move(all), MemberId{0}).value();
  };
  RosterMember joiner = Newcomer();
  joiner.threads = 6;
  EXPECT_THAT(Plan(members(6), {joiner}, 2), ElementsAre());
  EXPECT_THAT(Plan(members(5), {joiner, joiner}, 2), ElementsAre(0, 1, 2));
}

TEST_F(Resize, HasTheYoungestLeaveWhereThatIsAskedFor) {
  EXPECT_THAT(Plan(RosterOf({0, 1, 2, 3}), {}, 2), ElementsAre());
  EXPECT_THAT(Plan(RosterOf({0, 1, 2, 3}), {}, 2, /*asked=*/true), ElementsAre(0, 1));
  EXPECT_EQ(next_->text(), "2 ranks leave; 2 ranks go on in place");
  EXPECT_EQ(next_->ranks_wanted(), 2U);
  EXPECT_THAT(Plan(RosterOf({0, 7, 2}), {}, 2, /*asked=*/true), ElementsAre(0, 2));
  EXPECT_THAT(Plan(RosterOf({0, 1}), {Newcomer(), Newcomer()}, 3, /*asked=*/true),
              ElementsAre(0, 1, 2));
}

TEST_F(Resize, SharesTheMemoryOfAHost) {
  RosterMember joiner = Newcomer();
  joiner.host = "a";
  EXPECT_THAT(Plan(RosterOf({0, 1}), {joiner}, 3), ElementsAre(0, 1, 2));
  const Roster next = Roster::After(*next_).value();
  EXPECT_EQ(next.at(0).memory, 400U);
  EXPECT_EQ(next.at(2).memory, 100U);
}

// Goal: a new deal is worth what it costs, and none follows another.
TEST_F(Resize, DealsAnewWhereSomebodyHasTooMuchForLongEnough) {
  const Roster roster = RosterOf({0, 2});
  const auto deal = [&](const WorkAhead& ahead) {
    next_ =
        PlanBalance({.job = job_, .roster = roster, .places = places_, .ranks_wanted = 3}, ahead);
    return next_.has_value();
  };
  places_ = {{MemberId{0}, {0, 6}}, {MemberId{2}, {6, 16}}};
  // A fifth of the time.
  EXPECT_TRUE(deal({.epochs = 0.26}));
  EXPECT_EQ(next_->text(),
            "partitions are dealt evenly again after a loss, 8 a thread at most instead of 10; 2 "
            "ranks go on in place");
  EXPECT_EQ(next_->ranks_wanted(), 3U);
  ASSERT_EQ(next_->members_size(), 2);
  EXPECT_EQ(next_->members(1).id(), 2U);
  EXPECT_FALSE(deal({.epochs = 0.24}));
  EXPECT_TRUE(deal({.epochs = 2.6, .reads_all_again = true}));
  EXPECT_FALSE(deal({.epochs = 2.4, .reads_all_again = true}));
  places_ = {{MemberId{0}, {0, 8}}, {MemberId{2}, {8, 16}}};
  EXPECT_FALSE(deal({.epochs = 1000}));
}

TEST_F(Resize, GoesOnWithoutWhoDoesNotCome) {
  const Roster before = RosterOf({0, 1});
  Plan(before, {Newcomer()}, 2);
  GenerationEnd end;
  *end.mutable_resized() = *next_;
  const Roster left = Roster::After(WithoutWhoJoins(end, before).resized()).value();
  EXPECT_EQ(left.size(), 2);
  EXPECT_EQ(left.at(1).id, MemberId{1});
}

}  // namespace
}  // namespace cf::roster_test

// Goal: who is left after a loss is agreed on or the meeting fails; the next generation is claimed once,
// with a key of its own, and by nobody where there were too many losses. Method: survivors that
// are threads, at doors on loopback; the rule alone as a table.

#include "coordinator/regroup.h"

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/rpc/mesh.h"
#include "coordinator/generation_end.h"
#include "coordinator/survival.h"

namespace cf::regroup_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Roster RosterOf(const std::vector<Endpoint>& doors) {
  std::vector<RosterMember> members;
  for (std::size_t rank = 0; rank < doors.size(); ++rank) {
    members.push_back(
        {.id = MemberId{static_cast<std::uint32_t>(rank)}, .host = "h", .door = doors[rank]});
  }
  return Roster::Make(std::move(members), MemberId{0}).value();
}

Roster RosterOf(int ranks) {
  return RosterOf(std::vector<Endpoint>(static_cast<std::size_t>(ranks)));
}

TEST(Survival, LeavesOutWhoIsLostAndWhoWentOrFellSilentMeanwhile) {
  const Roster roster = RosterOf(6);
  const GenerationEnd lost = LossOf(roster, 2, "it hung up");
  EXPECT_THAT(SurvivorsOf(roster, lost, {}), ElementsAre(0, 1, 3, 4, 5));
  EXPECT_THAT(SurvivorsOf(roster, lost, {.closed = {0, 2}, .silent = {5}}), ElementsAre(1, 3, 4));
  EXPECT_EQ(TextOfSurvival(roster, {1, 3, 4}, lost, 1, 3),
            "rank 2 on h was lost: it hung up, and with it rank 0, 5; 3 of 6 ranks go on in place "
            "(1 of 3)");
}

TEST(Survival, IsOfHalfTheRanksAndWhereSomebodyIsSilentOfAMajority) {
  const auto goes_on = [](int ranks, int original, const std::vector<int>& left, bool silent) {
    const Roster roster = RosterOf(ranks);
    const GenerationEnd lost = LossOf(roster, ranks - 1, "it is gone", silent);
    return WhyNotInPlace(roster, original, left, lost, {}).empty();
  };
  EXPECT_TRUE(goes_on(4, 4, {0, 1, 2}, false));
  EXPECT_TRUE(goes_on(4, 4, {0, 1}, false));
  EXPECT_FALSE(goes_on(4, 4, {0}, false));
  EXPECT_TRUE(goes_on(2, 2, {0}, false));
  EXPECT_FALSE(goes_on(2, 3, {0}, false)) << "one of three";
  EXPECT_TRUE(goes_on(3, 4, {0, 1}, false));
  EXPECT_FALSE(goes_on(3, 6, {0, 1}, false));
  EXPECT_TRUE(goes_on(3, 3, {0, 1}, true));
  EXPECT_FALSE(goes_on(2, 2, {0}, true)) << "the other may go on as well";
  EXPECT_FALSE(goes_on(4, 4, {0, 1}, true));
  EXPECT_FALSE(goes_on(2, 2, {}, false));
}

/// Four ranks whose generation 1 has ended by the loss of some.
class Survivors : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = ::testing::TempDir() + "regroup_" + std::to_string(::getpid());
    std::filesystem::remove_all(path_);
    claim_ = RunFolder::Create(path_).value();
    note_.set_generation(claim_->ClaimGeneration().value());
    note_.set_run_folder(path_);
    std::vector<Endpoint> endpoints;
    for (int rank = 0; rank < 4; ++rank) {
      doors_.push_back(Listener::Open("127.0.0.1").value());
      endpoints.push_back(doors_.back().endpoint());
    }
    roster_ = RosterOf(endpoints);
  }
  void TearDown() override { std::filesystem::remove_all(path_); }

  Regrouping Of(int rank, const std::vector<int>& survivors) {
    return {.note = note_,
            .roster = *roster_,
            .rank = rank,
            .key = key_,
            .end = LossOf(*roster_, 0, "it hung up"),
            .survivors = survivors,
            .door = &doors_[static_cast<std::size_t>(rank)],
            .first_generation = 1,
            .losses_max = losses_max_};
  }

  // Has all of them meet; what each comes to, in order. The claim ends as the first one's.
  std::vector<absl::StatusOr<Regrouped>> Meet(const std::vector<int>& survivors) {
    std::vector<absl::StatusOr<Regrouped>> met(survivors.size(), absl::UnknownError(""));
    std::vector<std::optional<RunFolder>> claims(survivors.size());
    claims.front() = std::exchange(claim_, std::nullopt);
    {
      std::vector<std::jthread> threads;
      for (std::size_t k = 0; k < survivors.size(); ++k) {
        threads.emplace_back([&, k] { met[k] = Regroup(Of(survivors[k], survivors), claims[k]); });
      }
    }
    claim_ = std::move(claims.front());
    return met;
  }

  std::string path_;
  std::optional<RunFolder> claim_;  // The leader's.
  GenerationNote note_;
  std::vector<Listener> doors_;
  std::optional<Roster> roster_;
  JobKey key_ = MakeJobKey().value();
  std::uint64_t losses_max_ = 3;
};

TEST_F(Survivors, AgreeOnTheNextGenerationWithoutTheirLeader) {
  claim_.reset();  // As the kernel does when a process dies.
  const std::vector<absl::StatusOr<Regrouped>> met = Meet({1, 2, 3});
  for (int rank = 0; rank < 3; ++rank) {
    const absl::StatusOr<Regrouped>& one = met[static_cast<std::size_t>(rank)];
    ASSERT_TRUE(one.ok()) << one.status();
    EXPECT_EQ(one->rank, rank);
    EXPECT_EQ(one->roster.at(rank).id, MemberId{static_cast<std::uint32_t>(rank) + 1});
    EXPECT_EQ(one->roster.leader(), 0);
    EXPECT_EQ(one->note.generation(), 2U);
    EXPECT_EQ(one->note.nonce(), claim_->nonce());
    EXPECT_EQ(one->key, met[0]->key);
    EXPECT_NE(one->key, key_);
    EXPECT_THAT(one->note.notices(0), HasSubstr("3 of 4 ranks go on in place (1 of 3)"));
  }
}

TEST_F(Survivors, MeetAtTheSameDoorsAgain) {
  const std::vector<absl::StatusOr<Regrouped>> first = Meet({0, 1, 2});
  for (const auto& one : first) ASSERT_TRUE(one.ok()) << one.status();
  note_ = first[0]->note;
  const std::vector<absl::StatusOr<Regrouped>> second = Meet({0, 1});
  for (const auto& one : second) {
    ASSERT_TRUE(one.ok()) << one.status();
    EXPECT_EQ(one->note.generation(), 3U);
    EXPECT_NE(one->key, first[0]->key);
  }
}

TEST_F(Survivors, AreToldWhereOthersHaveGoneOn) {
  EXPECT_FALSE(OthersHaveGoneOn(note_));
  ASSERT_EQ(claim_->ClaimGeneration().value(), 2U);
  EXPECT_TRUE(OthersHaveGoneOn(note_));
}

TEST_F(Survivors, ClaimNothingAfterTooManyLosses) {
  losses_max_ = 0;
  const std::vector<absl::StatusOr<Regrouped>> met = Meet({0, 1});
  EXPECT_EQ(met[0].status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(met[1].status(), absl::AbortedError("rank 0 gave up"));
  EXPECT_EQ(claim_->LastGeneration().value(), 1U);
}

TEST_F(Survivors, DoNotGoOnWhereSomebodyAskedForTheEnd) {
  ASSERT_TRUE(claim_->RequestStop().ok());
  for (const auto& one : Meet({0, 1})) {
    EXPECT_EQ(one.status().code(), absl::StatusCode::kAborted);
  }
}

// Whoever counts others among the living does not know the key of the meeting.
TEST_F(Survivors, DoNotMeetWhereTheyDoNotSeeTheSame) {
  std::optional<RunFolder> none;
  std::jthread other([&] {
    // Nobody answers it; it ends when its door is knocked at by those whom it does not know.
    const absl::StatusOr<std::unique_ptr<Mesh>> mesh =
        Mesh::Connect(doors_[1].Share().value(),
                      {.rank = 0,
                       .endpoints = {doors_[1].endpoint(), doors_[2].endpoint()},
                       .key = key_,
                       .generation = 1,
                       .timeout = std::chrono::seconds(1)},
                      {});
    EXPECT_EQ(mesh.status().code(), absl::StatusCode::kDeadlineExceeded);
  });
  EXPECT_EQ(Regroup(Of(2, {1, 2}), none).status().code(), absl::StatusCode::kPermissionDenied);
}

}  // namespace
}  // namespace cf::regroup_test

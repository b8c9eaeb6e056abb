// Goal: a process joins a job by the file in its run folder, and comes to the same next generation as the
// ranks that are there; what does not fit is refused in a line; who dies while it waits is forgotten, and who
// waits while the leader dies finds the next one. Method: ranks that are threads, at doors on loopback.

#include "coordinator/joining.h"

#include <chrono>
#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <sys/stat.h>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/check.h"
#include "common/base/files.h"
#include "common/base/host.h"
#include "coordinator/generation_end.h"
#include "coordinator/reception.h"
#include "coordinator/regroup.h"
#include "coordinator/resize.h"
#include "coordinator/visit.h"
#include "tests/support/process.h"
#include "tests/unit/worker/tiny_data.h"

namespace cf::joining_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kProgram[] = "cfworker 1.0";

/// Two ranks in a generation, which end it themselves, and the reception of the first.
class JoiningTest : public ::testing::Test {
 protected:
  JoiningTest() {
    note_.set_generation(claim_->ClaimGeneration().value());
    note_.set_run_folder(claim_->path());
    note_.set_nonce(claim_->nonce());
    note_.mutable_job()->mutable_data()->set_path(data_.path());
    note_.mutable_job()->mutable_train()->set_partitions(8);
    note_.mutable_job()->mutable_cluster()->set_threads(0);  // As many as there are cores.
    note_.set_dataset_digest(Dataset::Open(data_.path()).value().digest());
    std::vector<RosterMember> members;
    for (std::uint32_t rank = 0; rank < 2; ++rank) {
      doors_.push_back(Listener::Open("127.0.0.1").value());
      members.push_back({.id = MemberId{rank}, .host = "h", .door = doors_.back().endpoint()});
    }
    roster_ = Roster::Make(std::move(members), MemberId{0}).value();
    OpenReception();
  }

  void OpenReception() {
    reception_ = Reception::Open({.note = note_,
                                  .key = key_,
                                  .address = "127.0.0.1",
                                  .host = HostName(),
                                  .path = claim_->join_path(),
                                  .program = kProgram,
                                  .losses_max = 3})
                     .value();
    reception_->SetHosts({HostName(), HostName()});
  }

  JoinRequest Request() const {
    return {.run = data_.Beside("run"),
            .program = kProgram,
            .resources =
                [](int others) {
                  MemberResources resources;
                  resources.set_cores(static_cast<std::uint32_t>(others));
                  return resources;
                },
            .address = [](const std::vector<std::string>&,
                          const std::string&) { return std::string("127.0.0.1"); },
            .say = [](const std::string&) {},
            .patience = std::chrono::milliseconds(0)};
  }

  std::vector<Reception::Visitor> WaitForVisitors(std::size_t count) const {
    Check(Eventually([&] { return reception_->Waiting().size() == count; }),
          "visitors come and go");
    return reception_->Waiting();
  }

  Regrouping Of(int rank, const GenerationEnd& end) {
    return {.note = note_,
            .roster = *roster_,
            .rank = rank,
            .key = key_,
            .end = end,
            .door = &doors_[static_cast<std::size_t>(rank)],
            .first_generation = 1,
            .losses_max = 3};
  }

  void ExpectRefused(const JoinRequest& request, const std::string& why) const {
    const absl::StatusOr<Invited> invited = WaitForInvitation(request);
    EXPECT_THAT(invited.status().message(), HasSubstr(why));
    EXPECT_FALSE(absl::IsCancelled(invited.status()));
  }

  TinyData data_;
  std::optional<RunFolder> claim_ = RunFolder::Create(data_.Beside("run")).value();
  GenerationNote note_;
  std::vector<Listener> doors_;
  std::optional<Roster> roster_;
  JobKey key_ = MakeJobKey().value();
  std::unique_ptr<Reception> reception_;
};

TEST_F(JoiningTest, TheFileIsForItsUserAloneAndGoesWithTheReception) {
  struct stat info = {};
  ASSERT_EQ(::stat(claim_->join_path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  EXPECT_EQ(ReadJoinFile(claim_->join_path()).value().key, key_);
  reception_.reset();
  EXPECT_FALSE(std::filesystem::exists(claim_->join_path()));
}

TEST_F(JoiningTest, WhoIsInvitedComesToTheSameGenerationAsTheOthers) {
  std::future<absl::StatusOr<Regrouped>> joined = std::async(std::launch::async, [&] {
    absl::StatusOr<Invited> invited = WaitForInvitation(Request());
    if (!invited.ok()) return absl::StatusOr<Regrouped>(invited.status());
    EXPECT_EQ(invited->losses_max, 3U);
    std::optional<RunFolder> none;
    return Regroup({.note = invited->note,
                    .roster = Roster::After(invited->end.resized()).value(),
                    .rank = invited->rank,
                    .key = invited->key,
                    .end = invited->end,
                    .door = &invited->door},
                   none);
  });
  const Reception::Visitor visitor = WaitForVisitors(1).front();
  EXPECT_EQ(visitor.member.threads, 2U) << "it shares its host with two";
  GenerationEnd end;
  *end.mutable_resized() = *PlanResize({.job = note_.job(),
                                        .roster = *roster_,
                                        .places = {},
                                        .joining = {visitor.member},
                                        .ranks_wanted = 2});
  reception_->Invite(visitor.number, note_.generation(), end, MemberId{2});
  EXPECT_THAT(reception_->Waiting(), ElementsAre());
  std::optional<RunFolder> none;
  std::future<absl::StatusOr<Regrouped>> second =
      std::async(std::launch::async, [&] { return Regroup(Of(1, end), none); });
  const absl::StatusOr<Regrouped> first = Regroup(Of(0, end), claim_);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->note.generation(), 2U);
  EXPECT_EQ(first->roster.size(), 3);
  EXPECT_THAT(first->note.notices(), ElementsAre(HasSubstr("1 rank joins on ")));
  EXPECT_EQ(claim_->LossesBetween(1, 2), 0U);
  int rank = 1;
  for (auto* const other : {&second, &joined}) {
    const absl::StatusOr<Regrouped> next = other->get();
    ASSERT_TRUE(next.ok()) << next.status();
    EXPECT_EQ(next->note.generation(), 2U);
    EXPECT_EQ(next->key, first->key);
    EXPECT_EQ(next->roster.size(), 3);
    EXPECT_EQ(next->rank, rank++);
  }
}

TEST_F(JoiningTest, WhatDoesNotFitIsRefused) {
  JoinRequest request = Request();
  request.program = "cfworker 2.0";
  ExpectRefused(request, "is trained by cfworker 1.0, and this is cfworker 2.0");

  request = Request();
  request.address = [](const std::vector<std::string>& hosts, const std::string&) {
    EXPECT_EQ(hosts.size(), 3U);
    return absl::InvalidArgumentError("no way there");
  };
  ExpectRefused(request, "no way there");

  JoinFile file = ReadJoinFile(claim_->join_path()).value();
  file.host = "elsewhere";
  ASSERT_TRUE(WriteJoinFile(claim_->join_path(), file).ok());
  ExpectRefused(Request(), "has all of its ranks on elsewhere");

  file.host = HostName();
  file.key = MakeJobKey().value();
  ASSERT_TRUE(WriteJoinFile(claim_->join_path(), file).ok());
  ExpectRefused(Request(), "cluster.join is not of a job that listens at 127.0.0.1");

  ASSERT_TRUE(ReplaceFile(claim_->join_path(), "key: 123\n").ok());
  ExpectRefused(Request(), "it is not as a running job has written it");

  std::filesystem::remove(claim_->join_path());
  ExpectRefused(Request(), "cannot be joined: its job needs cfrun");

  claim_.reset();
  ExpectRefused(Request(), "is not running");
  request = Request();
  request.run = data_.Beside("none");
  ExpectRefused(request, "no run is here");
}

TEST_F(JoiningTest, ADataSetThatIsNotTheJobsIsRefused) {
  reception_.reset();
  note_.set_dataset_digest("00");
  OpenReception();
  ExpectRefused(Request(), "and the job's data set 00");
}

TEST_F(JoiningTest, WhoIsNotWantedIsTold) {
  std::vector<std::future<absl::StatusOr<Invited>>> refused;
  for (int k = 0; k < 3; ++k) {
    refused.push_back(std::async(std::launch::async, [&] { return WaitForInvitation(Request()); }));
  }
  for (const Reception::Visitor& visitor : WaitForVisitors(3)) {
    reception_->Refuse(visitor.number, "no partition is left");
  }
  for (auto& one : refused) {
    EXPECT_EQ(one.get().status(), absl::FailedPreconditionError("no partition is left"));
  }
}

TEST_F(JoiningTest, WhoDiesWhileItWaitsIsForgotten) {
  {
    const std::unique_ptr<Mesh> visit =
        Mesh::Connect(
            Listener::Open("127.0.0.1").value(),
            VisitOptions(kVisitorRank, ReadJoinFile(claim_->join_path()).value().reception,
                         KeyOfVisits(key_), note_.generation()),
            {})
            .value();
    Joining said;
    said.mutable_request()->set_host("h");
    Say(*visit, said);
    WaitForVisitors(1);
    visit->Abandon(kHostRank);
  }
  WaitForVisitors(0);
}

// Of several leaders one after the other; the last one's job ends.
TEST_F(JoiningTest, WhoWaitsLooksForTheNextLeader) {
  std::future<absl::StatusOr<Invited>> waiting =
      std::async(std::launch::async, [&] { return WaitForInvitation(Request()); });
  WaitForVisitors(1);
  reception_.reset();
  key_ = KeyOfGeneration(key_, 2);
  note_.set_generation(2);
  OpenReception();
  WaitForVisitors(1);
  reception_->Dismiss();
  EXPECT_EQ(waiting.get().status(), absl::CancelledError("the job has ended"));
}

}  // namespace
}  // namespace cf::joining_test

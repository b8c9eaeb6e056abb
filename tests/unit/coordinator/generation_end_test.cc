#include "coordinator/generation_end.h"

#include <gtest/gtest.h>

#include "coordinator/lasting_error.h"

namespace cf::generation_end_test {
namespace {

Roster TwoMembers() {
  return Roster::Make({{.id = MemberId{0}, .host = "a"}, {.id = MemberId{1}, .host = "b"}},
                      MemberId{0})
      .value();
}

TEST(GenerationEnd, InGoodOrderKeepsTheVerdict) {
  for (const Verdict& verdict :
       {Verdict{.exit_code = kExitFinished,
       .cause = EndCause::kFinished,
       .text = "best epoch 7",
       .snapshot = "snapshots/best"},
        Verdict{.exit_code = kExitContinue,
        .cause = EndCause::kSignal,
        .text = "stopped at epoch 2",
        .snapshot = "snapshots/latest"},
        Verdict{.exit_code = kExitContinue, .cause = EndCause::kRequest, .text = "stopped"}}) {
    const GenerationEnd end = EndWith(verdict, 1);
    EXPECT_EQ(VerdictOf(end), verdict);
    EXPECT_EQ(end.speaker(), 1U);
    EXPECT_EQ(StatusOf(end).code(), absl::StatusCode::kAborted);
  }
}

TEST(GenerationEnd, OfALossNamesTheRankAndOnlyASilentHost) {
  const GenerationEnd died = LossOf(TwoMembers(), 1, "it hung up");
  EXPECT_EQ(VerdictOf(died), (Verdict{.exit_code = kExitFailed,
                                      .cause = EndCause::kLost,
                                      .text = "rank 1 on b was lost: it hung up"}));
  EXPECT_EQ(died.speaker(), 0U);
  EXPECT_FALSE(died.lost().hung());
  const GenerationEnd silent = LossOf(TwoMembers(), 0, "it was silent", /*whole_host=*/true);
  EXPECT_EQ(VerdictOf(silent).lost_host, "a");
  EXPECT_EQ(silent.speaker(), 1U) << "the leader is the one that is lost";
}

// The leader's process lives where only a thread of it hangs.
TEST(GenerationEnd, OfAHangIsTheLeadersToTell) {
  for (const int rank : {0, 1}) {
    const GenerationEnd end = HangOf(TwoMembers(), rank, "thread 0 hangs");
    EXPECT_TRUE(end.lost().hung());
    EXPECT_EQ(end.speaker(), 0U);
    EXPECT_EQ(VerdictOf(end).cause, EndCause::kLost);
    EXPECT_EQ(VerdictOf(end).lost_host, "");
  }
}

TEST(GenerationEnd, ByAnErrorHasItsExitCode) {
  EXPECT_EQ(
      VerdictOf(FailedBy(absl::NotFoundError("no such file"), 0)),
      (Verdict{.exit_code = kExitUserInput, .cause = EndCause::kFailed, .text = "no such file"}));
  EXPECT_EQ(VerdictOf(FailedBy(absl::InternalError("not finite"), 0)).exit_code, kExitFailed);
  EXPECT_EQ(StatusOf(FailedBy(absl::InternalError("not finite"), 0)),
            absl::InternalError("not finite"));
}

// A disk that fails may not fail the next time; a training that comes to nothing would again, room that
// is missing now is missing a second later, and damage stays.
TEST(GenerationEnd, InMidRunTellsWhatMayPass) {
  EXPECT_EQ(VerdictOf(FailedInMidRunBy(absl::InternalError("disk"), 0)),
            (Verdict{.exit_code = kExitFailed, .cause = EndCause::kLost, .text = "disk"}));
  for (const absl::Status& lasts :
       {LastingError("not finite"), absl::ResourceExhaustedError("full"),
        absl::DataLossError("damaged")}) {
    EXPECT_EQ(VerdictOf(FailedInMidRunBy(lasts, 0)).cause, EndCause::kFailed) << lasts;
    EXPECT_EQ(VerdictOf(FailedInMidRunBy(lasts, 0)).exit_code, kExitFailed) << lasts;
  }
  EXPECT_EQ(VerdictOf(FailedInMidRunBy(absl::NotFoundError("history"), 0)).cause,
            EndCause::kFailed);
}

// What a peer of another build might send is no success.
TEST(GenerationEnd, ThatSaysNothingIsAFailure) {
  GenerationEnd end;
  EXPECT_EQ(VerdictOf(end).cause, EndCause::kFailed);
  EXPECT_EQ(VerdictOf(end).exit_code, kExitFailed);
  end.mutable_failed()->set_message("without a code");
  EXPECT_EQ(VerdictOf(end).exit_code, kExitFailed);
  EXPECT_FALSE(StatusOf(end).ok());
}

// What all ranks were accepted with may be too much for those who are left, and is nobody's fault.
TEST(GenerationEnd, InPlaceIsNoRefusal) {
  EXPECT_EQ(VerdictOf(EndInPlace(FailedBy(absl::FailedPreconditionError("it needs 9 MiB"), 0))),
            (Verdict{.exit_code = kExitFailed,
                     .cause = EndCause::kLost,
                     .text = "the ranks that are left cannot go on: it needs 9 MiB"}));
  const GenerationEnd others[] = {FailedInMidRunBy(absl::DataLossError("damaged"), 1),
                                  LossOf(TwoMembers(), 1, "it hung up")};
  for (const GenerationEnd& end : others) EXPECT_EQ(VerdictOf(EndInPlace(end)), VerdictOf(end));
}

}  // namespace
}  // namespace cf::generation_end_test

#include "coordinator/generation_end.h"

#include <absl/strings/str_cat.h>

#include "common/base/check.h"

namespace cf {
namespace {

absl::Status FailureOf(const GenerationEnd::Failed& failed) {
  // It came over the wire: a failure without a code is one all the same.
  if (failed.code() == 0) return absl::UnknownError(failed.message());
  return absl::Status(static_cast<absl::StatusCode>(failed.code()), failed.message());
}

}  // namespace

GenerationEnd EndWith(const Verdict& verdict, int speaker) {
  GenerationEnd end;
  end.set_speaker(static_cast<std::uint32_t>(speaker));
  switch (verdict.cause) {
    case EndCause::kFinished:
      end.mutable_finished()->set_text(verdict.text);
      end.mutable_finished()->set_snapshot(verdict.snapshot);
      break;
    case EndCause::kSignal:
    case EndCause::kRequest:
      end.mutable_stopped()->set_on_request(verdict.cause == EndCause::kRequest);
      end.mutable_stopped()->set_text(verdict.text);
      end.mutable_stopped()->set_snapshot(verdict.snapshot);
      break;
    case EndCause::kLost:
    case EndCause::kFailed:
      Check(false, "a coordinator's verdict is of a job that ended in good order");
  }
  return end;
}

GenerationEnd FailedBy(const absl::Status& why, int speaker) {
  Check(!why.ok(), "a failure has a reason");
  GenerationEnd end;
  end.set_speaker(static_cast<std::uint32_t>(speaker));
  end.mutable_failed()->set_code(static_cast<int>(why.code()));
  end.mutable_failed()->set_message(std::string(why.message()));
  return end;
}

GenerationEnd FailedInMidRunBy(const absl::Status& why, int speaker) {
  GenerationEnd end = FailedBy(why, speaker);
  // The machine is to blame: neither what the user wrote, nor training (LastingError), nor room that is
  // missing, nor data that are damaged.
  end.mutable_failed()->set_may_pass(absl::IsInternal(why));
  return end;
}

GenerationEnd EndInPlace(GenerationEnd end) {
  if (!end.has_failed() || ExitCodeOf(FailureOf(end.failed())) != kExitUserInput) return end;
  GenerationEnd::Failed& failed = *end.mutable_failed();
  failed.set_message(absl::StrCat("the ranks that are left cannot go on: ", failed.message()));
  failed.set_code(static_cast<int>(absl::StatusCode::kInternal));
  failed.set_may_pass(true);
  return end;
}

GenerationEnd LossOf(const Roster& roster, int rank, const std::string& how, bool whole_host) {
  GenerationEnd end;
  end.set_speaker(static_cast<std::uint32_t>(roster.SpeakerWithout(rank)));
  end.mutable_lost()->set_rank(static_cast<std::uint32_t>(rank));
  end.mutable_lost()->set_host(roster.at(rank).host);
  end.mutable_lost()->set_whole_host(whole_host);
  end.mutable_lost()->set_how(how);
  return end;
}

GenerationEnd HangOf(const Roster& roster, int rank, const std::string& how) {
  GenerationEnd end = LossOf(roster, rank, how);
  end.mutable_lost()->set_hung(true);
  // A leader of whom only one thread hangs can still speak for itself.
  end.set_speaker(static_cast<std::uint32_t>(roster.leader()));
  return end;
}

GenerationEnd StallOf(const Roster& roster, const std::string& how) {
  GenerationEnd end;
  end.set_speaker(static_cast<std::uint32_t>(roster.leader()));
  end.mutable_stalled()->set_how(how);
  return end;
}

std::string TextOf(const GenerationEnd& end) {
  switch (end.kind_case()) {
    case GenerationEnd::kFinished:
      return end.finished().text();
    case GenerationEnd::kStopped:
      return end.stopped().text();
    case GenerationEnd::kLost:
      return absl::StrCat("rank ", end.lost().rank(), " on ", end.lost().host(),
                          " was lost: ", end.lost().how());
    case GenerationEnd::kFailed:
      return end.failed().message();
    case GenerationEnd::kStalled:
      return absl::StrCat("no rank gets on: ", end.stalled().how());
    case GenerationEnd::kResized:
      return end.resized().text();
    case GenerationEnd::KIND_NOT_SET:
      break;
  }
  return "the job ended in a way that this program does not know";
}

Verdict VerdictOf(const GenerationEnd& end) {
  Verdict verdict{.exit_code = kExitFailed, .cause = EndCause::kFailed, .text = TextOf(end)};
  switch (end.kind_case()) {
    case GenerationEnd::kFinished:
      verdict.exit_code = kExitFinished;
      verdict.cause = EndCause::kFinished;
      verdict.snapshot = end.finished().snapshot();
      break;
    case GenerationEnd::kStopped:
      verdict.exit_code = kExitContinue;
      verdict.cause = end.stopped().on_request() ? EndCause::kRequest : EndCause::kSignal;
      verdict.snapshot = end.stopped().snapshot();
      break;
    case GenerationEnd::kLost:
      verdict.cause = EndCause::kLost;
      if (end.lost().whole_host()) verdict.lost_host = end.lost().host();
      break;
    case GenerationEnd::kStalled:
    case GenerationEnd::kResized:  // Of a job that could not go on in place.
      verdict.cause = EndCause::kLost;
      break;
    case GenerationEnd::kFailed:
      verdict.exit_code = ExitCodeOf(FailureOf(end.failed()));
      if (end.failed().may_pass()) verdict.cause = EndCause::kLost;
      break;
    case GenerationEnd::KIND_NOT_SET:
      break;
  }
  return verdict;
}

bool GoesOnInPlace(const GenerationEnd& end) {
  return end.has_lost() || end.has_resized();
}

absl::Status StatusOf(const GenerationEnd& end) {
  if (end.has_lost() || end.has_stalled()) return absl::UnavailableError(TextOf(end));
  if (end.has_failed()) return FailureOf(end.failed());
  return absl::AbortedError("the generation has ended");
}

}  // namespace cf

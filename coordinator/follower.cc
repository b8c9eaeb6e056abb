#include "coordinator/follower.h"

#include <string>
#include <utility>

#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "common/base/status.h"

namespace cf {
namespace {

Envelope AnswerTo(const Command& command, Reply outcome) {
  Envelope answer;
  *answer.mutable_reply() = std::move(outcome);
  answer.mutable_reply()->set_sequence(command.sequence());
  return answer;
}

}  // namespace

GenerationEnd Follower::Run() {
  const absl::Status ended = ExecuteCommands();
  const GenerationEnd end = participant_.EndBy(ended, participant_.roster().leader());
  participant_.End(end);
  // The leader may be about to miss this rank before the one that was lost.
  Envelope noticed;
  *noticed.mutable_end() = end;
  participant_.Send(participant_.roster().leader(), noticed);
  participant_.Leave();
  return participant_.SettledEnd();
}

absl::Status Follower::ExecuteCommands() {
  const int leader = participant_.roster().leader();
  for (;;) {
    const absl::StatusOr<Envelope> envelope = participant_.Await(leader);
    if (!envelope.ok()) return envelope.status();
    if (!envelope->has_command()) return absl::DataLossError("the leader sent no command");
    absl::StatusOr<Reply> outcome = participant_.Execute(envelope->command());
    // What was cut off by the end is no answer; what failed by itself is the end, which also reaches
    // a leader that waits for rows of this rank.
    if (participant_.end().has_value()) continue;
    if (!outcome.ok()) {
      return Because(outcome.status(), absl::StrCat("rank ", participant_.rank()));
    }
    participant_.Send(leader, AnswerTo(envelope->command(), *std::move(outcome)));
  }
}

}  // namespace cf

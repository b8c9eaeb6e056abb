// What the control messages of a peer meet (coordinator/control.proto).

#include <chrono>
#include <optional>
#include <utility>

#include "common/base/activity.h"
#include "common/base/check.h"
#include "coordinator/control_link.h"
#include "coordinator/progress.h"
#include "tests/fuzz/fuzz.h"

namespace cf::fuzz::control_target {
namespace {

/// Any bytes are a message, which is read as it was sent, or damage. What a peer says of its threads
/// is judged, whatever it says.
bool RunTarget(std::span<const std::byte> bytes) {
  Message message;
  message.control = TextOf(bytes);
  absl::StatusOr<Envelope> parsed = ParseControl(1, message);
  if (!parsed.ok()) {
    Check(absl::IsDataLoss(parsed.status()), "what is no message is damage");
    return false;
  }
  if (parsed->has_progress()) {
    ProgressTable table(2, std::chrono::seconds(1));
    table.Pass(std::chrono::seconds(1));
    table.Hear(1, parsed->progress());
    table.Pass(std::chrono::seconds(2));
    const std::optional<Hang> hang = table.Judge();
    Check(!hang.has_value() || !hang->how.empty(), "whoever is blamed is told for what");
    return true;
  }
  const std::string sent = parsed->SerializeAsString();
  ControlLink link(2);
  Check(link.Deliver(1, *std::move(parsed)).ok(), "the first message has room");
  link.Close(absl::CancelledError("nothing more comes"));
  const absl::StatusOr<Envelope> read = link.Await(1);
  Check(read.ok() && read->SerializeAsString() == sent, "it is read as it was sent");
  Check(absl::IsCancelled(link.Await(1).status()), "one message is read once");
  return true;
}

std::vector<std::string> Seeds() {
  std::vector<Envelope> envelopes(5);
  ThreadProgress* thread = envelopes[0].mutable_progress()->add_threads();
  thread->set_work(static_cast<std::uint32_t>(Work::kTraining));
  thread->set_waits_for(-1);
  thread->set_unchanged_milliseconds(61'000);
  Command* command = envelopes[1].mutable_command();
  command->set_sequence(1);
  command->mutable_set_up()->add_threads(2);
  command->mutable_set_up()->set_rating_mean(3.5);
  envelopes[2].mutable_command()->set_sequence(300);
  envelopes[2].mutable_command()->mutable_measure_lists()->add_metrics("val_ndcg_10");
  Reply* reply = envelopes[3].mutable_reply();
  reply->set_sequence(300);
  reply->add_figures()->set_loss(0.5);
  reply->add_files()->set_file("g000001-s000000000007-p00000-base.sst");
  reply->add_ranks()->add_sums(0.25);
  reply->add_listed("\x05");
  reply->mutable_profile()->add_nanoseconds(1000);
  reply->add_not_finite()->set_row(7);
  GenerationEnd::Lost* lost = envelopes[4].mutable_end()->mutable_lost();
  lost->set_rank(2);
  lost->set_host("b");
  lost->set_how("it was silent for 3000 ms");
  std::vector<std::string> seeds;
  for (const Envelope& envelope : envelopes) seeds.push_back(envelope.SerializeAsString());
  return seeds;
}

const bool kAdded = AddTarget({.name = "control", .run = RunTarget, .seeds = Seeds});

}  // namespace
}  // namespace cf::fuzz::control_target

#include "coordinator/control_link.h"

#include <utility>

#include <absl/strings/str_cat.h>

#include "common/base/activity.h"

namespace cf {

absl::Status ControlLink::Deliver(int from, Envelope envelope) {
  const std::lock_guard lock(mutex_);
  Inbox& inbox = inboxes_[static_cast<std::size_t>(from)];
  if (inbox.waiting.size() == kWaitingMax) {
    return absl::DataLossError(
        absl::StrCat("rank ", from, " sent a control message before its last ones were read"));
  }
  inbox.waiting.push_back(std::move(envelope));
  inbox.delivered.fetch_add(1);
  changed_.notify_all();
  return absl::OkStatus();
}

absl::StatusOr<Envelope> ControlLink::Await(int from) {
  Inbox& inbox = inboxes_[static_cast<std::size_t>(from)];
  std::unique_lock lock(mutex_);
  {
    const Activity::Waiting waiting(from, {&inbox.delivered, inbox.taken + 1});
    changed_.wait(lock, [&] { return !inbox.waiting.empty() || !closed_.ok(); });
  }
  if (inbox.waiting.empty()) return closed_;
  ++inbox.taken;
  Envelope envelope = std::move(inbox.waiting.front());
  inbox.waiting.pop_front();
  return envelope;
}

void ControlLink::Close(const absl::Status& why) {
  const std::lock_guard lock(mutex_);
  if (closed_.ok()) closed_ = why;
  changed_.notify_all();
}

absl::StatusOr<Envelope> ParseControl(int from, const Message& message) {
  Envelope envelope;
  if (!envelope.ParseFromString(message.control)) {
    return absl::DataLossError(
        absl::StrCat("rank ", from, " sent a control message that does not parse"));
  }
  return envelope;
}

void SendControl(Mesh& mesh, int to, const Envelope& envelope) {
  Message message;
  message.kind = FrameKind::kControl;
  message.control = envelope.SerializeAsString();
  mesh.Send(to, std::move(message));
}

}  // namespace cf

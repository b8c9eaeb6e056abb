#include "coordinator/control_link.h"

#include <utility>

#include <absl/strings/cord.h>
#include <absl/strings/str_cat.h>

namespace cf {
namespace {

constexpr char kLostHostUrl[] = "cf/lost_host";

}  // namespace

absl::Status ControlLink::Deliver(int from, const Message& message) {
  Envelope envelope;
  if (!envelope.ParseFromString(message.control)) {
    return absl::DataLossError(
        absl::StrCat("rank ", from, " sent a control message that does not parse"));
  }
  if (envelope.reply().code() == static_cast<int>(absl::StatusCode::kUnavailable)) {
    return LostRank(envelope.reply().message(), envelope.reply().lost_host());
  }
  const std::lock_guard lock(mutex_);
  inbox_[static_cast<std::size_t>(from)].push_back(std::move(envelope));
  changed_.notify_all();
  return absl::OkStatus();
}

absl::StatusOr<Envelope> ControlLink::Await(int from) {
  std::deque<Envelope>& inbox = inbox_[static_cast<std::size_t>(from)];
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !inbox.empty() || !closed_.ok(); });
  if (inbox.empty()) return closed_;
  Envelope envelope = std::move(inbox.front());
  inbox.pop_front();
  return envelope;
}

void ControlLink::Close(const absl::Status& why) {
  const std::lock_guard lock(mutex_);
  if (closed_.ok()) closed_ = why;
  changed_.notify_all();
}

absl::Status LostRank(const std::string& message, const std::string& lost_host) {
  absl::Status status = absl::UnavailableError(message);
  if (!lost_host.empty()) status.SetPayload(kLostHostUrl, absl::Cord(lost_host));
  return status;
}

std::string LostHost(const absl::Status& error) {
  return std::string(error.GetPayload(kLostHostUrl).value_or(absl::Cord()));
}

void SendControl(Mesh& mesh, int to, const Envelope& envelope) {
  Message message;
  message.kind = FrameKind::kControl;
  message.control = envelope.SerializeAsString();
  mesh.Send(to, std::move(message));
}

}  // namespace cf

#include "common/rows/exchange.h"

#include <utility>

#include <absl/strings/str_cat.h>

namespace cf {
namespace {

constexpr std::size_t kPoolBytesMax = std::size_t{256} << 20;

}  // namespace

Exchange::Exchange(const Placement& placement, int rank, std::vector<RowLayout> layouts, Mesh* mesh)
    : placement_(placement), layouts_(std::move(layouts)), mesh_(mesh), pool_(kPoolBytesMax) {
  const auto fill = [&](Mailboxes& mailboxes, const Placement::Role& role,
                        const Placement::Role& sources) {
    mailboxes.resize(role.size());
    for (const std::uint32_t seat : role.OnRank(rank)) {
      mailboxes[seat] =
          std::make_unique<Mailbox>(sources.size(), placement.combined() ? seat : sources.size());
    }
  };
  fill(to_workers_, placement.workers(), placement.servers());
  fill(to_servers_, placement.servers(), placement.workers());
}

Parcel Exchange::MakeParcel(const ParcelHeader& header) {
  BufferPool& pool = mesh_ != nullptr ? mesh_->pool() : pool_;
  return ShapeParcel(header, layouts_, pool.Take(PayloadBytes(header, layouts_)));
}

void Exchange::Recycle(Parcel parcel) {
  (mesh_ != nullptr ? mesh_->pool() : pool_).Give(std::move(parcel.payload));
}

void Exchange::SendPush(Parcel parcel) {
  Send(std::move(parcel), placement_.servers(), to_servers_, FrameKind::kPush);
}

void Exchange::SendRows(Parcel parcel) {
  Send(std::move(parcel), placement_.workers(), to_workers_, FrameKind::kRows);
}

void Exchange::Send(Parcel parcel, const Placement::Role& role, const Mailboxes& here,
                    FrameKind kind) {
  if (here[parcel.to_seat] != nullptr) return here[parcel.to_seat]->Deliver(std::move(parcel));
  const int rank = role.seat(parcel.to_seat).rank;
  Message message;
  message.kind = kind;
  message.request_id = parcel.turn;
  message.control = HeaderOf(parcel, layouts_).SerializeAsString();
  message.payload = std::move(parcel.payload);
  mesh_->Send(rank, std::move(message));
}

void Exchange::Receive(int from, Message message) {
  const bool push = message.kind == FrameKind::kPush;
  const Mailboxes& mailboxes = push ? to_servers_ : to_workers_;
  const Placement::Role& senders = push ? placement_.workers() : placement_.servers();
  absl::StatusOr<Parcel> parcel =
      ParseParcel(message.control, std::move(message.payload), layouts_);
  if (!parcel.ok()) return Close(parcel.status());
  if (parcel->to_seat >= mailboxes.size() || mailboxes[parcel->to_seat] == nullptr) {
    return Close(absl::DataLossError("a parcel for a seat that is not here"));
  }
  if (parcel->from_seat >= senders.size() || senders.seat(parcel->from_seat).rank != from) {
    return Close(absl::DataLossError(
        absl::StrCat("rank ", from, " sent a parcel of a seat that it does not have")));
  }
  Mailbox& mailbox = *mailboxes[parcel->to_seat];
  mailbox.Deliver(*std::move(parcel));
}

void Exchange::Close(const absl::Status& why) {
  for (const Mailboxes* mailboxes : {&to_workers_, &to_servers_}) {
    for (const std::unique_ptr<Mailbox>& mailbox : *mailboxes) {
      if (mailbox != nullptr) mailbox->Close(why);
    }
  }
}

}  // namespace cf

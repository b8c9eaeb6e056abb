#include "common/rows/exchange.h"

#include <utility>

#include <absl/strings/str_cat.h>

namespace cf {
namespace {

constexpr std::size_t kPoolBytesMax = std::size_t{256} << 20;

}  // namespace

Exchange::Exchange(const Placement& placement, int rank, std::vector<RowLayout> layouts, Mesh* mesh,
                   const ExchangeOptions& options)
    : placement_(placement),
      rank_(rank),
      layouts_(std::move(layouts)),
      mesh_(mesh),
      pool_(kPoolBytesMax),
      pushes_{.kind = FrameKind::kPush,
              .senders = &placement.workers(),
              .receivers = &placement.servers()},
      rows_{.kind = FrameKind::kRows,
            .senders = &placement.servers(),
            .receivers = &placement.workers()},
      blocks_{.kind = FrameKind::kBlock,
              .senders = &placement.workers(),
              .receivers = &placement.workers()} {
  OpenRoute(pushes_, options.depth, !placement.combined());
  OpenRoute(rows_, options.depth, !placement.combined());
  OpenRoute(blocks_, options.blocks_depth, true);
}

void Exchange::OpenRoute(Route& route, std::uint32_t depth, bool to_itself) {
  const std::uint32_t senders = route.senders->size();
  route.mailboxes.resize(route.receivers->size());
  for (const std::uint32_t seat : route.receivers->OnRank(rank_)) {
    route.mailboxes[seat] = std::make_unique<Mailbox>(
        Mailbox::Options{.seats = senders, .absent = to_itself ? senders : seat, .depth = depth});
  }
}

// --- Sending -------------------------------------------------------------------------------------

Parcel Exchange::Make(const ParcelShape& shape) {
  Buffer payload = pool().Take(PayloadBytes(shape, layouts_));
  Parcel parcel = ShapeParcel(shape, layouts_, payload.bytes());
  parcel.payload = std::move(payload);
  return parcel;
}

Parcel Exchange::MakePush(const ParcelShape& shape) {
  return Make(shape);
}

Parcel Exchange::MakeRows(const ParcelShape& shape) {
  return Make(shape);
}

Parcel Exchange::MakeBlock(const BlockName& name, std::size_t bytes) {
  Buffer payload = pool().Take(bytes);
  Parcel block = ShapeBlock(
      {.from_seat = name.from_seat, .to_seat = name.to_seat, .turn = name.number}, payload.bytes());
  block.payload = std::move(payload);
  return block;
}

void Exchange::SendPush(Parcel parcel) {
  Send(std::move(parcel), pushes_);
}

void Exchange::SendRows(Parcel parcel) {
  Send(std::move(parcel), rows_);
}

void Exchange::SendBlock(Parcel block) {
  Send(std::move(block), blocks_);
}

void Exchange::Send(Parcel parcel, const Route& route) {
  if (Mailbox* here = route.mailboxes[parcel.to_seat].get(); here != nullptr) {
    Count(Channel::kCall, parcel.bytes.size());
    return here->Deliver(std::move(parcel));
  }
  Count(Channel::kTcp, parcel.bytes.size());
  const int rank = route.receivers->seat(parcel.to_seat).rank;
  Message message;
  message.kind = route.kind;
  message.request_id = parcel.turn;
  message.control = EncodeHeader(ShapeOf(parcel, layouts_));
  message.payload = std::move(parcel.payload);
  mesh_->Send(rank, std::move(message));
}

void Exchange::Count(Channel channel, std::size_t bytes) {
  Sent& sent = sent_[static_cast<std::size_t>(channel)];
  sent.messages.fetch_add(1, std::memory_order_relaxed);
  sent.bytes.fetch_add(bytes, std::memory_order_relaxed);
}

Exchange::Stats Exchange::stats() const {
  Stats stats;
  for (std::size_t channel = 0; channel < kChannels; ++channel) {
    stats[channel] = {.messages = sent_[channel].messages.load(std::memory_order_relaxed),
                      .bytes = sent_[channel].bytes.load(std::memory_order_relaxed)};
  }
  return stats;
}

// --- Receiving -----------------------------------------------------------------------------------

absl::StatusOr<Parcel> Exchange::TakeBlock(const BlockName& name) {
  return blocks_.mailboxes[name.to_seat]->AwaitFrom(name.from_seat, name.number);
}

void Exchange::Recycle(Parcel parcel) {
  pool().Give(std::move(parcel.payload));
}

void Exchange::Receive(int from, Message message) {
  if (absl::Status accepted = Accept(from, std::move(message)); !accepted.ok()) Close(accepted);
}

absl::Status Exchange::Accept(int from, Message message) {
  const Route* const route = message.kind == pushes_.kind   ? &pushes_
                             : message.kind == rows_.kind   ? &rows_
                             : message.kind == blocks_.kind ? &blocks_
                                                            : nullptr;
  if (route == nullptr) return absl::DataLossError("a message of a kind that is not known here");
  absl::StatusOr<Parcel> parcel =
      route == &blocks_ ? ParseBlock(message.control, std::move(message.payload))
                        : ParseParcel(message.control, std::move(message.payload), layouts_);
  if (!parcel.ok()) return parcel.status();
  if (parcel->to_seat >= route->mailboxes.size() || route->mailboxes[parcel->to_seat] == nullptr) {
    return absl::DataLossError("a parcel for a seat that is not here");
  }
  if (parcel->from_seat >= route->senders->size() ||
      route->senders->seat(parcel->from_seat).rank != from) {
    return absl::DataLossError(
        absl::StrCat("rank ", from, " sent a parcel of a seat that it does not have"));
  }
  Mailbox& mailbox = *route->mailboxes[parcel->to_seat];
  mailbox.Deliver(*std::move(parcel));
  return absl::OkStatus();
}

void Exchange::Close(const absl::Status& why) {
  for (const Route* route : {&pushes_, &rows_, &blocks_}) {
    for (const std::unique_ptr<Mailbox>& mailbox : route->mailboxes) {
      if (mailbox != nullptr) mailbox->Close(why);
    }
  }
}

}  // namespace cf

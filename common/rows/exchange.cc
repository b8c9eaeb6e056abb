#include "common/rows/exchange.h"

#include <algorithm>
#include <optional>
#include <sched.h>
#include <unistd.h>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/base/activity.h"

namespace cf {
namespace {

constexpr std::size_t kPoolBytesMax = std::size_t{256} << 20;

FrameKind FrameOf(ParcelKind kind) {
  switch (kind) {
    case ParcelKind::kPush:
      return FrameKind::kPush;
    case ParcelKind::kRows:
      return FrameKind::kRows;
    case ParcelKind::kTransfer:
      break;
  }
  return FrameKind::kTransfer;
}

std::optional<ParcelKind> KindOf(FrameKind frame) {
  if (frame == FrameKind::kPush) return ParcelKind::kPush;
  if (frame == FrameKind::kRows) return ParcelKind::kRows;
  if (frame == FrameKind::kTransfer) return ParcelKind::kTransfer;
  return std::nullopt;
}

std::size_t ThreadsOn(const Placement& placement, int rank) {
  return std::max(placement.workers().OnRank(rank).size(), placement.servers().OnRank(rank).size());
}

}  // namespace

Exchange::Exchange(const Placement& placement, int rank, std::vector<RowLayout> layouts, Mesh* mesh,
                   const ExchangeOptions& options)
    : placement_(placement),
      rank_(rank),
      layouts_(std::move(layouts)),
      mesh_(mesh),
      pool_(kPoolBytesMax),
      passed_(placement.partitioning().count()) {
  if (mesh != nullptr && options.shared_memory) {
    SharedChannel::Handlers handlers;
    handlers.on_ring = [this](ParcelKind kind, std::uint32_t from, std::uint32_t to_seat,
                              RingReader* ring) {
      to(kind)[to_seat]->AttachRing(from, ring);
      SetSpins();
    };
    shared_ = SharedChannel::Open(
        {.placement = &placement, .rank = rank, .mesh = mesh, .ring_bytes = options.ring_bytes},
        std::move(handlers));
  }
  for (const ParcelKind kind : kAllParcelKinds) OpenMailboxes(kind, options);
  SetSpins();
}

std::span<const RowLayout> Exchange::LayoutsOfKind(ParcelKind kind) const {
  return kind == ParcelKind::kTransfer ? std::span<const RowLayout>() : layouts_;
}

void Exchange::OpenMailboxes(ParcelKind kind, const ExchangeOptions& options) {
  const Roles roles = RolesOf(placement_, kind);
  const std::uint32_t senders = roles.senders.size();
  const bool is_transfer = kind == ParcelKind::kTransfer;
  std::vector<int>& ranks = sender_ranks_[static_cast<std::size_t>(kind)];
  for (std::uint32_t seat = 0; seat < senders; ++seat) {
    ranks.push_back(roles.senders.seat(seat).rank);
  }
  to(kind).resize(roles.receivers.size());
  for (const std::uint32_t seat : roles.receivers.OnRank(rank_)) {
    to(kind)[seat] = std::make_unique<Mailbox>(
        Mailbox::Options{.seats = senders,
                         .absent = placement_.combined() && !is_transfer ? seat : senders,
                         .depth = is_transfer ? options.transfers_depth : options.depth,
                         .ahead = options.depth,
                         .layouts = LayoutsOfKind(kind),
                         .bell = shared_ != nullptr ? shared_->BellOf(kind, seat) : nullptr,
                         .ranks = ranks});
  }
}

void Exchange::SetSpins() {
  // A thread may look for what it waits for while every thread that could bring it has a core: not
  // where the I/O thread has to, nor where the threads of the host share cores.
  bool spins = mesh_ == nullptr || (shared_ != nullptr && shared_->AllAreHere());
  std::size_t threads = 0;
  for (int rank = 0; rank < placement_.ranks(); ++rank) threads += ThreadsOn(placement_, rank);
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  const std::size_t own = ThreadsOn(placement_, rank_);
  const bool have_cores = threads <= static_cast<std::size_t>(::sysconf(_SC_NPROCESSORS_ONLN)) &&
                          ::sched_getaffinity(0, sizeof allowed, &allowed) == 0 &&
                          own <= static_cast<std::size_t>(CPU_COUNT(&allowed));
  spins_here_.store(have_cores, std::memory_order_relaxed);
  spins = spins && have_cores;
  for (const Mailboxes& mailboxes : mailboxes_) {
    for (const std::unique_ptr<Mailbox>& mailbox : mailboxes) {
      if (mailbox != nullptr) mailbox->SetSpins(spins);
    }
  }
}

void Exchange::OfferSharedMemory() {
  if (shared_ != nullptr && !std::exchange(offered_, true)) shared_->Offer();
}

// --- Sending -------------------------------------------------------------------------------------

Parcel Exchange::Make(ParcelKind kind, const ParcelShape& shape, std::size_t payload_bytes) {
  const std::span<const RowLayout> layouts = LayoutsOfKind(kind);
  if (shared_ != nullptr && to(kind)[shape.to_seat] == nullptr) {
    if (SharedChannel::Way* way = shared_->WayTo(kind, shape.from_seat, shape.to_seat)) {
      const std::span<std::byte> record =
          way->ring.Reserve(RecordBytes(layouts.size(), payload_bytes));
      if (!record.empty()) {
        Parcel parcel = WriteRecord(shape, layouts, record);
        parcel.reserved = true;
        return parcel;
      }
    }
  }
  Buffer payload = pool().Take(payload_bytes);
  Parcel parcel = layouts.empty() ? ShapeTransfer(shape, payload.bytes())
                                  : ShapeParcel(shape, layouts, payload.bytes());
  parcel.payload = std::move(payload);
  return parcel;
}

Parcel Exchange::MakePush(const ParcelShape& shape) {
  return Make(ParcelKind::kPush, shape, PayloadBytes(shape, layouts_));
}

Parcel Exchange::MakeRows(const ParcelShape& shape) {
  return Make(ParcelKind::kRows, shape, PayloadBytes(shape, layouts_));
}

Parcel Exchange::MakeTransfer(const TransferName& name, std::size_t bytes) {
  return Make(ParcelKind::kTransfer,
              {.from_seat = name.from_seat, .to_seat = name.to_seat, .turn = name.number}, bytes);
}

void Exchange::SendPush(Parcel parcel) {
  Send(ParcelKind::kPush, std::move(parcel));
}

void Exchange::SendRows(Parcel parcel) {
  Send(ParcelKind::kRows, std::move(parcel));
}

void Exchange::SendTransfer(Parcel transfer) {
  Send(ParcelKind::kTransfer, std::move(transfer));
}

void Exchange::Send(ParcelKind kind, Parcel parcel) {
  if (Mailbox* here = to(kind)[parcel.to_seat].get(); here != nullptr) {
    Count(Channel::kCall, parcel.bytes.size());
    return here->Deliver(std::move(parcel));
  }
  if (parcel.reserved) {
    Count(Channel::kSharedMemory, parcel.bytes.size());
    SharedChannel::Way& way = *shared_->WayTo(kind, parcel.from_seat, parcel.to_seat);
    way.ring.Commit();
    return way.bell->Ring();
  }
  Count(Channel::kTcp, parcel.bytes.size());
  const int rank = RolesOf(placement_, kind).receivers.seat(parcel.to_seat).rank;
  Message message;
  message.kind = FrameOf(kind);
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

absl::StatusOr<std::optional<Parcel>> Exchange::TakeTransfer(std::uint32_t to_seat) {
  absl::StatusOr<std::optional<Parcel>> taken = to(ParcelKind::kTransfer)[to_seat]->TakeAny();
  if (taken.ok() && taken->has_value()) (*taken)->to_seat = to_seat;
  return taken;
}

absl::StatusOr<Parcel> Exchange::AwaitTransfer(std::uint32_t to_seat, std::uint32_t from_seat) {
  absl::StatusOr<Parcel> taken = to(ParcelKind::kTransfer)[to_seat]->AwaitAny(from_seat);
  if (taken.ok()) taken->to_seat = to_seat;
  return taken;
}

std::uint32_t Exchange::TransfersTo(std::uint32_t seat) const {
  return to(ParcelKind::kTransfer)[seat]->arrivals();
}

absl::Status Exchange::AwaitTransfers(std::uint32_t to_seat, std::uint32_t from_seat,
                                      std::uint32_t seen, Doorbell::Clock::time_point deadline) {
  return to(ParcelKind::kTransfer)[to_seat]->AwaitArrivals(from_seat, seen, deadline);
}

void Exchange::Wake(std::uint32_t seat) {
  to(ParcelKind::kTransfer)[seat]->Wake();
}

absl::Status Exchange::AwaitPassed(PartitionId p, std::uint32_t seen,
                                   Doorbell::Clock::time_point deadline) {
  Doorbell& bell = passed_[Index(p)];
  {
    const Activity::Waiting waiting(rank_, {&bell.counter(), seen + 1});
    bell.Await(seen, 1, spins_here_.load(std::memory_order_relaxed), deadline);
  }
  if (!is_closed_.load(std::memory_order_acquire)) return absl::OkStatus();
  const std::lock_guard lock(closed_mutex_);
  return closed_;
}

void Exchange::Recycle(Parcel parcel) {
  if (parcel.ring != nullptr) return parcel.ring->Release(parcel.record);
  pool().Give(std::move(parcel.payload));
}

void Exchange::Receive(int from, Message message) {
  if (absl::Status accepted = Accept(from, std::move(message)); !accepted.ok()) Close(accepted);
}

absl::Status Exchange::Accept(int from, Message message) {
  if (message.kind == FrameKind::kOffer || message.kind == FrameKind::kHandedIn)
    return shared_ != nullptr ? shared_->Receive(from, message) : absl::OkStatus();
  const std::optional<ParcelKind> kind = KindOf(message.kind);
  if (!kind.has_value()) return absl::DataLossError("a message of a kind that is not known here");
  absl::StatusOr<Parcel> parcel =
      kind == ParcelKind::kTransfer
          ? ParseTransfer(message.control, std::move(message.payload))
          : ParseParcel(message.control, std::move(message.payload), layouts_);
  if (!parcel.ok()) return parcel.status();
  const Mailboxes& mailboxes = to(*kind);
  const Placement::Role& senders = RolesOf(placement_, *kind).senders;
  if (parcel->to_seat >= mailboxes.size() || mailboxes[parcel->to_seat] == nullptr) {
    return absl::DataLossError("a parcel for a seat that is not here");
  }
  if (parcel->from_seat >= senders.size() || senders.seat(parcel->from_seat).rank != from) {
    return absl::DataLossError(
        absl::StrCat("rank ", from, " sent a parcel of a seat that it does not have"));
  }
  Mailbox& mailbox = *mailboxes[parcel->to_seat];
  mailbox.Deliver(*std::move(parcel));
  return absl::OkStatus();
}

void Exchange::Close(const absl::Status& why) {
  {
    const std::lock_guard lock(closed_mutex_);
    if (closed_.ok()) closed_ = why;
  }
  is_closed_.store(true, std::memory_order_release);
  for (Doorbell& bell : passed_) bell.Break();
  for (const Mailboxes& mailboxes : mailboxes_) {
    for (const std::unique_ptr<Mailbox>& mailbox : mailboxes) {
      if (mailbox != nullptr) mailbox->Close(why);
    }
  }
}

}  // namespace cf

#include "common/rows/shared_channel.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/rows/parcel.pb.h"

namespace cf {
namespace {

std::size_t RoundUp(std::size_t bytes, std::size_t to) {
  return (bytes + to - 1) / to * to;
}

/// Object number k of those at the front of a region. Its zeros are a T's initial value.
template <class T>
T* At(const SharedRegion& region, std::size_t k) {
  return reinterpret_cast<T*>(region.bytes().data()) + k;
}

}  // namespace

Roles RolesOf(const Placement& placement, ParcelKind kind) {
  switch (kind) {
    case ParcelKind::kPush:
      return {placement.workers(), placement.servers()};
    case ParcelKind::kRows:
      return {placement.servers(), placement.workers()};
    case ParcelKind::kTransfer:
      break;
  }
  return {placement.workers(), placement.workers()};
}

// --- Places, which both ends of a region work out alike ------------------------------------------

std::vector<SharedChannel::RingPlace> SharedChannel::RingsBetween(int from, int to) const {
  std::vector<RingPlace> places;
  for (const ParcelKind kind : kAllParcelKinds) {
    const Roles roles = RolesOf(*options_.placement, kind);
    for (const std::uint32_t sender : roles.senders.OnRank(from)) {
      for (const std::uint32_t receiver : roles.receivers.OnRank(to)) {
        places.push_back({kind, sender, receiver});
      }
    }
  }
  return places;
}

std::size_t SharedChannel::ControlBytes(std::size_t rings) const {
  return RoundUp(rings * sizeof(RingControl), 4096);
}

std::size_t SharedChannel::RegionBytes(std::size_t rings) const {
  return ControlBytes(rings) + rings * options_.ring_bytes;
}

std::span<std::byte> SharedChannel::RingBytes(const SharedRegion& region, std::size_t rings,
                                              std::size_t k) const {
  return region.bytes().subspan(ControlBytes(rings) + k * options_.ring_bytes, options_.ring_bytes);
}

std::size_t SharedChannel::BellsBytes(int rank) const {
  std::size_t bells = 0;
  for (const ParcelKind kind : kAllParcelKinds) {
    bells += RolesOf(*options_.placement, kind).receivers.OnRank(rank).size();
  }
  return RoundUp(bells * sizeof(Doorbell), 4096);
}

std::size_t SharedChannel::BellPlace(int rank, ParcelKind kind, std::uint32_t to) const {
  std::size_t place = 0;
  for (const ParcelKind other : kAllParcelKinds) {
    const std::vector<std::uint32_t> seats =
        RolesOf(*options_.placement, other).receivers.OnRank(rank);
    if (other == kind) return place + (to - seats.front());
    place += seats.size();
  }
  return place;
}

// --- Coming up -----------------------------------------------------------------------------------

SharedChannel::SharedChannel(const Options& options, Handlers handlers)
    : options_(options), handlers_(std::move(handlers)) {
  for (int rank = 0; rank < options.placement->ranks(); ++rank) {
    peers_.push_back(rank == options.rank ? nullptr : std::make_unique<Peer>());
  }
  for (const ParcelKind kind : kAllParcelKinds) {
    const Roles roles = RolesOf(*options.placement, kind);
    const std::vector<std::uint32_t> senders = roles.senders.OnRank(options.rank);
    if (!senders.empty()) first_sender_[static_cast<std::size_t>(kind)] = senders.front();
    ways_.emplace_back(senders.size() * roles.receivers.size());
  }
}

std::unique_ptr<SharedChannel> SharedChannel::Open(const Options& options, Handlers handlers) {
  std::unique_ptr<SharedChannel> channel(new SharedChannel(options, std::move(handlers)));
  if (channel->host_.empty()) return nullptr;
  absl::StatusOr<SharedRegion> bells = SharedRegion::Make(channel->BellsBytes(options.rank));
  absl::StatusOr<SideDoor> door = SideDoor::Open();
  if (!bells.ok() || !door.ok()) return nullptr;
  channel->bells_ = *std::move(bells);
  channel->door_ = *std::move(door);
  return channel;
}

void SharedChannel::Offer() {
  SharedMemoryOffer offer;
  offer.set_host(host_);
  offer.set_door(door_->name());
  offer.set_token(door_->token().data(), door_->token().size());
  for (int rank = 0; rank < options_.placement->ranks(); ++rank) {
    if (rank == options_.rank) continue;
    Message message;
    message.kind = FrameKind::kOffer;
    message.control = offer.SerializeAsString();
    options_.mesh->Send(rank, std::move(message));
  }
}

absl::Status SharedChannel::Receive(int from, const Message& message) {
  if (message.kind == FrameKind::kOffer) return Answer(from, message);
  while (std::optional<SideDoor::Visit> visit = door_->Next()) {
    absl::Status adopted = Adopt(*std::move(visit));
    if (!adopted.ok()) return adopted;
  }
  return absl::OkStatus();
}

absl::Status SharedChannel::Answer(int from, const Message& message) {
  SharedMemoryOffer offer;
  JobKey token{};
  if (!offer.ParseFromString(message.control) || offer.token().size() != token.size())
    return absl::DataLossError(absl::StrCat("rank ", from, " made an offer that does not parse"));
  Peer& peer = *peers_[static_cast<std::size_t>(from)];
  if (offer.host() != host_ || peer.reads) return absl::OkStatus();
  std::memcpy(token.data(), offer.token().data(), token.size());

  const std::vector<RingPlace> places = RingsBetween(from, options_.rank);
  if (places.empty()) {  // A server sends no server anything.
    peer.reads = true;
    return absl::OkStatus();
  }
  absl::StatusOr<SharedRegion> inbound = SharedRegion::Make(RegionBytes(places.size()));
  if (!inbound.ok()) return absl::OkStatus();  // Parcels take TCP.
  peer.inbound = *std::move(inbound);
  if (!HandIn(offer.door(), token, options_.rank, {peer.inbound.fd(), bells_.fd()}).ok())
    return absl::OkStatus();
  for (std::size_t k = 0; k < places.size(); ++k) {
    peer.readers.push_back(std::make_unique<RingReader>(At<RingControl>(peer.inbound, k),
                                                        RingBytes(peer.inbound, places.size(), k)));
  }
  peer.reads = true;
  for (std::size_t k = 0; k < places.size(); ++k) {
    handlers_.on_ring(places[k].kind, places[k].from, places[k].to, peer.readers[k].get());
  }
  Message handed_in;
  handed_in.kind = FrameKind::kHandedIn;
  options_.mesh->Send(from, std::move(handed_in));
  return absl::OkStatus();
}

absl::Status SharedChannel::Adopt(SideDoor::Visit visit) {
  const std::size_t from = static_cast<std::size_t>(visit.from);
  if (from >= peers_.size() || peers_[from] == nullptr || !peers_[from]->ways.empty())
    return absl::DataLossError(absl::StrCat("rank ", visit.from, " handed in what is not due"));
  Peer& peer = *peers_[from];
  const std::vector<RingPlace> places = RingsBetween(options_.rank, visit.from);
  absl::StatusOr<SharedRegion> outbound =
      SharedRegion::Map(std::move(visit.fds[0]), RegionBytes(places.size()));
  if (!outbound.ok()) return outbound.status();
  absl::StatusOr<SharedRegion> bells =
      SharedRegion::Map(std::move(visit.fds[1]), BellsBytes(visit.from));
  if (!bells.ok()) return bells.status();
  peer.outbound = *std::move(outbound);
  peer.bells = *std::move(bells);
  for (std::size_t k = 0; k < places.size(); ++k) {
    const RingPlace& place = places[k];
    peer.ways.push_back(std::make_unique<Way>(Way{
        RingWriter(At<RingControl>(peer.outbound, k), RingBytes(peer.outbound, places.size(), k)),
        At<Doorbell>(peer.bells, BellPlace(visit.from, place.kind, place.to))}));
    WaySlot(place.kind, place.from, place.to)
        .store(peer.ways.back().get(), std::memory_order_release);
  }
  return absl::OkStatus();
}

// --- Use -----------------------------------------------------------------------------------------

Doorbell* SharedChannel::BellOf(ParcelKind kind, std::uint32_t to) {
  return At<Doorbell>(bells_, BellPlace(options_.rank, kind, to));
}

std::atomic<SharedChannel::Way*>& SharedChannel::WaySlot(ParcelKind kind, std::uint32_t from,
                                                         std::uint32_t to) {
  const Roles roles = RolesOf(*options_.placement, kind);
  return ways_[static_cast<std::size_t>(
      kind)][(from - first_sender_[static_cast<std::size_t>(kind)]) * roles.receivers.size() + to];
}

SharedChannel::Way* SharedChannel::WayTo(ParcelKind kind, std::uint32_t from, std::uint32_t to) {
  return WaySlot(kind, from, to).load(std::memory_order_acquire);
}

bool SharedChannel::AllAreHere() const {
  return std::ranges::all_of(
      peers_, [this](const std::unique_ptr<Peer>& peer) { return peer == nullptr || peer->reads; });
}

}  // namespace cf

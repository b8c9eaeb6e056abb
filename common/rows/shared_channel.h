#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <absl/status/status.h>

#include "common/rows/placement.h"
#include "common/rpc/doorbell.h"
#include "common/rpc/mesh.h"
#include "common/rpc/ring.h"
#include "common/rpc/shared_region.h"
#include "common/rpc/side_door.h"

namespace cf {

/// The kinds of parcels that travel between seats, each from one role to another.
enum class ParcelKind : std::uint8_t { kPush, kRows, kTransfer };
inline constexpr std::array kAllParcelKinds = {ParcelKind::kPush, ParcelKind::kRows,
                                               ParcelKind::kTransfer};
inline constexpr std::size_t kParcelKinds = kAllParcelKinds.size();

/// The seats that send parcels of a kind, and those that receive them.
struct Roles {
  const Placement::Role& senders;
  const Placement::Role& receivers;
};
Roles RolesOf(const Placement& placement, ParcelKind kind);

/// Memory that this rank shares with others of its host: from each of them a region of rings, one
/// for each kind and pair of seats, and the doorbells of this rank's own mailboxes. Each region is
/// between two ranks alone, so that one that runs amok spoils its own parcels only.
///
/// A rank says in an offer where its side door is. Whoever finds itself on the same host makes the
/// rings that it wants to read, hands them in there, and says so. Nobody waits for this, and where
/// it fails nothing need be agreed: parcels take TCP until there is a ring, and wherever it is
/// full.
///
/// Owner:   Exchange.
/// Threads: Offer and the constructor on one thread; Receive on the I/O thread; the others from
///          any.
/// Bounds:  kRingBytes of address space for each ring; of memory what the records that are on their
///          way at once take, up to that.
class SharedChannel {
 public:
  static constexpr std::size_t kRingBytes = std::size_t{16} << 20;

  struct Options {
    const Placement* placement = nullptr;  ///< Borrowed, as the mesh.
    int rank = 0;
    Mesh* mesh = nullptr;
    std::size_t ring_bytes = kRingBytes;
  };
  struct Handlers {
    /// A ring from another process to a seat of this one is there to be read; on the I/O thread.
    std::function<void(ParcelKind, std::uint32_t from, std::uint32_t to, RingReader*)> on_ring;
  };

  /// Nothing where the system has no such memory.
  static std::unique_ptr<SharedChannel> Open(const Options& options, Handlers handlers);
  SharedChannel(const SharedChannel&) = delete;
  SharedChannel& operator=(const SharedChannel&) = delete;

  /// Tells every other rank of this one's door. Requires: they can receive it.
  void Offer();

  /// Takes a kOffer or kHandedIn message of rank `from`. DataLoss: it does not parse, or what was
  /// handed in is not what the placement asks for.
  absl::Status Receive(int from, const Message& message);

  /// The doorbell of a mailbox of this rank.
  Doorbell* BellOf(ParcelKind kind, std::uint32_t to);

  /// The way from a seat here to one elsewhere; null while there is none but TCP.
  struct Way {
    RingWriter ring;
    Doorbell* bell;
  };
  Way* WayTo(ParcelKind kind, std::uint32_t from, std::uint32_t to);

  /// Whether all that every other rank sends here may come through shared memory.
  bool AllAreHere() const;

 private:
  /// What is shared with one peer.
  struct Peer {
    SharedRegion inbound;
    std::vector<std::unique_ptr<RingReader>> readers;
    SharedRegion outbound;
    SharedRegion bells;
    std::vector<std::unique_ptr<Way>> ways;
    std::atomic<bool> reads{false};
  };
  /// Places of rings in the region from one rank to another, which both work out alike.
  struct RingPlace {
    ParcelKind kind;
    std::uint32_t from;
    std::uint32_t to;
  };

  SharedChannel(const Options& options, Handlers handlers);

  std::vector<RingPlace> RingsBetween(int from, int to) const;
  std::size_t ControlBytes(std::size_t rings) const;
  std::size_t RegionBytes(std::size_t rings) const;
  std::span<std::byte> RingBytes(const SharedRegion& region, std::size_t rings,
                                 std::size_t k) const;
  std::size_t BellsBytes(int rank) const;
  std::size_t BellPlace(int rank, ParcelKind kind, std::uint32_t to) const;
  std::atomic<Way*>& WaySlot(ParcelKind kind, std::uint32_t from, std::uint32_t to);
  absl::Status Answer(int from, const Message& message);
  absl::Status Adopt(SideDoor::Visit visit);

  const Options options_;
  const Handlers handlers_;
  const std::string host_ = HostIdentity();
  SharedRegion bells_;

  // On the I/O thread, but for what is atomic.
  std::optional<SideDoor> door_;
  std::vector<std::unique_ptr<Peer>> peers_;                // By rank; null for this one.
  std::array<std::uint32_t, kParcelKinds> first_sender_{};  // Here, by kind.
  // By kind; in each, receiver after receiver for each sender here.
  std::vector<std::vector<std::atomic<Way*>>> ways_;
};

}  // namespace cf

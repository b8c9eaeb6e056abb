#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "common/rows/mailbox.h"
#include "common/rows/parcel.h"
#include "common/rows/placement.h"
#include "common/rpc/mesh.h"

namespace cf {

/// The channels between worker seats and server seats: parcels to a seat of this process are handed
/// over, others go through the mesh. A seat that has both roles does not send to itself.
///
/// Owner:   the process's part of one generation.
/// Threads: sends from any compute thread; Receive on the mesh's I/O thread; a mailbox's Await on
/// its seat's thread. Bounds:  see Mailbox and Mesh.
class Exchange {
 public:
  /// `mesh` is null in a job of one rank. All are borrowed for the life of this object.
  Exchange(const Placement& placement, int rank, std::vector<RowLayout> layouts, Mesh* mesh);

  const Placement& placement() const { return placement_; }
  std::span<const RowLayout> layouts() const { return layouts_; }

  /// Whether this process has the seat.
  bool IsWorkerHere(std::uint32_t seat) const { return to_workers_[seat] != nullptr; }
  bool IsServerHere(std::uint32_t seat) const { return to_servers_[seat] != nullptr; }

  /// A parcel with room for what `header` counts.
  Parcel MakeParcel(const ParcelHeader& header);
  /// Gives the payload back for later use.
  void Recycle(Parcel parcel);

  void SendPush(Parcel parcel);  ///< To the server seat parcel.to_seat.
  void SendRows(Parcel parcel);  ///< To the worker seat parcel.to_seat.

  /// Requires: the seat is in this process.
  Mailbox& PushesTo(std::uint32_t server_seat) { return *to_servers_[server_seat]; }
  Mailbox& RowsTo(std::uint32_t worker_seat) { return *to_workers_[worker_seat]; }

  /// Takes a kPush or kRows message of rank `from` from the mesh. An error (a peer that breaks the
  /// protocol, or speaks for another's seat) closes the exchange.
  void Receive(int from, Message message);

  /// Wakes every waiting seat with `why`. Requires: !why.ok().
  void Close(const absl::Status& why);

 private:
  using Mailboxes =
      std::vector<std::unique_ptr<Mailbox>>;  // By seat; null where the seat is elsewhere.

  void Send(Parcel parcel, const Placement::Role& role, const Mailboxes& here, FrameKind kind);

  const Placement& placement_;
  const std::vector<RowLayout> layouts_;
  Mesh* const mesh_;
  BufferPool pool_;  // Of a job without a mesh.
  Mailboxes to_workers_;
  Mailboxes to_servers_;
};

}  // namespace cf

#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "common/rows/mailbox.h"
#include "common/rows/parcel.h"
#include "common/rows/placement.h"
#include "common/rows/shared_channel.h"
#include "common/rpc/doorbell.h"
#include "common/rpc/mesh.h"

namespace cf {

/// The ways a parcel takes: to another thread of the process, through memory that two processes of
/// one host share, or over the mesh.
enum class Channel { kCall, kSharedMemory, kTcp };
inline constexpr std::size_t kChannels = 3;

struct ExchangeOptions {
  /// Turns whose parcels may be on their way from one seat to another at once.
  std::uint32_t depth = 1;
  /// Transfers that may be, too.
  std::uint32_t transfers_depth = 64;
  /// Whether ranks of one host share memory.
  bool shared_memory = true;
  std::size_t ring_bytes = SharedChannel::kRingBytes;
};

/// The channels between worker seats and server seats: parcels to a seat of this process are handed
/// over, those to another rank of the host go through memory that both share, others through the
/// mesh, as do those for which the shared memory has no room. A seat that has both roles does not
/// send to itself. Worker seats may send each other transfers, too: bytes with a name.
///
/// Threads of this process that work on item partitions in turn hand these to each other where they
/// lie: whoever has done its part rings the bell of the user partition that is next.
///
/// Owner:   the process's part of one generation.
/// Threads: Make and Send on the sending seat's thread, Await and Recycle on the receiving one's;
///          Receive on the mesh's I/O thread; PassOn, AwaitPassed, Wake, Close and stats from any.
/// Bounds:  see Mailbox and Mesh.
class Exchange {
 public:
  /// What was sent over one channel, without what TCP adds.
  struct Traffic {
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;
  };
  using Stats = std::array<Traffic, kChannels>;  ///< By Channel.

  /// `mesh` is null in a job of one rank. All are borrowed for the life of this object.
  Exchange(const Placement& placement, int rank, std::vector<RowLayout> layouts, Mesh* mesh,
           const ExchangeOptions& options = {});

  const Placement& placement() const { return placement_; }
  std::span<const RowLayout> layouts() const { return layouts_; }

  /// Whether this process has the seat.
  bool IsWorkerHere(std::uint32_t seat) const { return to(ParcelKind::kRows)[seat] != nullptr; }
  bool IsServerHere(std::uint32_t seat) const { return to(ParcelKind::kPush)[seat] != nullptr; }

  /// A parcel with room for what `shape` counts, to be filled and sent before the same seat makes
  /// the next for the same receiver: a push goes to server seat `to_seat`, rows go to worker seat
  /// `to_seat`.
  Parcel MakePush(const ParcelShape& shape);
  Parcel MakeRows(const ParcelShape& shape);
  void SendPush(Parcel parcel);
  void SendRows(Parcel parcel);

  /// Requires: the seat is in this process.
  Mailbox& PushesTo(std::uint32_t server_seat) { return *to(ParcelKind::kPush)[server_seat]; }
  Mailbox& RowsTo(std::uint32_t worker_seat) { return *to(ParcelKind::kRows)[worker_seat]; }

  /// A transfer of `bytes` bytes from one worker seat to another, to be filled (Parcel::bytes) and
  /// sent. One to the own seat is memory to keep until it is recycled.
  struct TransferName {
    std::uint32_t from_seat = 0;
    std::uint32_t to_seat = 0;
    std::uint64_t number = 0;
  };
  Parcel MakeTransfer(const TransferName& name, std::size_t bytes);
  void SendTransfer(Parcel transfer);
  /// Takes a transfer that has come for `to_seat`, whoever sent it: its number, the parcel's turn,
  /// says what it is. Nothing where none has come. DataLoss: a peer broke the protocol; else the
  /// exchange's error. Requires: the seat is in this process.
  absl::StatusOr<std::optional<Parcel>> TakeTransfer(std::uint32_t to_seat);
  /// The same, and waits for one; `from_seat` is who is expected to send it.
  absl::StatusOr<Parcel> AwaitTransfer(std::uint32_t to_seat, std::uint32_t from_seat);

  /// For threads that share what comes for a seat of this process: how often something has come,
  /// waiting for more than that, and waking who does (Mailbox).
  std::uint32_t TransfersTo(std::uint32_t seat) const;
  absl::Status AwaitTransfers(std::uint32_t to_seat, std::uint32_t from_seat, std::uint32_t seen,
                              Doorbell::Clock::time_point deadline);
  void Wake(std::uint32_t seat);

  /// Tells the thread of this process that works on user partition `p`, if one does, that items have
  /// been passed on to it. AwaitPassed, on that thread, waits until this has happened more often than
  /// `seen` times, or until `deadline`; the exchange's error once it is closed.
  void PassOn(PartitionId p) { passed_[Index(p)].Ring(); }
  std::uint32_t PassedOn(PartitionId p) const { return passed_[Index(p)].rung(); }
  absl::Status AwaitPassed(PartitionId p, std::uint32_t seen, Doorbell::Clock::time_point deadline);

  /// Gives back what a received parcel or transfer holds: whoever took it does so when it is read.
  void Recycle(Parcel parcel);

  /// Tells the other ranks how to share memory with this one. What is sent before they do so goes
  /// through the mesh. The second call does nothing. Requires: every rank has its exchange.
  void OfferSharedMemory();

  /// Takes a message of kind kPush, kRows, kTransfer, kOffer or kHandedIn of rank `from` from the
  /// mesh. An error (a peer that breaks the protocol, or speaks for another's seat) closes the
  /// exchange.
  void Receive(int from, Message message);

  /// Wakes every waiting seat with `why`. Requires: !why.ok().
  void Close(const absl::Status& why);

  Stats stats() const;

 private:
  struct Sent {
    std::atomic<std::uint64_t> messages{0};
    std::atomic<std::uint64_t> bytes{0};
  };
  /// By receiving seat; null where the seat is elsewhere.
  using Mailboxes = std::vector<std::unique_ptr<Mailbox>>;

  Mailboxes& to(ParcelKind kind) { return mailboxes_[static_cast<std::size_t>(kind)]; }
  const Mailboxes& to(ParcelKind kind) const { return mailboxes_[static_cast<std::size_t>(kind)]; }
  std::span<const RowLayout> LayoutsOfKind(ParcelKind kind) const;
  void OpenMailboxes(ParcelKind kind, const ExchangeOptions& options);
  void SetSpins();
  Parcel Make(ParcelKind kind, const ParcelShape& shape, std::size_t payload_bytes);
  void Send(ParcelKind kind, Parcel parcel);
  absl::Status Accept(int from, Message message);
  void Count(Channel channel, std::size_t bytes);
  BufferPool& pool() { return mesh_ != nullptr ? mesh_->pool() : pool_; }

  const Placement& placement_;
  const int rank_;
  const std::vector<RowLayout> layouts_;
  Mesh* const mesh_;
  BufferPool pool_;                        // Of a job without a mesh.
  std::unique_ptr<SharedChannel> shared_;  // Null where there is none.
  bool offered_ = false;
  std::array<std::vector<int>, kParcelKinds> sender_ranks_;  // By kind and sending seat.
  std::array<Mailboxes, kParcelKinds> mailboxes_;
  std::array<Sent, kChannels> sent_;
  std::vector<Doorbell> passed_;         // By user partition.
  std::atomic<bool> spins_here_{false};  // Whether each thread of this process has a core.
  std::atomic<bool> is_closed_{false};
  std::mutex closed_mutex_;  // Whoever watches the ranks closes, and any thread may ask why.
  absl::Status closed_;      // Guarded by closed_mutex_.
};

}  // namespace cf

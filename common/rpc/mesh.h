#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/rpc/buffer.h"
#include "common/rpc/frame.h"
#include "common/rpc/handshake.h"
#include "common/rpc/listener.h"

namespace cf {

/// What one rank tells another: a small control message (protobuf, as a rule) and a raw payload.
struct Message {
  FrameKind kind = FrameKind::kControl;
  std::uint64_t request_id = 0;
  std::string control{};
  Buffer payload{};
};

/// One TCP connection between each pair of the ranks of a generation, over which they exchange
/// messages. The higher rank dials the lower; both prove that they know the job's key before a
/// message is read, and nobody can change, repeat or reorder what follows (docs/wire.md). A mesh of one rank has neither thread nor socket.
///
/// Owner:      the process's part of one generation; a new generation makes a new mesh.
/// Threads:    every method may be called from any thread, except that Close and the destructor may
///             not be called from a handler. Handlers run on the one I/O thread, so they must not
///             wait for what only that thread can bring.
/// Bounds:     each peer's queue by `queued_bytes_max` (a producer waits), each frame by `limits`,
///             connections that have not proved themselves by kStrangersMax and by a deadline. A
///             message that has arrived belongs to the handler.
/// Invariants: messages from one rank to another arrive in the order in which they were sent, whole
///             and checked, or the peer is lost. A peer is reported lost or left at most once, and
///             no message of it follows.
class Mesh {
 public:
  /// Connections at once that have not proved yet that they know the key.
  static constexpr std::size_t kStrangersMax = 64;

  struct Options {
    int rank = 0;
    std::vector<Endpoint> endpoints{};  ///< Of every rank, in their order, this one's own included.
    JobKey key{};
    std::uint64_t generation = 0;
    /// Of all frames, and the same at every rank.
    FrameProtection protection = FrameProtection::kAuthenticated;
    /// Silence after which a peer is lost; how long Connect, a handshake and a waiting producer may
    /// take. Heartbeats keep an idle connection from being silent.
    std::chrono::milliseconds timeout = std::chrono::seconds(60);
    /// How long Connect may take where that is shorter than `timeout`; zero: as long.
    std::chrono::milliseconds connect_timeout{0};
    /// Of rank 0 of two: it accepts the first who dials and nobody after him, as the listener's socket is
    /// somebody else's, too. Connect fails where that one does not prove that it knows the key.
    bool accepts_one = false;
    FrameLimits limits{};
    std::size_t queued_bytes_max = std::size_t{64}
                                   << 20;                 ///< Waiting to be written, for each peer.
    std::size_t pool_bytes_max = std::size_t{256} << 20;  ///< Kept by pool() for later use.
  };

  /// What the mesh calls, on its I/O thread. The first calls may come before Connect has returned.
  /// Handlers that are empty are not called.
  struct Handlers {
    std::function<void(int from, Message message)> on_message{};
    /// The peer died, fell silent, stalled or broke the protocol.
    std::function<void(int peer, const absl::Status& why)> on_lost{};
    /// One line for the log: a stranger was dropped.
    std::function<void(const std::string& line)> on_log{};
    /// The peer closed its mesh in good order.
    std::function<void(int peer)> on_left{};
  };

  /// Traffic with one peer since the start, headers and heartbeats included.
  struct Stats {
    std::uint64_t messages_sent = 0;
    std::uint64_t bytes_sent = 0;
    std::uint64_t messages_received = 0;
    std::uint64_t bytes_received = 0;
  };

  /// Connects this rank to all others and returns when every pair that it is part of has shaken
  /// hands. DeadlineExceeded names the ranks that are missing at the deadline; on_lost has heard of
  /// the first of them.
  /// Requires: 0 <= rank < endpoints.size(), and `listener` is the one whose endpoint the others
  /// were told.
  static absl::StatusOr<std::unique_ptr<Mesh>> Connect(Listener listener, Options options,
                                                       Handlers handlers);

  Mesh(const Mesh&) = delete;
  Mesh& operator=(const Mesh&) = delete;
  /// Closes. Where the system has no memory for that, the process ends: a mesh cannot stay half open.
  ~Mesh();  // NOLINT(bugprone-exception-escape)

  /// Sends `message` to rank `to`, writing it at once where the socket takes it and leaving the
  /// rest to the I/O thread; the payload's buffer goes to pool() when it is written. Waits, for
  /// `timeout` at most, while the peer's queue is full; if it stays full the peer is lost. From a
  /// handler it never waits: what handlers send (answers, which the peer's own requests bound) may
  /// pass the queue's limit. A message to a peer that is lost or has left is dropped. Requires:
  /// `to` is another rank; the message is within the limits.
  void Send(int to, Message message);

  /// Says goodbye to a peer that others call lost and hangs up: nobody waits for its goodbye. It is
  /// reported lost, unless it has left. From any thread, before Close.
  void Abandon(int peer);

  int rank() const;
  int size() const;
  BufferPool& pool();
  Stats stats(int peer) const;

  /// Ends in good order: writes what is queued, says goodbye, and takes what the peers still send
  /// until they have said goodbye too (which their meshes do by themselves) or `timeout` is over.
  /// No handler runs after it. The second call does nothing.
  void Close();

 private:
  class Impl;
  explicit Mesh(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace cf

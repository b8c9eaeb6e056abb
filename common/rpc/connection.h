#pragma once

// Private to common/rpc: the mesh's connection with one peer.

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <span>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/rpc/asio.h"
#include "common/rpc/frame_seal.h"
#include "common/rpc/mesh.h"

namespace cf::rpc {

/// One TCP connection whose ends have proved themselves: reads and checks frames, queues and writes
/// them, keeps the peer from thinking us silent, and notices when the peer is.
///
/// Owner:      Mesh::Impl, from the handshake until its I/O thread has ended.
/// Threads:    Send from any thread; all else on the I/O thread.
/// Bounds:     `queued_bytes_max` of frames wait to be written; kStagingBytes of what was read.
/// Invariants: ends once. It is over when both sides have said goodbye, or something went wrong.
class Connection {
 public:
  /// `on_ended` is called once, last. Requires: what is passed by reference outlives the
  /// connection.
  Connection(asio::io_context& io, tcp::socket socket, FrameSeals seals, int peer,
             const Mesh::Options& options, const Mesh::Handlers& handlers, BufferPool& pool,
             std::function<void()> on_ended);

  /// Starts heartbeats, after a first frame of this kind unless it is kUnspecified. Messages that
  /// arrive wait in the kernel until StartReading.
  void Start(FrameKind first);
  void StartReading();

  /// Queues a message and returns at once; whatever Mesh::Send promises holds here.
  void Send(Message message);

  /// Queues a goodbye behind what waits; what is sent later is dropped.
  void SayGoodbye();

  /// Ends it now. OK where both sides have said goodbye; else the peer is reported lost, unless it
  /// had left.
  void End(const absl::Status& why);

  bool ended() const { return ended_; }
  Mesh::Stats stats() const;

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kStagingBytes = 16 << 10;

  /// A frame that waits to be written, `written` bytes of it having been.
  struct Outgoing {
    FrameHeader fields;
    FrameHeaderBytes header;
    std::string control;
    Buffer payload;
    FrameTag tag;
    std::size_t tag_bytes = 0;
    std::size_t written = 0;

    std::size_t bytes() const {
      return header.size() + control.size() + payload.size() + tag_bytes;
    }
  };

  awaitable<absl::Status> Read();
  awaitable<absl::Status> ReadBody(FrameHeader header, Message& message);
  /// Makes at least `bytes` of what was read lie in staging. Requires: bytes <= kStagingBytes.
  awaitable<absl::Status> Stage(std::size_t bytes);
  /// Fills `bytes` from staging, then from the socket; the same read also brings the beginning of
  /// the next frame into staging.
  awaitable<absl::Status> Fill(std::span<std::byte> bytes);
  /// Accounts for one read of the socket.
  absl::Status Heard(const boost::system::error_code& error, std::size_t bytes);
  awaitable<absl::Status> Watch();
  awaitable<absl::Status> Drain();
  void EndIfBothSaidGoodbye();
  /// Runs `task` on the I/O thread until it returns; an error ends the connection.
  void Spawn(awaitable<absl::Status> task);

  Outgoing MakeFrame(FrameKind kind, Message message) const;
  void Enqueue(Outgoing frame);         // Requires mutex_. Seals it.
  absl::Status WriteQueued();           // Requires mutex_. As much as the socket takes.
  void DropWritten(std::size_t bytes);  // Requires mutex_.

  // Constant after construction.
  asio::io_context& io_;
  const int peer_;
  const Mesh::Options& options_;
  const Mesh::Handlers& handlers_;
  BufferPool& pool_;
  const std::function<void()> on_ended_;
  const int descriptor_;

  // On the I/O thread.
  tcp::socket socket_;  // Closed under mutex_, because Send writes to its descriptor.
  asio::steady_timer watch_;
  Clock::time_point heard_at_;
  bool reading_ = false;
  bool left_ = false;  // The peer has said goodbye.
  FrameOpener opener_;
  std::array<std::byte, kStagingBytes> staging_;
  std::size_t staged_begin_ = 0;
  std::size_t staged_end_ = 0;

  // Any thread may write to the socket: handing each message to the I/O thread would cost a wake-up
  // of some 10 us, in the middle of a step.
  mutable std::mutex mutex_;
  std::condition_variable room_;  // Waited for by producers; signalled when the queue shrinks.
  // Guarded by mutex_, as all that follows: frames are numbered in the order in which they are
  // queued.
  FrameSealer sealer_;
  std::deque<Outgoing> queue_;
  std::size_t queued_bytes_ = 0;
  Clock::time_point written_at_;  // The last time that the socket took something.
  bool draining_ = false;         // Drain is running, or about to.
  bool closing_ = false;          // We have said goodbye.
  bool closed_ = false;

  bool ended_ = false;  // On the I/O thread.

  std::atomic<std::uint64_t> messages_sent_{0};
  std::atomic<std::uint64_t> bytes_sent_{0};
  std::atomic<std::uint64_t> messages_received_{0};
  std::atomic<std::uint64_t> bytes_received_{0};
};

}  // namespace cf::rpc

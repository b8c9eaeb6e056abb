#pragma once

#include <algorithm>
#include <arpa/inet.h>
#include <cstddef>
#include <netinet/in.h>
#include <optional>
#include <span>
#include <string>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "common/base/check.h"
#include "common/rpc/frame.h"
#include "common/rpc/frame_seal.h"
#include "common/rpc/handshake.h"
#include "common/rpc/listener.h"

namespace cf {

/// A rank that tests drive byte by byte: a blocking socket, dialled to a mesh's listener.
///
/// Owner:   a test.
/// Threads: one.
/// Bounds:  no read takes longer than 20 s.
class RawPeer {
 public:
  explicit RawPeer(const Endpoint& endpoint) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    // A small window, so that a peer that does not read soon fills it.
    const int window = 16 << 10;
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(endpoint.port);
    Check(::inet_pton(AF_INET, endpoint.address.c_str(), &address.sin_addr) == 1, "an address");
    Check(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0,
          "the mesh listens");
  }
  RawPeer(RawPeer&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)), seals_(std::move(other.seals_)) {}
  ~RawPeer() { Close(); }

  void Close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }

  int descriptor() const { return socket_; }

  /// Whether all of `bytes` could be written.
  bool Write(std::span<const std::byte> bytes) {
    return ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
  }

  /// Whether `bytes` could be filled before the connection ended.
  bool Read(std::span<std::byte> bytes) {
    return bytes.empty() || ::recv(socket_, bytes.data(), bytes.size(), MSG_WAITALL) ==
                                static_cast<ssize_t>(bytes.size());
  }

  /// Reads until the mesh hangs up; whether it did.
  bool HungUp() {
    std::vector<std::byte> rest(4096);
    ssize_t got = 0;
    while ((got = ::recv(socket_, rest.data(), rest.size(), 0)) > 0) {
    }
    return got == 0 || errno == ECONNRESET;
  }

  /// The dialer's side of the handshake by the library's own functions; whether it was welcomed.
  bool ShakeHands(const JobKey& key, std::uint64_t generation, int from, int to) {
    const HelloBytes ours = EncodeHello(*MakeHello(generation, from, to));
    HelloBytes theirs;
    Proof their_proof;
    if (!Write(ours) || !Read(theirs) || !Read(their_proof)) return false;
    if (!Write(Prove(key, HandshakeRole::kDialer, ours, theirs))) return false;
    seals_ =
        MakeFrameSeals(FrameProtection::kAuthenticated, key, HandshakeRole::kDialer, ours, theirs);
    FrameHeaderBytes welcome;
    return Read(welcome) && seals_->opener.OpenHeader(welcome, {}, generation).ok();
  }

  /// Writes the next frame of this connection, whose tags are right; but then only the first
  /// `bytes_max` bytes of it, and byte `flipped` with its lowest bit turned over.
  bool WriteFrame(const FrameHeader& header, std::string control,
                  std::size_t bytes_max = std::string::npos,
                  std::size_t flipped = std::string::npos) {
    Check(seals_.has_value(), "the mesh has welcomed us");
    FrameTag tag;
    const FrameHeaderBytes start =
        *seals_->sealer.Seal(header, std::as_writable_bytes(std::span(control)), {}, tag);
    const auto text = [](std::span<const std::byte> bytes) {
      return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    };
    const std::size_t tag_bytes = seals_->sealer.TagBytes(control.size());
    std::string frame = text(start) + control + text(std::span(tag).first(tag_bytes));
    if (flipped < frame.size()) frame[flipped] = static_cast<char>(frame[flipped] ^ 1);
    return Write(std::as_bytes(std::span(frame).first(std::min(bytes_max, frame.size()))));
  }

 private:
  int socket_;
  std::optional<FrameSeals> seals_;
};

}  // namespace cf

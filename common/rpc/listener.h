#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include <absl/status/statusor.h>

namespace cf {

/// Where a rank listens.
struct Endpoint {
  std::string address;  ///< IPv4 or IPv6, in figures.
  std::uint16_t port = 0;

  bool operator==(const Endpoint&) const = default;
};

/// A listening TCP socket on a port that the kernel chose, opened before the rendezvous so that the
/// others can be told where it is. Connections wait in the kernel until a Mesh takes it over, or the
/// next one that is given a share of it.
///
/// Owner:   whoever opened it, then the Mesh.
/// Threads: not thread-safe.
class Listener {
 public:
  /// Listens on `address` ("127.0.0.1") alone. InvalidArgument when it is no address, Internal when
  /// the host does not have it.
  static absl::StatusOr<Listener> Open(const std::string& address);

  Listener(Listener&& other) noexcept;
  Listener& operator=(Listener&& other) noexcept;
  ~Listener();

  const Endpoint& endpoint() const { return endpoint_; }

  /// Another hold of the same socket, which listens as long as any of them does. Who dials meanwhile
  /// waits for whoever accepts next.
  absl::StatusOr<Listener> Share() const;

  /// For poll: readable where somebody has dialed and was not accepted yet.
  int descriptor() const { return socket_; }

  /// Hands the socket over to the caller; the listener is empty afterwards.
  int Release();

 private:
  Listener(int socket, Endpoint endpoint) : socket_(socket), endpoint_(std::move(endpoint)) {}

  int socket_ = -1;
  Endpoint endpoint_;
};

}  // namespace cf

#include "common/rpc/listener.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <absl/strings/str_cat.h>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "common/base/status.h"
#include "common/rpc/socket_options.h"

namespace cf {

absl::StatusOr<Listener> Listener::Open(const std::string& address) {
  boost::system::error_code error;
  const auto parsed = boost::asio::ip::make_address(address, error);
  if (error) {
    return absl::InvalidArgumentError(absl::StrCat("'", address, "' is not an IP address"));
  }
  boost::asio::ip::tcp::endpoint asked(parsed, 0);
  const int socket = ::socket(asked.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return ErrnoError(errno, "opening a socket");
  Listener listener(socket, {.address = address});
  rpc::AskForLargeBuffers(socket);  // What it accepts inherits them.
  auto size = static_cast<socklen_t>(asked.capacity());
  if (::bind(socket, asked.data(), static_cast<socklen_t>(asked.size())) != 0 ||
      ::listen(socket, SOMAXCONN) != 0 || ::getsockname(socket, asked.data(), &size) != 0) {
    return ErrnoError(errno, absl::StrCat("listening on ", address));
  }
  listener.endpoint_.port = asked.port();
  return listener;
}

Listener::Listener(Listener&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)), endpoint_(std::move(other.endpoint_)) {
}

Listener& Listener::operator=(Listener&& other) noexcept {
  std::swap(socket_, other.socket_);
  std::swap(endpoint_, other.endpoint_);
  return *this;
}

Listener::~Listener() {
  if (socket_ >= 0) ::close(socket_);
}

absl::StatusOr<Listener> Listener::Share() const {
  const int socket = ::fcntl(socket_, F_DUPFD_CLOEXEC, 0);
  if (socket < 0) return ErrnoError(errno, "sharing a listening socket");
  return Listener(socket, endpoint_);
}

int Listener::Release() {
  return std::exchange(socket_, -1);
}

}  // namespace cf

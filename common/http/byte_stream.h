#pragma once

// Private to common/http: the bytes of one connection, plain or through TLS. Includes Asio.

#include <memory>
#include <span>
#include <string>
#include <utility>

#include <absl/status/statusor.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace cf::http {

namespace asio = boost::asio;
using asio::awaitable;
using asio::ip::tcp;
using boost::system::error_code;

/// co_await gives (error, result) rather than throw.
inline constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

/// What a client and we say to each other. Cancelling or closing its socket ends what is under way.
///
/// Owner:   Connection.
/// Threads: the I/O thread.
class ByteStream {
 public:
  virtual ~ByteStream() = default;

  virtual tcp::socket& socket() = 0;
  /// To be awaited before all others.
  virtual awaitable<error_code> Begin() = 0;
  virtual awaitable<std::pair<error_code, std::size_t>> ReadSome(asio::mutable_buffer space) = 0;
  /// Writes all of it.
  virtual awaitable<error_code> Write(std::span<const asio::const_buffer> pieces) = 0;
  /// Says that nothing more will be written.
  virtual awaitable<error_code> EndWriting() = 0;
};

/// Makes streams of sockets: plain ones, or with a certificate those of TLS.
///
/// Owner:   HttpServer.
/// Threads: the I/O thread, once made.
class StreamMaker {
 public:
  /// Files in PEM; both empty: no TLS. InvalidArgument: they are not there, or do not fit.
  static absl::StatusOr<StreamMaker> Make(const std::string& certificate, const std::string& key);
  StreamMaker(StreamMaker&&) noexcept;
  StreamMaker& operator=(StreamMaker&&) noexcept;
  ~StreamMaker();

  std::unique_ptr<ByteStream> Wrap(tcp::socket socket) const;

 private:
  struct Tls;
  explicit StreamMaker(std::unique_ptr<Tls> tls);
  std::unique_ptr<Tls> tls_;  // Null without TLS.
};

}  // namespace cf::http

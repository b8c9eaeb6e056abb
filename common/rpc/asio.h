#pragma once

// Private to common/rpc: the parts of Asio that its sources use, and our few words on top of them.

#include <string>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace cf::rpc {

namespace asio = boost::asio;
using asio::awaitable;
using asio::ip::tcp;

/// co_await gives (error, result) rather than throw.
inline constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

/// What the network did to us, as a value.
inline absl::Status NetworkError(const boost::system::error_code& error, const std::string& doing) {
  if (error == asio::error::eof) {
    return absl::UnavailableError(absl::StrCat(doing, ": the connection was closed"));
  }
  return absl::UnavailableError(absl::StrCat(doing, ": ", error.message()));
}

}  // namespace cf::rpc

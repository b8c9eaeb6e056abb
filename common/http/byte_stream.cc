#include "common/http/byte_stream.h"

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>

namespace cf::http {
namespace {

namespace ssl = asio::ssl;

class PlainStream final : public ByteStream {
 public:
  explicit PlainStream(tcp::socket socket) : socket_(std::move(socket)) {}

  tcp::socket& socket() override { return socket_; }
  awaitable<error_code> Begin() override { co_return error_code(); }
  awaitable<std::pair<error_code, std::size_t>> ReadSome(asio::mutable_buffer space) override {
    const auto [error, bytes] = co_await socket_.async_read_some(space, kAwait);
    co_return std::pair(error, bytes);
  }
  awaitable<error_code> Write(std::span<const asio::const_buffer> pieces) override {
    const auto [error, bytes] = co_await asio::async_write(socket_, pieces, kAwait);
    co_return error;
  }
  awaitable<error_code> EndWriting() override {
    error_code error;
    socket_.shutdown(tcp::socket::shutdown_send, error);
    co_return error;
  }

 private:
  tcp::socket socket_;
};

class TlsStream final : public ByteStream {
 public:
  TlsStream(tcp::socket socket, ssl::context& context) : stream_(std::move(socket), context) {}

  tcp::socket& socket() override { return stream_.next_layer(); }
  awaitable<error_code> Begin() override {
    const auto [error] = co_await stream_.async_handshake(ssl::stream_base::server, kAwait);
    co_return error;
  }
  awaitable<std::pair<error_code, std::size_t>> ReadSome(asio::mutable_buffer space) override {
    const auto [error, bytes] = co_await stream_.async_read_some(space, kAwait);
    co_return std::pair(error, bytes);
  }
  awaitable<error_code> Write(std::span<const asio::const_buffer> pieces) override {
    const auto [error, bytes] = co_await asio::async_write(stream_, pieces, kAwait);
    co_return error;
  }
  awaitable<error_code> EndWriting() override {
    const auto [error] = co_await stream_.async_shutdown(kAwait);
    co_return error;
  }

 private:
  ssl::stream<tcp::socket> stream_;
};

}  // namespace

struct StreamMaker::Tls {
  ssl::context context{ssl::context::tls_server};
};

absl::StatusOr<StreamMaker> StreamMaker::Make(const std::string& certificate,
                                              const std::string& key) {
  if (certificate.empty() && key.empty()) return StreamMaker(nullptr);
  if (certificate.empty() || key.empty()) {
    return absl::InvalidArgumentError("TLS needs a certificate and its key");
  }
  auto tls = std::make_unique<Tls>();
  error_code error;
  tls->context.set_options(ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1, error);
  if (!error) tls->context.use_certificate_chain_file(certificate, error);
  if (error) return absl::InvalidArgumentError(absl::StrCat(certificate, ": ", error.message()));
  tls->context.use_private_key_file(key, ssl::context::pem, error);
  if (error) return absl::InvalidArgumentError(absl::StrCat(key, ": ", error.message()));
  return StreamMaker(std::move(tls));
}

StreamMaker::StreamMaker(std::unique_ptr<Tls> tls) : tls_(std::move(tls)) {
}
StreamMaker::StreamMaker(StreamMaker&&) noexcept = default;
StreamMaker& StreamMaker::operator=(StreamMaker&&) noexcept = default;
StreamMaker::~StreamMaker() = default;

std::unique_ptr<ByteStream> StreamMaker::Wrap(tcp::socket socket) const {
  if (tls_ == nullptr) return std::make_unique<PlainStream>(std::move(socket));
  return std::make_unique<TlsStream>(std::move(socket), tls_->context);
}

}  // namespace cf::http

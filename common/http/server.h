#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "common/http/exchange.h"
#include "common/http/router.h"

namespace cf {

/// Answers HTTP/1.1 on one port. One thread reads requests and writes answers; workers make the
/// answers, and a bounded queue is between them. Whatever clients send or do not send, each has its
/// own deadlines, and the others are answered: a request that is wrong gets its 4xx and the end of
/// its connection; when all connections are taken, the oldest that is asking nothing makes room.
///
/// Owner:   the program.
/// Threads: its functions may be called on any; handlers run on the workers, those of routes that
///          answer `at_once` and `on_answered` on the I/O thread.
/// Bounds:  those of Options: connections_max * (header_bytes_max + body_bytes_max) bytes of requests
///          and as many answers.
class HttpServer {
 public:
  struct Options {
    std::string address = "127.0.0.1";  ///< In figures.
    std::uint16_t port = 0;             ///< 0: one that is free.
    /// Names that requests may have for the Host, beside "localhost" and addresses in figures.
    std::vector<std::string> hosts = {};
    /// Files in PEM: with both, TLS is all that is spoken.
    std::string tls_certificate = {};
    std::string tls_key = {};
    std::string token = {};  ///< What requests must bear (Authorization: Bearer); empty: nothing.

    /// Fewer where the process may not have so many files open.
    std::size_t connections_max = 1024;
    std::size_t header_bytes_max = std::size_t{16} << 10;
    std::size_t body_bytes_max = std::size_t{1} << 20;
    unsigned workers = 1;
    std::size_t waiting_max = 512;  ///< Requests in the queue; further ones get 503.

    std::chrono::milliseconds header_max = std::chrono::seconds(10);
    std::chrono::milliseconds body_max = std::chrono::seconds(20);
    std::chrono::milliseconds idle_max = std::chrono::seconds(60);    ///< Between requests.
    std::chrono::milliseconds answer_max = std::chrono::seconds(20);  ///< Waiting and working.
    std::chrono::milliseconds write_max = std::chrono::seconds(20);   ///< Until all is taken.

    /// Hears of each request that has been answered. Null: nobody does.
    std::function<void(const AnsweredRequest&)> on_answered = nullptr;
  };

  struct Figures {
    std::size_t connections = 0;    ///< Open now.
    std::uint64_t accepted = 0;     ///< Since the start, as are the next two.
    std::uint64_t evicted = 0;      ///< Closed to make room for others.
    std::uint64_t turned_away = 0;  ///< For whom there was no room.
    std::size_t waiting = 0;        ///< Requests in the queue now.
  };

  /// Listens, and answers from then on. InvalidArgument: the address is none, or the certificate
  /// and the key are no pair; Internal: it or the
  /// port cannot be had.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(Options options, Router router);
  /// Ends everything, as Drain(0) does.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const;
  Figures figures() const;

  /// From now on each answer ends its connection, so that clients go elsewhere for the next.
  void SendAway();

  /// Accepts nobody any more, closes connections that ask nothing, and waits until those that do are
  /// answered, at most `most`; then it closes them. Whether all were answered.
  bool Drain(std::chrono::milliseconds most);

 private:
  class Implementation;
  explicit HttpServer(std::unique_ptr<Implementation> implementation);

  std::unique_ptr<Implementation> implementation_;
};

}  // namespace cf

#include "common/http/server.h"

#include <algorithm>
#include <atomic>
#include <ctime>
#include <exception>
#include <future>
#include <list>
#include <optional>
#include <sys/resource.h>
#include <thread>
#include <utility>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>

#include "common/http/connection.h"

namespace cf {
namespace {

using http::awaitable;
using http::AwaitedExchange;
using http::Clock;
using http::Connection;
using http::kAwait;
using http::asio::ip::tcp;

// How often deadlines are looked at: a connection may outlive its own by this.
constexpr std::chrono::milliseconds kTick(50);

// What waits after no connection could be accepted, because there are no more descriptors.
constexpr std::chrono::milliseconds kAcceptPause(100);

// Files that a process has open beside its connections.
constexpr std::size_t kOtherDescriptors = 64;

// "Sun, 06 Nov 1994 08:49:37 GMT"
std::string DateText(std::time_t now) {
  std::tm parts = {};
  ::gmtime_r(&now, &parts);
  char text[40];
  return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

}  // namespace

class HttpServer::Implementation {
 public:
  Implementation(Options options, Router router)
      : options_(std::move(options)),
        router_(std::move(router)),
        access_(options_.hosts, options_.token),
        acceptor_(io_),
        pause_(io_),
        tick_(io_) {
    surroundings_.date = DateText(std::time(nullptr));
  }
  ~Implementation() { Stop(); }
  Implementation(const Implementation&) = delete;
  Implementation& operator=(const Implementation&) = delete;

  absl::Status Listen();
  void Run();
  bool Drain(std::chrono::milliseconds most);
  void SendAway();
  void Stop();
  Figures figures() const;
  std::uint16_t port() const { return port_; }

 private:
  using Connections = std::list<Connection>;

  absl::Status LimitConnections();
  awaitable<void> Accept();
  awaitable<void> Watch();
  void Admit(tcp::socket socket);
  bool MakeRoom();
  void TurnAway(tcp::socket socket);
  void Forget(Connections::iterator connection);
  void HandBack(WorkQueue::Bundle bundle);
  void BeginDrain();

  const Options options_;
  std::size_t connections_max_ = 0;  // As far as there are descriptors for them.
  const Router router_;
  const AccessRule access_;
  std::optional<http::StreamMaker> streams_;  // Set before anybody is accepted.
  std::uint16_t port_ = 0;
  http::asio::io_context io_;
  // Of the I/O thread, down to the next remark.
  http::Surroundings surroundings_{.options = options_, .router = router_, .access = access_};
  tcp::acceptor acceptor_;
  http::asio::steady_timer pause_;
  http::asio::steady_timer tick_;
  Connections connections_;
  bool draining_ = false;
  bool emptied_told_ = false;
  std::promise<void> emptied_;
  // Of any thread.
  std::future<void> empty_ = emptied_.get_future();
  std::atomic<std::size_t> open_{0};
  std::atomic<std::uint64_t> accepted_{0};
  std::atomic<std::uint64_t> evicted_{0};
  std::atomic<std::uint64_t> turned_away_{0};
  std::unique_ptr<WorkQueue> queue_;
  std::thread io_thread_;
};

// As many connections as are asked for, as far as the process may have descriptors: where there are
// none left nobody could be accepted, and none of those that are silent would be closed for it.
absl::Status HttpServer::Implementation::LimitConnections() {
  rlimit descriptors = {};
  ::getrlimit(RLIMIT_NOFILE, &descriptors);
  if (descriptors.rlim_cur <= kOtherDescriptors) {
    return absl::InternalError(
        absl::StrCat("the process may have only ", descriptors.rlim_cur,
                     " open files (ulimit -n), which leaves none for clients"));
  }
  connections_max_ =
      std::min<std::size_t>(options_.connections_max, descriptors.rlim_cur - kOtherDescriptors);
  return absl::OkStatus();
}

absl::Status HttpServer::Implementation::Listen() {
  if (absl::Status limited = LimitConnections(); !limited.ok()) return limited;
  const std::string place = absl::StrCat(options_.address, " port ", options_.port);
  absl::StatusOr<http::StreamMaker> streams =
      http::StreamMaker::Make(options_.tls_certificate, options_.tls_key);
  if (!streams.ok()) return streams.status();
  streams_ = *std::move(streams);
  boost::system::error_code error;
  const auto address = http::asio::ip::make_address(options_.address, error);
  if (error) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", options_.address, "' is not an IP address"));
  }
  const tcp::endpoint endpoint(address, options_.port);
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(tcp::acceptor::max_listen_connections, error);
  if (!error) port_ = acceptor_.local_endpoint(error).port();
  if (error) {
    return absl::InternalError(absl::StrCat("listening on ", place, ": ", error.message()));
  }
  return absl::OkStatus();
}

void HttpServer::Implementation::Run() {
  queue_ = std::make_unique<WorkQueue>(
      WorkQueue::Options{.workers = options_.workers, .waiting_max = options_.waiting_max},
      [this](WorkQueue::Bundle bundle) {
        http::asio::post(
            io_, [this, bundle = std::move(bundle)]() mutable { HandBack(std::move(bundle)); });
      });
  surroundings_.queue = queue_.get();
  // What a library throws ends the connection or, of these two, the program.
  const auto ended = [](const std::exception_ptr& thrown) {
    if (thrown) std::rethrow_exception(thrown);
  };
  http::asio::co_spawn(io_, Accept(), ended);
  http::asio::co_spawn(io_, Watch(), ended);
  io_thread_ = std::thread([this] { io_.run(); });
}

awaitable<void> HttpServer::Implementation::Accept() {
  while (acceptor_.is_open()) {
    auto [error, socket] = co_await acceptor_.async_accept(kAwait);
    if (!error) {
      Admit(std::move(socket));
    } else if (acceptor_.is_open()) {
      MakeRoom();
      pause_.expires_after(kAcceptPause);
      co_await pause_.async_wait(kAwait);
    }
  }
}

// Keeps deadlines until the last connection has gone.
awaitable<void> HttpServer::Implementation::Watch() {
  std::time_t last = 0;
  while (!emptied_told_) {
    tick_.expires_after(kTick);
    co_await tick_.async_wait(kAwait);
    const Clock::time_point now = Clock::now();
    for (Connection& connection : connections_) connection.Tick(now);
    const std::time_t seconds = std::time(nullptr);
    if (seconds != last) surroundings_.date = DateText(seconds);
    last = seconds;
  }
}

void HttpServer::Implementation::Admit(tcp::socket socket) {
  accepted_.fetch_add(1, std::memory_order_relaxed);
  if (connections_.size() >= connections_max_ && !MakeRoom()) {
    TurnAway(std::move(socket));
    return;
  }
  const auto connection =
      connections_.emplace(connections_.end(), streams_->Wrap(std::move(socket)), surroundings_);
  open_.store(connections_.size(), std::memory_order_relaxed);
  http::asio::co_spawn(io_, connection->Serve(),
                       [this, connection](const std::exception_ptr&) { Forget(connection); });
}

// Closes the connection that has been silent longest, of those that have had no answer if there are
// any. False where all are being answered. The closed one leaves the list a moment later.
bool HttpServer::Implementation::MakeRoom() {
  Connection* oldest = nullptr;
  const auto key = [](const Connection& connection) {
    return std::pair(connection.served(), connection.since());
  };
  for (Connection& connection : connections_) {
    if (connection.state() == Connection::State::kAnswering ||
        connection.state() == Connection::State::kWriting || connection.closed()) {
      continue;
    }
    if (oldest == nullptr || key(connection) < key(*oldest)) oldest = &connection;
  }
  if (oldest == nullptr) return false;
  oldest->Close();
  evicted_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void HttpServer::Implementation::TurnAway(tcp::socket socket) {
  turned_away_.fetch_add(1, std::memory_order_relaxed);
  static constexpr char kAnswer[] =
      "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
      "Connection: close\r\n\r\n";
  boost::system::error_code ignored;
  socket.non_blocking(true, ignored);
  socket.write_some(http::asio::buffer(kAnswer, sizeof kAnswer - 1), ignored);
}

void HttpServer::Implementation::Forget(Connections::iterator connection) {
  connections_.erase(connection);
  open_.store(connections_.size(), std::memory_order_relaxed);
  if (draining_ && connections_.empty() && !emptied_told_) {
    emptied_told_ = true;
    emptied_.set_value();
  }
}

// A bundle that its worker has answered, on the I/O thread.
void HttpServer::Implementation::HandBack(WorkQueue::Bundle bundle) {
  for (const std::shared_ptr<HttpExchange>& exchange : bundle) {
    auto& awaited = static_cast<AwaitedExchange&>(*exchange);
    awaited.done = true;
    awaited.ready.cancel();
  }
}

void HttpServer::Implementation::SendAway() {
  http::asio::post(io_, [this] { surroundings_.ending = true; });
}

void HttpServer::Implementation::BeginDrain() {
  draining_ = true;
  surroundings_.ending = true;
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  pause_.cancel();
  for (Connection& connection : connections_) connection.CloseIfIdle();
  if (connections_.empty() && !emptied_told_) {
    emptied_told_ = true;
    emptied_.set_value();
  }
}

bool HttpServer::Implementation::Drain(std::chrono::milliseconds most) {
  http::asio::post(io_, [this] { BeginDrain(); });
  const bool all = empty_.wait_for(most) == std::future_status::ready;
  if (!all) {
    http::asio::post(io_, [this] {
      for (Connection& connection : connections_) connection.Close();
    });
    empty_.wait();
  }
  return all;
}

void HttpServer::Implementation::Stop() {
  if (!io_thread_.joinable()) return;
  Drain(std::chrono::milliseconds(0));
  queue_.reset();
  io_thread_.join();
}

HttpServer::Figures HttpServer::Implementation::figures() const {
  return {.connections = open_.load(std::memory_order_relaxed),
          .accepted = accepted_.load(std::memory_order_relaxed),
          .evicted = evicted_.load(std::memory_order_relaxed),
          .turned_away = turned_away_.load(std::memory_order_relaxed),
          .waiting = queue_->size()};
}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(Options options, Router router) {
  std::unique_ptr<Implementation> implementation;
  try {
    implementation = std::make_unique<Implementation>(std::move(options), std::move(router));
  } catch (const boost::system::system_error& error) {  // Of Asio, which wants descriptors.
    return absl::InternalError(error.what());
  }
  if (absl::Status listens = implementation->Listen(); !listens.ok()) return listens;
  implementation->Run();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(implementation)));
}

HttpServer::HttpServer(std::unique_ptr<Implementation> implementation)
    : implementation_(std::move(implementation)) {
}
HttpServer::~HttpServer() = default;

std::uint16_t HttpServer::port() const {
  return implementation_->port();
}

HttpServer::Figures HttpServer::figures() const {
  return implementation_->figures();
}

void HttpServer::SendAway() {
  implementation_->SendAway();
}

bool HttpServer::Drain(std::chrono::milliseconds most) {
  return implementation_->Drain(most);
}

}  // namespace cf

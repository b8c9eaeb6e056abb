#include "common/rpc/mesh.h"

#include <algorithm>
#include <exception>
#include <future>
#include <list>
#include <mutex>
#include <optional>
#include <pthread.h>
#include <thread>
#include <utility>

#include <absl/strings/match.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include "common/base/check.h"
#include "common/base/status.h"
#include "common/rpc/asio.h"
#include "common/rpc/connection.h"
#include "common/rpc/greeting.h"
#include "common/rpc/log_limiter.h"
#include "common/rpc/socket_options.h"

namespace cf {
namespace {

using namespace rpc;  // NOLINT: this file is the other half of that namespace.

/// How long a stranger may take to prove itself, if `timeout` is not shorter.
constexpr std::chrono::milliseconds kHandshakeMax = std::chrono::seconds(5);

/// Between two attempts to reach a rank that does not answer yet.
constexpr std::chrono::milliseconds kRedialPause{50};

/// A connection that has not proved itself yet. `deadline` closes the socket under the coroutine
/// that shakes hands on it.
struct Stranger {
  explicit Stranger(tcp::socket s) : socket(std::move(s)), deadline(socket.get_executor()) {}

  tcp::socket socket;
  asio::steady_timer deadline;
};
using StrangerPtr = std::shared_ptr<Stranger>;

std::string NameOf(const Endpoint& endpoint) {
  const bool v6 = absl::StrContains(endpoint.address, ":");
  return absl::StrCat(v6 ? "[" : "", endpoint.address, v6 ? "]:" : ":", endpoint.port);
}

}  // namespace

/// The mesh's state, all of it on the I/O thread from Open on, except where it says otherwise.
class Mesh::Impl {
 public:
  Impl(Listener listener, Options options, Handlers handlers)
      : options_(std::move(options)),
        handlers_(std::move(handlers)),
        pool_(options_.pool_bytes_max),
        listener_(std::move(listener)),
        connections_(options_.endpoints.size()),
        missing_(size() - 1) {}

  /// Starts the I/O thread; the status is that of the mesh when it is whole, or cannot be. On the
  /// caller's thread.
  absl::Status Open();
  void Close();  ///< On the caller's thread.
  void Abandon(int peer);

  int size() const { return static_cast<int>(options_.endpoints.size()); }
  const Options& options() const { return options_; }
  BufferPool& pool() { return pool_; }
  Connection& connection(int peer) { return *connections_[static_cast<std::size_t>(peer)]; }
  bool on_io_thread() { return io_.get_executor().running_in_this_thread(); }

 private:
  void Start();
  awaitable<absl::Status> Accept();
  awaitable<absl::Status> Meet(StrangerPtr stranger);
  awaitable<absl::Status> Dial(int peer);
  awaitable<absl::Status> DialOnce(int peer);
  StrangerPtr Admit(tcp::socket socket);
  Introduction Self() const;
  void Adopt(int peer, tcp::socket socket, FrameSeals seals, FrameKind first);
  void Spawn(awaitable<absl::Status> task);
  void Opened(const absl::Status& status);
  int FirstMissing() const;
  absl::Status Missing() const;
  void BeginClose();
  void OnConnectionEnded();
  void StopIfNoneLives();
  std::chrono::milliseconds connect_limit() const {
    const std::chrono::milliseconds limit = options_.connect_timeout;
    return limit.count() > 0 ? std::min(limit, options_.timeout) : options_.timeout;
  }

  // Constant after construction.
  const Options options_;
  const Handlers handlers_;

  BufferPool pool_;  // Any thread.

  asio::io_context io_{1};
  Listener listener_;
  std::optional<tcp::acceptor> acceptor_;
  asio::steady_timer pause_{io_};     // Between attempts to accept.
  asio::steady_timer deadline_{io_};  // Of Open, then of Close.
  std::list<StrangerPtr> strangers_;
  LogLimiter log_{handlers_.on_log};
  /// By rank. Filled before Open returns and constant from then on: other threads read it.
  std::vector<std::unique_ptr<Connection>> connections_;
  int missing_;          // Connections that are still to be made.
  int living_ = 0;       // Connections that have not ended.
  bool opened_ = false;  // Or failed to.
  bool whole_ = false;
  bool closing_ = false;
  std::promise<absl::Status> open_;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_;

  std::once_flag close_once_;
  std::thread thread_;
};

// --- On the caller's thread ----------------------------------------------------------------------

absl::Status Mesh::Impl::Open() {
  if (size() == 1) return absl::OkStatus();
  work_.emplace(io_.get_executor());
  asio::post(io_, [this] { Start(); });
  std::future<absl::Status> opened = open_.get_future();
  thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "cf-io");
    io_.run();
  });
  return opened.get();
}

void Mesh::Impl::Close() {
  std::call_once(close_once_, [this] {
    if (!thread_.joinable()) return;
    Check(!on_io_thread(), "a mesh is not closed by its own handlers");
    asio::post(io_, [this] { BeginClose(); });
    thread_.join();
  });
}

void Mesh::Impl::Abandon(int peer) {
  if (!thread_.joinable()) return;
  asio::post(io_, [this, peer] {
    Connection* const lost = connections_[static_cast<std::size_t>(peer)].get();
    if (lost == nullptr) return;
    lost->SayGoodbye();
    lost->End(absl::UnavailableError("others have lost it"));
  });
}

// --- Coming up -----------------------------------------------------------------------------------

void Mesh::Impl::Start() {
  boost::system::error_code error;
  const auto address = asio::ip::make_address(listener_.endpoint().address, error);
  Check(!error, "a listener's address is one");
  acceptor_.emplace(io_);
  acceptor_->assign(address.is_v6() ? tcp::v6() : tcp::v4(), listener_.Release(), error);
  if (error) return Opened(NetworkError(error, "taking over the listener"));

  deadline_.expires_after(connect_limit());
  deadline_.async_wait([this](const boost::system::error_code& cancelled) {
    if (cancelled || opened_) return;
    if (handlers_.on_lost) {
      handlers_.on_lost(FirstMissing(),
                        absl::DeadlineExceededError(absl::StrCat("it did not connect within ",
                                                                 connect_limit().count(), " ms")));
    }
    Opened(Missing());
  });
  Spawn(Accept());
  for (int peer = 0; peer < options_.rank; ++peer) Spawn(Dial(peer));
}

void Mesh::Impl::Spawn(awaitable<absl::Status> task) {
  // An error here is one that keeps the mesh from coming up; afterwards, strangers are the only
  // ones whom it concerns.
  auto finished = [this](const std::exception_ptr& thrown, const absl::Status& status) {
    if (thrown) {
      Opened(absl::InternalError("an exception in the mesh"));
    } else if (!status.ok()) {
      Opened(status);
    }
  };
  asio::co_spawn(io_, std::move(task), std::move(finished));
}

awaitable<absl::Status> Mesh::Impl::Accept() {
  while (!closing_) {
    auto [error, socket] = co_await acceptor_->async_accept(kAwait);
    if (closing_) break;
    if (error) {  // Out of descriptors, as a rule: let some be closed.
      log_.Write(absl::StrCat("accepting a connection: ", error.message()));
      pause_.expires_after(kRedialPause);
      co_await pause_.async_wait(kAwait);
    } else if (strangers_.size() >= kStrangersMax) {
      log_.Write("dropped a connection: too many have not proved yet that they know the job's key");
    } else if (options_.accepts_one) {
      const StrangerPtr only = Admit(std::move(socket));
      co_await Meet(only);
      if (opened_) break;
      co_return absl::PermissionDeniedError("who has dialed does not know the key");
    } else {
      Spawn(Meet(Admit(std::move(socket))));
    }
  }
  co_return absl::OkStatus();
}

StrangerPtr Mesh::Impl::Admit(tcp::socket socket) {
  auto stranger = std::make_shared<Stranger>(std::move(socket));
  strangers_.push_back(stranger);
  stranger->deadline.expires_after(std::min(options_.timeout, kHandshakeMax));
  stranger->deadline.async_wait([stranger](const boost::system::error_code& cancelled) {
    boost::system::error_code ignored;
    if (!cancelled) stranger->socket.close(ignored);
  });
  return stranger;
}

Introduction Mesh::Impl::Self() const {
  return {.key = options_.key,
          .generation = options_.generation,
          .rank = options_.rank,
          .size = size(),
          .protection = options_.protection};
}

awaitable<absl::Status> Mesh::Impl::Meet(StrangerPtr stranger) {
  boost::system::error_code unknown;
  const tcp::endpoint remote = stranger->socket.remote_endpoint(unknown);
  const Introduction self = Self();
  absl::StatusOr<Guest> guest = co_await GreetAsListener(stranger->socket, self);
  if (closing_) co_return absl::OkStatus();
  stranger->deadline.cancel();
  strangers_.remove(stranger);
  if (guest.ok() && connections_[static_cast<std::size_t>(guest->rank)] != nullptr) {
    guest = absl::AlreadyExistsError(absl::StrCat("rank ", guest->rank, " is connected already"));
  }
  if (guest.ok()) {
    Adopt(guest->rank, std::move(stranger->socket), std::move(guest->seals), FrameKind::kWelcome);
  } else {
    log_.Write(absl::StrCat("dropped a connection from ", remote.address().to_string(), ":",
                            remote.port(), ": ", std::string(guest.status().message())));
  }
  co_return absl::OkStatus();
}

awaitable<absl::Status> Mesh::Impl::Dial(int peer) {
  asio::steady_timer pause(io_);
  for (;;) {
    absl::Status dialed = co_await DialOnce(peer);
    if (closing_ || dialed.ok()) co_return absl::OkStatus();
    // Unavailable may pass: a rank that is not up yet, or has too many strangers at its door.
    if (!absl::IsUnavailable(dialed)) {
      const Endpoint& endpoint = options_.endpoints[static_cast<std::size_t>(peer)];
      co_return Because(dialed,
                        absl::StrCat("connecting to rank ", peer, " at ", NameOf(endpoint)));
    }
    pause.expires_after(kRedialPause);
    co_await pause.async_wait(kAwait);
    if (closing_) co_return absl::OkStatus();
  }
}

awaitable<absl::Status> Mesh::Impl::DialOnce(int peer) {
  const Endpoint& endpoint = options_.endpoints[static_cast<std::size_t>(peer)];
  boost::system::error_code error;
  const auto address = asio::ip::make_address(endpoint.address, error);
  if (error) {
    co_return absl::InvalidArgumentError(
        absl::StrCat("'", endpoint.address, "' is not an IP address"));
  }
  const tcp::endpoint remote(address, endpoint.port);
  tcp::socket socket(io_);
  socket.open(remote.protocol(), error);
  if (error) co_return NetworkError(error, "opening a socket");
  AskForLargeBuffers(socket.native_handle());
  const StrangerPtr stranger = Admit(std::move(socket));
  const auto [failed] = co_await stranger->socket.async_connect(remote, kAwait);
  absl::StatusOr<FrameSeals> greeted = absl::UnknownError("");
  if (failed) {
    greeted = NetworkError(failed, "connecting");
  } else {
    const Introduction self = Self();
    greeted = co_await GreetAsDialer(stranger->socket, self, peer);
  }
  if (closing_) co_return absl::OkStatus();
  stranger->deadline.cancel();
  strangers_.remove(stranger);
  if (greeted.ok()) {
    Adopt(peer, std::move(stranger->socket), *std::move(greeted), FrameKind::kUnspecified);
    co_return absl::OkStatus();
  }
  co_return greeted.status();
}

void Mesh::Impl::Adopt(int peer, tcp::socket socket, FrameSeals seals, FrameKind first) {
  auto& connection = connections_[static_cast<std::size_t>(peer)];
  connection =
      std::make_unique<Connection>(io_, std::move(socket), std::move(seals), peer, options_,
                                   handlers_, pool_, [this] { OnConnectionEnded(); });
  ++living_;
  connection->Start(first);
  if (--missing_ == 0) Opened(absl::OkStatus());
}

void Mesh::Impl::Opened(const absl::Status& status) {
  if (std::exchange(opened_, true)) return;
  deadline_.cancel();
  whole_ = status.ok();
  if (whole_) {
    // Only now, so that a handler may send to every rank.
    for (const auto& connection : connections_) {
      if (connection != nullptr) connection->StartReading();
    }
  }
  open_.set_value(status);
}

int Mesh::Impl::FirstMissing() const {
  int peer = 0;
  while (peer == options_.rank || connections_[static_cast<std::size_t>(peer)] != nullptr) ++peer;
  return peer;
}

absl::Status Mesh::Impl::Missing() const {
  std::string ranks;
  for (int peer = 0; peer < size(); ++peer) {
    if (peer == options_.rank || connections_[static_cast<std::size_t>(peer)] != nullptr) continue;
    absl::StrAppend(&ranks, ranks.empty() ? "" : ", ", peer, " at ",
                    NameOf(options_.endpoints[static_cast<std::size_t>(peer)]));
  }
  return absl::DeadlineExceededError(absl::StrCat("rank ", options_.rank, " waited ",
                                                  connect_limit().count(), " ms for rank ", ranks));
}

// --- Going down ----------------------------------------------------------------------------------

void Mesh::Impl::BeginClose() {
  closing_ = true;
  boost::system::error_code ignored;
  if (acceptor_) acceptor_->close(ignored);
  pause_.cancel();
  for (const StrangerPtr& stranger : strangers_) {
    stranger->deadline.cancel();
    stranger->socket.close(ignored);
  }
  strangers_.clear();

  deadline_.expires_after(options_.timeout);
  deadline_.async_wait([this](const boost::system::error_code& cancelled) {
    if (cancelled) return;
    for (const auto& connection : connections_) {
      if (connection != nullptr) {
        connection->End(absl::DeadlineExceededError("it did not say goodbye"));
      }
    }
  });
  for (const auto& connection : connections_) {
    if (connection == nullptr) continue;
    if (whole_) {
      connection->SayGoodbye();
    } else {
      connection->End(absl::OkStatus());  // Connect says what went wrong; the peer hears of a loss.
    }
  }
  StopIfNoneLives();
}

void Mesh::Impl::OnConnectionEnded() {
  --living_;
  if (closing_) StopIfNoneLives();
}

void Mesh::Impl::StopIfNoneLives() {
  if (living_ > 0) return;
  deadline_.cancel();
  work_.reset();  // The I/O thread runs until nothing is left to do.
}

// --- Mesh ----------------------------------------------------------------------------------------

absl::StatusOr<std::unique_ptr<Mesh>> Mesh::Connect(Listener listener, Options options,
                                                    Handlers handlers) {
  Check(options.rank >= 0 && static_cast<std::size_t>(options.rank) < options.endpoints.size(),
        "a rank is one of the endpoints");
  std::unique_ptr<Mesh> mesh(new Mesh(
      std::make_unique<Impl>(std::move(listener), std::move(options), std::move(handlers))));
  if (absl::Status opened = mesh->impl_->Open(); !opened.ok()) return opened;
  return mesh;
}

Mesh::Mesh(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {
}

Mesh::~Mesh() {  // NOLINT(bugprone-exception-escape)
  Close();
}

void Mesh::Send(int to, Message message) {
  const Options& options = impl_->options();
  Check(to >= 0 && to < size() && to != options.rank, "a message goes to another rank");
  Check(message.kind >= FrameKind::kControl, "a message is not of a kind that the mesh uses");
  Check(message.control.size() <= options.limits.control_bytes_max &&
            message.payload.size() <= options.limits.payload_bytes_max,
        "a message is within the limits");
  impl_->connection(to).Send(std::move(message));
}

void Mesh::Abandon(int peer) {
  Check(peer >= 0 && peer < size() && peer != rank(), "who is abandoned is another rank");
  impl_->Abandon(peer);
}

int Mesh::rank() const {
  return impl_->options().rank;
}

int Mesh::size() const {
  return impl_->size();
}

BufferPool& Mesh::pool() {
  return impl_->pool();
}

Mesh::Stats Mesh::stats(int peer) const {
  Check(peer >= 0 && peer < size(), "a peer is one of the ranks");
  return peer == rank() ? Stats{} : impl_->connection(peer).stats();
}

void Mesh::Close() {
  impl_->Close();
}

}  // namespace cf

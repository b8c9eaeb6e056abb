#pragma once

// Private to common/http: one client's connection. Includes Asio, but not Beast.

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "common/http/access.h"
#include "common/http/byte_stream.h"
#include "common/http/router.h"
#include "common/http/server.h"
#include "common/http/work_queue.h"

namespace cf::http {

using Clock = std::chrono::steady_clock;

/// An exchange that a connection waits for: `ready` is cancelled when it is done.
struct AwaitedExchange : HttpExchange {
  explicit AwaitedExchange(const asio::any_io_executor& executor) : ready(executor) {}
  asio::steady_timer ready;
  bool done = false;  // Of the I/O thread, as is `ready`.
};

/// What connections know of their server.
///
/// Owner:   HttpServer; it outlives them.
/// Threads: the I/O thread.
struct Surroundings {
  const HttpServer::Options& options;
  const Router& router;
  const AccessRule& access;
  WorkQueue* queue = nullptr;
  bool ending = false;    ///< Whether answers end their connections.
  std::string date = {};  ///< As a header has it, not older than a second.
};

/// One client: reads its requests one after another and writes their answers.
///
/// Owner:   HttpServer.
/// Threads: the I/O thread.
/// Bounds:  one request and its answer at a time. Each of its states has a deadline, which Tick
///          keeps: one look at all connections costs less than a timer for each step of each.
class Connection {
 public:
  enum class State {
    kIdle,     ///< Nothing of a request has come.
    kReading,  ///< A part has.
    kAnswering,
    kWriting,
    kLeaving,  ///< The last answer has been written; what still comes is thrown away.
  };

  Connection(std::unique_ptr<ByteStream> stream, Surroundings& surroundings);

  /// Returns when the connection has ended.
  awaitable<void> Serve();

  /// Acts upon a deadline that has passed.
  void Tick(Clock::time_point now);

  /// Ends it now.
  void Close();
  /// Ends it if nothing has come from the client that is not answered.
  void CloseIfIdle();

  State state() const { return state_; }
  Clock::time_point since() const { return since_; }  ///< When it came into its state.
  bool served() const { return served_; }             ///< Whether it has had an answer.
  bool closed() const { return closed_; }

 private:
  struct Incoming;  // A request on its way in.

  void Enter(State state, std::chrono::milliseconds most);
  awaitable<bool> ServeOne();
  awaitable<bool> AwaitFirstByte();
  awaitable<void> Receive(Incoming& incoming);
  awaitable<error_code> ReadSome();
  void Parse(Incoming& incoming);
  void JudgeHeader(Incoming& incoming);
  void TakeRequest(Incoming& incoming);
  awaitable<void> AwaitAnswer();
  awaitable<bool> Write(const Incoming& incoming, bool keep);
  awaitable<void> Leave();

  std::unique_ptr<ByteStream> stream_;
  Surroundings& surroundings_;
  std::string remote_;
  State state_ = State::kIdle;
  Clock::time_point since_;
  Clock::time_point deadline_;
  bool expired_ = false;  // Whether the deadline of this state has passed.
  bool closed_ = false;
  bool served_ = false;
  std::shared_ptr<AwaitedExchange> awaited_;  // Null between requests.
  std::vector<char> buffer_;                  // What has come is in its first buffered_ bytes.
  std::size_t buffered_ = 0;
};

}  // namespace cf::http

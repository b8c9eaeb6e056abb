#include "common/http/connection.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>
#include <utility>

#include <absl/strings/str_cat.h>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "common/base/check.h"

namespace cf::http {
namespace {

namespace beast_http = boost::beast::http;
using beast_http::field;

// Beside a header: bodies are read in pieces of at least this.
constexpr std::size_t kReadBytes = std::size_t{4} << 10;

// How long a client may take to hang up after the last answer, and how much it may send meanwhile.
constexpr std::chrono::milliseconds kLeaveMax = std::chrono::seconds(2);

constexpr std::string_view kInterim = "HTTP/1.1 100 Continue\r\n\r\n";

// What a client that got 503 is told to wait.
constexpr char kRetrySeconds[] = "1";

/// The status that says what a parser has against a request; 0 where the connection itself is gone.
int StatusOf(const error_code& error) {
  if (error == beast_http::error::body_limit) return 413;
  if (error == beast_http::error::header_limit || error == beast_http::error::buffer_overflow) {
    return 431;
  }
  return error.category() == make_error_code(beast_http::error::bad_value).category() ? 400 : 0;
}

bool IsInterimWanted(const beast_http::request<beast_http::string_body>& message) {
  return boost::beast::iequals(message[field::expect], "100-continue");
}

}  // namespace

/// A request on its way in: its parser, and the status that refuses it once something is wrong.
struct Connection::Incoming {
  beast_http::request_parser<beast_http::string_body> parser;
  int refused = 0;
  std::string reason;
  bool judged = false;  // Whether the header has been.
  bool gone = false;    // Whether the client has, before the request was whole.

  void Refuse(int status, std::string why) {
    refused = status;
    reason = std::move(why);
  }
  const auto& message() const { return parser.get(); }
};

Connection::Connection(std::unique_ptr<ByteStream> stream, Surroundings& surroundings)
    : stream_(std::move(stream)),
      surroundings_(surroundings),
      buffer_(surroundings.options.header_bytes_max + kReadBytes) {
  error_code error;
  stream_->socket().set_option(tcp::no_delay(true), error);
  const tcp::endpoint remote = stream_->socket().remote_endpoint(error);
  if (!error) remote_ = remote.address().to_string();
  Enter(State::kIdle, surroundings_.options.header_max);
}

void Connection::Enter(State state, std::chrono::milliseconds most) {
  state_ = state;
  expired_ = false;
  since_ = Clock::now();
  deadline_ = since_ + most;
}

void Connection::Tick(Clock::time_point now) {
  if (closed_ || expired_ || now < deadline_) return;
  expired_ = true;
  if (state_ == State::kAnswering) {
    awaited_->ready.cancel();
  } else if (state_ == State::kReading) {
    error_code ignored;
    stream_->socket().cancel(ignored);
  } else {
    Close();
  }
}

void Connection::Close() {
  closed_ = true;
  error_code ignored;
  stream_->socket().close(ignored);
  if (state_ == State::kAnswering) awaited_->ready.cancel();
}

void Connection::CloseIfIdle() {
  error_code error;
  if (state_ == State::kLeaving ||
      (state_ == State::kIdle && stream_->socket().available(error) == 0)) {
    Close();
  }
}

awaitable<void> Connection::Serve() {
  const error_code begun = co_await stream_->Begin();
  if (begun) Close();
  while (!closed_) {
    const bool more = co_await ServeOne();
    if (!more) break;
  }
  Close();
}

awaitable<bool> Connection::ServeOne() {
  const bool begun = co_await AwaitFirstByte();
  if (!begun) co_return false;
  Enter(State::kReading, surroundings_.options.header_max);
  Incoming incoming;
  incoming.parser.eager(true);
  incoming.parser.header_limit(static_cast<std::uint32_t>(surroundings_.options.header_bytes_max));
  incoming.parser.body_limit(surroundings_.options.body_bytes_max);
  auto executor = co_await asio::this_coro::executor;
  awaited_ = std::make_shared<AwaitedExchange>(executor);
  co_await Receive(incoming);
  if (incoming.gone) co_return false;
  TakeRequest(incoming);
  if (state_ == State::kAnswering) co_await AwaitAnswer();
  if (closed_) co_return false;
  const bool keep = incoming.refused == 0 && incoming.parser.keep_alive() && !surroundings_.ending;
  const bool written = co_await Write(incoming, keep);
  served_ = true;
  awaited_.reset();
  if (written && !keep) co_await Leave();
  co_return written&& keep;
}

// Waits for a request to begin; false where none will.
awaitable<bool> Connection::AwaitFirstByte() {
  if (served_) Enter(State::kIdle, surroundings_.options.idle_max);
  if (buffered_ > 0) co_return true;
  const error_code error = co_await ReadSome();
  co_return !error;
}

awaitable<error_code> Connection::ReadSome() {
  const asio::mutable_buffer space(buffer_.data() + buffered_, buffer_.size() - buffered_);
  const auto [error, bytes] = co_await stream_->ReadSome(space);
  buffered_ += bytes;
  co_return error;
}

// Reads a request to its end, or to where something is wrong with it.
awaitable<void> Connection::Receive(Incoming& incoming) {
  for (;;) {
    Parse(incoming);
    if (incoming.refused == 0 && incoming.parser.is_header_done() && !incoming.judged) {
      JudgeHeader(incoming);
      Enter(State::kReading, surroundings_.options.body_max);
      if (incoming.refused == 0 && !incoming.parser.is_done() &&
          IsInterimWanted(incoming.message())) {
        const asio::const_buffer interim(kInterim.data(), kInterim.size());
        co_await stream_->Write(std::span(&interim, 1));
      }
    }
    if (incoming.refused != 0 || incoming.parser.is_done()) co_return;
    if (buffered_ == buffer_.size()) {
      incoming.Refuse(431, "the header is too long");
      co_return;
    }
    const error_code error = co_await ReadSome();
    if (!error) continue;
    if (expired_ && !closed_) {
      incoming.Refuse(408, "the request did not come in time");
    } else if (error == asio::error::eof) {
      incoming.Refuse(400, "the request ends before its end");
    } else {
      incoming.gone = true;
    }
    co_return;
  }
}

// Hands what has come to the parser.
void Connection::Parse(Incoming& incoming) {
  error_code error;
  const std::size_t taken = incoming.parser.put(asio::buffer(buffer_.data(), buffered_), error);
  std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(taken),
            buffer_.begin() + static_cast<std::ptrdiff_t>(buffered_), buffer_.begin());
  buffered_ -= taken;
  if (!error || error == beast_http::error::need_more) return;
  const int status = StatusOf(error);
  incoming.Refuse(status == 0 ? 400 : status, error.message());
}

// Refuses what needs no body to be refused.
void Connection::JudgeHeader(Incoming& incoming) {
  incoming.judged = true;
  const auto& message = incoming.message();
  const std::size_t hosts = message.count(field::host);
  if (hosts > 1 || (hosts == 0 && message.version() >= 11)) {
    incoming.Refuse(400, "a request has one Host");
  } else if (hosts == 1 && !surroundings_.access.TakesHost(message[field::host])) {
    incoming.Refuse(421, "the Host is not one of this server's names");
  } else if (message.count(field::transfer_encoding) > 0 &&
             message.count(field::content_length) > 0) {
    incoming.Refuse(400, "a body has one length");
  } else if (message.count(field::expect) > 0 && !IsInterimWanted(message)) {
    incoming.Refuse(417, "100-continue is all that can be expected");
  }
}

// Finds who answers, and has it answered: afterwards there is an answer, or the state is kAnswering.
void Connection::TakeRequest(Incoming& incoming) {
  AwaitedExchange& awaited = *awaited_;
  awaited.received = Clock::now();
  awaited.deadline = awaited.received + surroundings_.options.answer_max;
  if (incoming.refused != 0) {
    awaited.response = ErrorResponse(incoming.refused, incoming.reason);
    return;
  }
  auto& message = incoming.parser.get();
  absl::StatusOr<Target> target = ParseTarget(message.target());
  if (!target.ok()) {
    awaited.response = ErrorResponse(400, std::string(target.status().message()));
    return;
  }
  const std::string_view method = message.method_string();
  awaited.request = {.method = std::string(method == "HEAD" ? "GET" : method),
                     .target = *std::move(target),
                     .body = std::move(message.body())};
  auto found = surroundings_.router.Find(awaited.request);
  const Route* route = nullptr;
  if (auto* match = std::get_if<Router::Match>(&found)) {
    route = match->route;
    awaited.parameters = std::move(match->parameters);
  }
  if ((route == nullptr || !route->without_token) &&
      !surroundings_.access.TakesAuthorization(message[field::authorization])) {
    awaited.response = ErrorResponse(401, "the request does not bear the token of this server");
    awaited.response.headers.emplace_back("WWW-Authenticate", "Bearer");
    return;
  }
  if (route == nullptr) {
    awaited.response = std::get<HttpResponse>(std::move(found));
    return;
  }
  awaited.route = route;
  if (route->at_once) {
    HttpExchange* one = &awaited;
    route->handle(std::span(&one, 1));
  } else if (surroundings_.queue->Push(awaited_)) {
    Enter(State::kAnswering, surroundings_.options.answer_max);
  } else {
    awaited.response = ErrorResponse(503, "too many requests wait already");
  }
}

// The answer of a worker, who may also be too late for it.
awaitable<void> Connection::AwaitAnswer() {
  std::shared_ptr<AwaitedExchange> awaited = awaited_;
  if (!awaited->done) {
    awaited->ready.expires_at(Clock::time_point::max());
    co_await awaited->ready.async_wait(kAwait);
  }
  if (awaited->done || closed_) co_return;
  // The worker still has the old one.
  auto executor = co_await asio::this_coro::executor;
  awaited_ = std::make_shared<AwaitedExchange>(executor);
  awaited_->route = awaited->route;
  awaited_->received = awaited->received;
  awaited_->response = ErrorResponse(503, "the answer took too long");
}

// Writes the answer; false where the client does not take it.
awaitable<bool> Connection::Write(const Incoming& incoming, bool keep) {
  Enter(State::kWriting, surroundings_.options.write_max);
  HttpResponse& response = awaited_->response;
  if (response.status == 503) response.headers.emplace_back("Retry-After", kRetrySeconds);
  const auto& message = incoming.message();
  const bool with_body = message.method() != beast_http::verb::head;
  std::string header = absl::StrCat(
      "HTTP/1.1 ", response.status, " ", ReasonPhrase(response.status),
      "\r\nDate: ", surroundings_.date, "\r\nContent-Type: ", response.content_type,
      "\r\nContent-Length: ", response.body.size(), "\r\nX-Content-Type-Options: nosniff\r\n");
  for (const auto& [name, value] : response.headers) {
    absl::StrAppend(&header, name, ": ", value, "\r\n");
  }
  if (!keep) {
    absl::StrAppend(&header, "Connection: close\r\n");
  } else if (message.version() < 11) {
    absl::StrAppend(&header, "Connection: keep-alive\r\n");
  }
  absl::StrAppend(&header, "\r\n");
  if (surroundings_.options.on_answered) {
    const bool read = incoming.parser.is_header_done();
    surroundings_.options.on_answered({.remote = remote_,
                                       .method = read ? std::string(message.method_string()) : "",
                                       .target = read ? std::string(message.target()) : "",
                                       .route = awaited_->route,
                                       .status = response.status,
                                       .body_bytes = with_body ? response.body.size() : 0,
                                       .duration = Clock::now() - awaited_->received});
  }
  const std::array<asio::const_buffer, 2> pieces = {
      asio::buffer(header),
      asio::buffer(response.body.data(), with_body ? response.body.size() : 0)};
  const error_code error = co_await stream_->Write(pieces);
  co_return !error && !closed_;
}

// Lets the client read the last answer: closing at once would throw it away where something of the
// client has not been read.
awaitable<void> Connection::Leave() {
  Enter(State::kLeaving, kLeaveMax);
  error_code error = co_await stream_->EndWriting();
  while (!error) {
    buffered_ = 0;
    error = co_await ReadSome();
  }
}

}  // namespace cf::http

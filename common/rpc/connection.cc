#include "common/rpc/connection.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <string>
#include <sys/socket.h>
#include <sys/uio.h>
#include <system_error>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include "common/base/fault_point.h"
#include "common/rpc/socket_options.h"

namespace cf::rpc {
namespace {

/// Parts of frames given to the kernel at once: 16 frames, so that a burst of small ones costs one
/// call, and the array stays on the stack.
constexpr std::size_t kPartsOfFrame = 4;
constexpr std::size_t kPartsMax = std::size_t{16} * kPartsOfFrame;

/// A heartbeat in every quarter of the timeout in which nothing else was written: three may be
/// late.
constexpr int kBeatsPerTimeout = 4;

}  // namespace

Connection::Connection(asio::io_context& io, tcp::socket socket, FrameSeals seals, int peer,
                       const Mesh::Options& options, const Mesh::Handlers& handlers,
                       BufferPool& pool, std::function<void()> on_ended)
    : io_(io),
      peer_(peer),
      options_(options),
      handlers_(handlers),
      pool_(pool),
      on_ended_(std::move(on_ended)),
      descriptor_(socket.native_handle()),
      socket_(std::move(socket)),
      watch_(io),
      heard_at_(Clock::now()),
      opener_(std::move(seals.opener)),
      sealer_(std::move(seals.sealer)),
      written_at_(heard_at_) {
  SendWithoutDelay(descriptor_);
}

void Connection::Start(FrameKind first) {
  if (first != FrameKind::kUnspecified) {
    const std::lock_guard lock(mutex_);
    Enqueue(MakeFrame(first, {}));
  }
  Spawn(Watch());
}

void Connection::StartReading() {
  if (ended_) return;
  reading_ = true;
  heard_at_ = Clock::now();
  Spawn(Read());
}

void Connection::Spawn(awaitable<absl::Status> task) {
  auto finished = [this](const std::exception_ptr& thrown, const absl::Status& status) {
    if (thrown) {
      End(absl::InternalError("an exception in the mesh's connection"));
    } else if (!status.ok()) {
      End(status);
    }
  };
  asio::co_spawn(io_, std::move(task), std::move(finished));
}

// --- Writing -------------------------------------------------------------------------------------

Connection::Outgoing Connection::MakeFrame(FrameKind kind, Message message) const {
  Outgoing frame{.fields = {.kind = kind,
                            .generation = options_.generation,
                            .request_id = message.request_id,
                            .control_bytes = static_cast<std::uint32_t>(message.control.size()),
                            .payload_bytes = static_cast<std::uint32_t>(message.payload.size())},
                 .header = {},
                 .control = std::move(message.control),
                 .payload = std::move(message.payload),
                 .tag = {}};
  frame.tag_bytes = sealer_.TagBytes(frame.control.size() + frame.payload.size());
  return frame;
}

void Connection::Send(Message message) {
  FaultAt("frame.send");
  const FrameKind kind = message.kind;
  Outgoing frame = MakeFrame(kind, std::move(message));
  const bool may_wait = !io_.get_executor().running_in_this_thread();
  std::unique_lock lock(mutex_);
  const auto has_room = [&] {
    return closed_ || closing_ || queue_.empty() ||
           queued_bytes_ + frame.bytes() <= options_.queued_bytes_max;
  };
  if (may_wait && !room_.wait_for(lock, options_.timeout, has_room)) {
    asio::post(io_, [this] {
      End(absl::DeadlineExceededError(absl::StrCat("it did not read what waits for it within ",
                                                   options_.timeout.count(), " ms")));
    });
    closing_ = true;  // No other producer need wait as long.
  }
  if (closed_ || closing_) {
    pool_.Give(std::move(frame.payload));
    room_.notify_all();
    return;
  }
  Enqueue(std::move(frame));
}

void Connection::Enqueue(Outgoing frame) {
  absl::StatusOr<FrameHeaderBytes> header =
      sealer_.Seal(frame.fields, std::as_writable_bytes(std::span(frame.control)),
                   frame.payload.bytes(), frame.tag);
  if (!header.ok()) {
    asio::post(io_, [this, why = header.status()] { End(why); });
    closing_ = true;  // What would follow has no number, either.
    return;
  }
  frame.header = *header;
  const Fault fault = FaultAt("frame.queue");
  if (fault == Fault::kFlip) {
    (frame.payload.size() > 0 ? frame.payload.bytes().back() : frame.header.back()) ^= std::byte{1};
  }
  const bool idle = queue_.empty();
  if (idle) written_at_ = Clock::now();
  queued_bytes_ += frame.bytes();
  queue_.push_back(std::move(frame));
  if (fault == Fault::kRepeat) {
    const Outgoing& sent = queue_.back();
    Buffer payload = pool_.Take(sent.payload.size());
    std::ranges::copy(sent.payload.bytes(), payload.bytes().begin());
    queued_bytes_ += sent.bytes();
    queue_.push_back({.fields = sent.fields,
                      .header = sent.header,
                      .control = sent.control,
                      .payload = std::move(payload),
                      .tag = sent.tag,
                      .tag_bytes = sent.tag_bytes});
  }
  if (!idle) return;  // Drain is on its way.

  absl::Status written = WriteQueued();
  if (!written.ok()) {
    asio::post(io_, [this, why = std::move(written)] { End(why); });
  } else if (!queue_.empty() && !draining_) {
    draining_ = true;
    asio::post(io_, [this] { Spawn(Drain()); });
  }
}

absl::Status Connection::WriteQueued() {
  while (!queue_.empty()) {
    std::array<iovec, kPartsMax> parts;
    std::size_t count = 0;
    for (const Outgoing& frame : queue_) {
      if (count + kPartsOfFrame > kPartsMax) break;
      std::size_t skipped = frame.written;
      for (const auto& [data, size] :
           {std::pair<const void*, std::size_t>(frame.header.data(), frame.header.size()),
            {frame.control.data(), frame.control.size()},
            {frame.payload.data(), frame.payload.size()},
            {frame.tag.data(), frame.tag_bytes}}) {
        const std::size_t skip = std::min(skipped, size);
        skipped -= skip;
        if (skip == size) continue;
        parts[count++] = {.iov_base = const_cast<char*>(static_cast<const char*>(data)) + skip,
                          .iov_len = size - skip};
      }
    }
    msghdr message = {};
    message.msg_iov = parts.data();
    message.msg_iovlen = count;
    const ssize_t sent = ::sendmsg(descriptor_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return absl::OkStatus();
    if (sent < 0) {
      return absl::UnavailableError(
          absl::StrCat("writing: ", std::generic_category().message(errno)));
    }
    written_at_ = Clock::now();
    bytes_sent_.fetch_add(static_cast<std::uint64_t>(sent), std::memory_order_relaxed);
    DropWritten(static_cast<std::size_t>(sent));
  }
  return absl::OkStatus();
}

void Connection::DropWritten(std::size_t bytes) {
  while (bytes > 0) {
    Outgoing& frame = queue_.front();
    const std::size_t step = std::min(bytes, frame.bytes() - frame.written);
    frame.written += step;
    bytes -= step;
    if (frame.written < frame.bytes()) return;
    queued_bytes_ -= frame.bytes();
    pool_.Give(std::move(frame.payload));
    queue_.pop_front();
    messages_sent_.fetch_add(1, std::memory_order_relaxed);
  }
}

awaitable<absl::Status> Connection::Drain() {
  for (;;) {
    const auto [error] = co_await socket_.async_wait(tcp::socket::wait_write, kAwait);
    const std::lock_guard lock(mutex_);
    if (closed_) co_return absl::OkStatus();
    if (error) co_return NetworkError(error, "writing");
    absl::Status written = WriteQueued();
    room_.notify_all();
    if (!written.ok()) co_return written;
    draining_ = !queue_.empty();
    if (!draining_) break;
  }
  EndIfBothSaidGoodbye();
  co_return absl::OkStatus();
}

// --- Reading -------------------------------------------------------------------------------------

absl::Status Connection::Heard(const boost::system::error_code& error, std::size_t bytes) {
  if (ended_) return absl::CancelledError("the connection has ended");
  if (error) return NetworkError(error, "reading");
  heard_at_ = Clock::now();
  bytes_received_.fetch_add(bytes, std::memory_order_relaxed);
  return absl::OkStatus();
}

awaitable<absl::Status> Connection::Stage(std::size_t bytes) {
  if (staged_end_ - staged_begin_ >= bytes) co_return absl::OkStatus();
  std::memmove(staging_.data(), staging_.data() + staged_begin_, staged_end_ - staged_begin_);
  staged_end_ -= std::exchange(staged_begin_, 0);
  while (staged_end_ < bytes) {
    const asio::mutable_buffer room(staging_.data() + staged_end_, kStagingBytes - staged_end_);
    const auto [error, got] = co_await socket_.async_read_some(room, kAwait);
    if (absl::Status heard = Heard(error, got); !heard.ok()) co_return heard;
    staged_end_ += got;
  }
  co_return absl::OkStatus();
}

awaitable<absl::Status> Connection::Fill(std::span<std::byte> bytes) {
  const std::size_t staged = std::min(bytes.size(), staged_end_ - staged_begin_);
  std::copy_n(staging_.data() + staged_begin_, staged, bytes.data());
  staged_begin_ += staged;
  bytes = bytes.subspan(staged);
  while (!bytes.empty()) {
    // Staging is empty here, or the bytes would have come from it.
    staged_begin_ = staged_end_ = 0;
    const std::array<asio::mutable_buffer, 2> room = {
        asio::mutable_buffer(bytes.data(), bytes.size()),
        asio::mutable_buffer(staging_.data(), kStagingBytes)};
    const auto [error, got] = co_await socket_.async_read_some(room, kAwait);
    if (absl::Status heard = Heard(error, got); !heard.ok()) co_return heard;
    const std::size_t filled = std::min(got, bytes.size());
    staged_end_ = got - filled;
    bytes = bytes.subspan(filled);
  }
  co_return absl::OkStatus();
}

awaitable<absl::Status> Connection::ReadBody(FrameHeader header, Message& message) {
  FaultAt("frame.receive");
  message.kind = header.kind;
  message.request_id = header.request_id;
  message.control.resize(header.control_bytes);
  absl::Status filled = co_await Fill(std::as_writable_bytes(std::span(message.control)));
  if (!filled.ok()) co_return filled;
  if (header.payload_bytes > 0) {
    message.payload = pool_.Take(header.payload_bytes);
    filled = co_await Fill(message.payload.bytes());
    if (!filled.ok()) co_return filled;
  }
  FrameTag tag{};
  const std::size_t body_bytes = message.control.size() + message.payload.size();
  filled = co_await Fill(std::span(tag).first(opener_.TagBytes(body_bytes)));
  if (!filled.ok()) co_return filled;
  co_return opener_.OpenBody(std::as_writable_bytes(std::span(message.control)),
                             message.payload.bytes(), tag);
}

awaitable<absl::Status> Connection::Read() {
  for (;;) {
    absl::Status staged = co_await Stage(kFrameHeaderBytes);
    if (!staged.ok()) co_return staged;
    const std::span<const std::byte, kFrameHeaderBytes> bytes(staging_.data() + staged_begin_,
                                                              kFrameHeaderBytes);
    const auto header = opener_.OpenHeader(bytes, options_.limits, options_.generation);
    if (!header.ok()) co_return header.status();
    staged_begin_ += kFrameHeaderBytes;

    Message message;
    absl::Status read = co_await ReadBody(*header, message);
    if (!read.ok()) co_return read;
    messages_received_.fetch_add(1, std::memory_order_relaxed);
    if (header->kind >= FrameKind::kControl) {
      if (handlers_.on_message) handlers_.on_message(peer_, std::move(message));
    } else if (header->kind == FrameKind::kGoodbye) {
      break;
    } else if (header->kind != FrameKind::kHeartbeat) {
      co_return absl::DataLossError(
          absl::StrCat("a frame of kind ", static_cast<int>(header->kind), " out of place"));
    }
  }
  left_ = true;
  if (handlers_.on_left) handlers_.on_left(peer_);
  SayGoodbye();
  co_return absl::OkStatus();
}

// --- Living and ending ---------------------------------------------------------------------------

awaitable<absl::Status> Connection::Watch() {
  const auto beat = options_.timeout / kBeatsPerTimeout;
  const auto timeout_text = absl::StrCat(options_.timeout.count(), " ms");
  while (!ended_) {
    watch_.expires_after(beat);
    co_await watch_.async_wait(kAwait);
    if (ended_) break;
    const Clock::time_point now = Clock::now();
    if (reading_ && !left_ && now - heard_at_ > options_.timeout) {
      co_return absl::DeadlineExceededError(absl::StrCat("it was silent for ", timeout_text));
    }
    const std::lock_guard lock(mutex_);
    if (!queue_.empty() && now - written_at_ > options_.timeout) {
      co_return absl::DeadlineExceededError(absl::StrCat("it read nothing for ", timeout_text));
    }
    // What waits in the queue will serve as well, once it can be written.
    if (queue_.empty() && !closing_ && now - written_at_ >= beat) {
      Enqueue(MakeFrame(FrameKind::kHeartbeat, {}));
    }
  }
  co_return absl::OkStatus();
}

void Connection::SayGoodbye() {
  {
    const std::lock_guard lock(mutex_);
    if (!closed_ && !std::exchange(closing_, true)) Enqueue(MakeFrame(FrameKind::kGoodbye, {}));
  }
  room_.notify_all();
  EndIfBothSaidGoodbye();
}

void Connection::EndIfBothSaidGoodbye() {
  {
    const std::lock_guard lock(mutex_);
    if (!left_ || !closing_ || !queue_.empty()) return;
  }
  End(absl::OkStatus());
}

void Connection::End(const absl::Status& why) {
  if (std::exchange(ended_, true)) return;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (Outgoing& frame : queue_) pool_.Give(std::move(frame.payload));
    queue_.clear();
    queued_bytes_ = 0;
    boost::system::error_code ignored;
    socket_.close(ignored);
  }
  room_.notify_all();
  watch_.cancel();
  if (!why.ok() && !left_ && handlers_.on_lost) handlers_.on_lost(peer_, why);
  on_ended_();
}

Mesh::Stats Connection::stats() const {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  return {.messages_sent = messages_sent_.load(kRelaxed),
          .bytes_sent = bytes_sent_.load(kRelaxed),
          .messages_received = messages_received_.load(kRelaxed),
          .bytes_received = bytes_received_.load(kRelaxed)};
}

}  // namespace cf::rpc

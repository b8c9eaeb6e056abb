#include "common/rpc/greeting.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "common/rpc/frame.h"

namespace cf::rpc {
namespace {

awaitable<absl::Status> Read(tcp::socket& socket, std::span<std::byte> bytes) {
  const asio::mutable_buffer buffer(bytes.data(), bytes.size());
  const auto [error, size] = co_await asio::async_read(socket, buffer, kAwait);
  if (error) co_return NetworkError(error, "shaking hands");
  co_return absl::OkStatus();
}

awaitable<absl::Status> Write(tcp::socket& socket, std::span<const std::byte> bytes) {
  const asio::const_buffer buffer(bytes.data(), bytes.size());
  const auto [error, size] = co_await asio::async_write(socket, buffer, kAwait);
  if (error) co_return NetworkError(error, "shaking hands");
  co_return absl::OkStatus();
}

const char* NameOf(FrameProtection protection) {
  switch (protection) {
    case FrameProtection::kChecksummed:
      return "checksums";
    case FrameProtection::kAuthenticated:
      return "tags";
    case FrameProtection::kEncrypted:
      return "encryption";
  }
  return "nothing";
}

/// OK where both are of one generation and protect their frames in the same way.
absl::Status CheckAlike(const Hello& theirs, const Hello& ours) {
  if (theirs.generation != ours.generation) {
    return absl::FailedPreconditionError(
        absl::StrCat("it is of generation ", theirs.generation, ", not ", ours.generation));
  }
  if (theirs.protection != ours.protection) {
    return absl::FailedPreconditionError(absl::StrCat(
        "it protects frames by ", NameOf(theirs.protection), ", not by ", NameOf(ours.protection)));
  }
  return absl::OkStatus();
}

absl::Status UnknownKey() {
  return absl::PermissionDeniedError("it does not know the job's key");
}

}  // namespace

awaitable<absl::StatusOr<FrameSeals>> GreetAsDialer(tcp::socket& socket, const Introduction& self,
                                                    int peer) {
  const absl::StatusOr<Hello> ours = MakeHello(self.generation, self.rank, peer, self.protection);
  if (!ours.ok()) co_return ours.status();
  const HelloBytes our_bytes = EncodeHello(*ours);
  absl::Status done = co_await Write(socket, our_bytes);
  if (!done.ok()) co_return done;

  std::array<std::byte, kHelloBytes + kProofBytes> answer;
  done = co_await Read(socket, answer);
  if (!done.ok()) co_return done;
  HelloBytes their_bytes;
  Proof their_proof;
  std::copy_n(answer.begin(), kHelloBytes, their_bytes.begin());
  std::copy_n(answer.begin() + kHelloBytes, kProofBytes, their_proof.begin());
  const absl::StatusOr<Hello> theirs = DecodeHello(their_bytes);
  if (!theirs.ok()) co_return theirs.status();
  const Proof expected = Prove(self.key, HandshakeRole::kListener, our_bytes, their_bytes);
  if (!SameProof(their_proof, expected)) co_return UnknownKey();
  if (absl::Status alike = CheckAlike(*theirs, *ours); !alike.ok()) co_return alike;
  if (theirs->from != ours->to || theirs->to != ours->from) {
    co_return absl::DataLossError(absl::StrCat("it is rank ", theirs->from));
  }

  const Proof our_proof = Prove(self.key, HandshakeRole::kDialer, our_bytes, their_bytes);
  done = co_await Write(socket, our_proof);
  if (!done.ok()) co_return done;
  FrameSeals seals =
      MakeFrameSeals(self.protection, self.key, HandshakeRole::kDialer, our_bytes, their_bytes);
  FrameHeaderBytes welcome_bytes;
  done = co_await Read(socket, welcome_bytes);
  if (!done.ok()) co_return absl::PermissionDeniedError("it did not welcome us");
  const FrameLimits no_body{.control_bytes_max = 0, .payload_bytes_max = 0};
  const auto welcome = seals.opener.OpenHeader(welcome_bytes, no_body, self.generation);
  if (!welcome.ok()) co_return welcome.status();
  if (welcome->kind != FrameKind::kWelcome) co_return absl::DataLossError("it did not welcome us");
  co_return seals;
}

awaitable<absl::StatusOr<Guest>> GreetAsListener(tcp::socket& socket, const Introduction& self) {
  HelloBytes their_bytes;
  absl::Status done = co_await Read(socket, their_bytes);
  if (!done.ok()) co_return done;
  const absl::StatusOr<Hello> theirs = DecodeHello(their_bytes);
  if (!theirs.ok()) co_return theirs.status();
  const auto rank = static_cast<std::uint32_t>(self.rank);
  if (theirs->to != rank || theirs->from <= rank ||
      theirs->from >= static_cast<std::uint32_t>(self.size)) {
    co_return absl::InvalidArgumentError(
        absl::StrCat("it says that it is rank ", theirs->from, " and calls rank ", theirs->to));
  }

  const int peer = static_cast<int>(theirs->from);
  const absl::StatusOr<Hello> ours = MakeHello(self.generation, self.rank, peer, self.protection);
  if (!ours.ok()) co_return ours.status();
  const HelloBytes our_bytes = EncodeHello(*ours);
  const Proof our_proof = Prove(self.key, HandshakeRole::kListener, their_bytes, our_bytes);
  std::array<std::byte, kHelloBytes + kProofBytes> answer;
  std::copy(our_bytes.begin(), our_bytes.end(), answer.begin());
  std::copy(our_proof.begin(), our_proof.end(), answer.begin() + kHelloBytes);
  done = co_await Write(socket, answer);
  if (!done.ok()) co_return done;
  // Only after the answer: it tells an honest dialer why it is not taken.
  if (absl::Status alike = CheckAlike(*theirs, *ours); !alike.ok()) co_return alike;

  Proof their_proof;
  done = co_await Read(socket, their_proof);
  if (!done.ok()) co_return done;
  const Proof expected = Prove(self.key, HandshakeRole::kDialer, their_bytes, our_bytes);
  if (!SameProof(their_proof, expected)) co_return UnknownKey();
  Guest guest{.rank = peer,
              .seals = MakeFrameSeals(self.protection, self.key, HandshakeRole::kListener,
                                      their_bytes, our_bytes)};
  co_return guest;
}

}  // namespace cf::rpc

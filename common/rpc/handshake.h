#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/rpc/frame.h"

namespace cf {

/// 32 bytes that nobody else is to know: every copy is wiped when its holder goes.
struct Secret : std::array<std::byte, 32> {
  Secret() = default;
  Secret(const Secret&) = default;
  Secret& operator=(const Secret&) = default;
  ~Secret();
};

/// The secret that the ranks of a job share; it travels in the rendezvous, never over the mesh.
using JobKey = Secret;

/// A new key from the kernel's random numbers.
absl::StatusOr<JobKey> MakeJobKey();

/// How two ends of a new connection prove to each other that they know the job's key:
///
///     dialer -> listener   Hello (generation, from, to, nonce)
///     listener -> dialer   Hello (the same, the other way round), Proof
///     dialer -> listener   Proof
///     listener -> dialer   a kWelcome frame
///
/// A proof is an HMAC-SHA256, under the key, of the prover's role and both hellos, so neither can
/// be replayed in another connection or reflected in the same one. Everything has a fixed size. The
/// keys of the connection's frames (frame_seal.h) come of the same hellos.
struct Hello {
  std::uint64_t generation = 0;
  std::uint32_t from = 0;
  std::uint32_t to = 0;
  FrameProtection protection = FrameProtection::kAuthenticated;  ///< Of the frames that follow.
  std::array<std::byte, 32> nonce{};  ///< From getrandom, new for each connection.

  bool operator==(const Hello&) const = default;
};

inline constexpr std::size_t kHelloBytes = 56;
inline constexpr std::size_t kProofBytes = 32;
using HelloBytes = std::array<std::byte, kHelloBytes>;
using Proof = std::array<std::byte, kProofBytes>;

enum class HandshakeRole : std::uint8_t { kDialer = 1, kListener = 2 };

/// A hello with a fresh nonce; Internal when the kernel gives no random numbers.
absl::StatusOr<Hello> MakeHello(std::uint64_t generation, int from, int to,
                                FrameProtection protection = FrameProtection::kAuthenticated);

HelloBytes EncodeHello(const Hello& hello);

/// DataLoss when these are not the bytes of a hello, FailedPrecondition for another version of it.
absl::StatusOr<Hello> DecodeHello(std::span<const std::byte, kHelloBytes> bytes);

/// What `prover` sends to prove that it knows `key` in the connection of these two hellos.
Proof Prove(const JobKey& key, HandshakeRole prover, const HelloBytes& dialer,
            const HelloBytes& listener);

/// The key of the frames that `sender` sends in the connection of these two hellos: it is good for
/// nothing in any other connection, nor in the other direction.
Secret FrameKeyOf(const JobKey& key, HandshakeRole sender, const HelloBytes& dialer,
                  const HelloBytes& listener);

/// Whether two proofs are equal, in a time that does not tell where they differ.
bool SameProof(const Proof& a, const Proof& b);

}  // namespace cf

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/rpc/frame.h"
#include "common/rpc/ghash.h"
#include "common/rpc/handshake.h"

struct evp_cipher_ctx_st;  // OpenSSL's EVP_CIPHER_CTX.

namespace cf {

/// What follows a body, so that a change of it is noticed.
using FrameTag = std::array<std::byte, 16>;

/// AES-256-GCM under the key of one direction of a connection, with the number of the frame as
/// nonce. It is made once a connection; a frame costs no allocation.
///
/// Owner:      a FrameSealer or a FrameOpener.
/// Threads:    not thread-safe.
/// Invariants: who seals uses no nonce twice under one key, since frames are numbered and end at
///             kFramesMax. Tags are compared in constant time.
class FrameCipher {
 public:
  /// Beyond it the connection ends: a million frames a second do so for nine years.
  static constexpr std::uint64_t kFramesMax = std::uint64_t{1} << 48;

  /// The two runs of bytes of a frame that have a tag each.
  enum class Part : std::uint32_t { kHeader = 0, kBody = 1 };

  /// With OpenSSL alone where `fast` is false, or where the machine has nothing better.
  explicit FrameCipher(const Secret& key, bool fast = true);

  /// The tag of `a` and `b`, one after the other, which nothing else is done to.
  FrameTag TagOf(Part part, std::uint64_t number, std::span<const std::byte> a,
                 std::span<const std::byte> b);
  bool HasTag(Part part, std::uint64_t number, std::span<const std::byte> a,
              std::span<const std::byte> b, const FrameTag& tag);

  /// Encrypts a body where it lies; its tag.
  FrameTag Encrypt(std::uint64_t number, std::span<std::byte> control,
                   std::span<std::byte> payload);
  /// Decrypts a body where it lies; whether that was its tag. If not, the bytes are of no use.
  bool Decrypt(std::uint64_t number, std::span<std::byte> control, std::span<std::byte> payload,
               const FrameTag& tag);

 private:
  struct Free {
    void operator()(evp_cipher_ctx_st* context) const;
  };
  using Context = std::unique_ptr<evp_cipher_ctx_st, Free>;

  void Begin(Part part, std::uint64_t number, bool seals);

  Context gcm_;
  Context blocks_;  // Single blocks, which tags are masked with; null where `ghash_` is.
  std::unique_ptr<Ghash> ghash_;
};

/// Protects the frames that one side of a connection sends, in their order.
///
/// Owner:   Connection.
/// Threads: not thread-safe.
/// Bounds:  FrameCipher::kFramesMax frames.
class FrameSealer {
 public:
  /// `first` is the number of the first frame, of which only a test needs another.
  FrameSealer(FrameProtection protection, const Secret& key, std::uint64_t first = 0);

  /// The header's bytes, and in `tag` what follows the body where TagBytes says so. The body is
  /// encrypted where it lies if frames are. ResourceExhausted at the end of the numbers.
  absl::StatusOr<FrameHeaderBytes> Seal(const FrameHeader& header, std::span<std::byte> control,
                                        std::span<std::byte> payload, FrameTag& tag);

  /// Bytes of the tag behind a body of so many bytes: 0 or all of it.
  std::size_t TagBytes(std::size_t body_bytes) const;

 private:
  FrameProtection protection_;
  FrameCipher cipher_;
  std::uint64_t next_;
};

/// Checks the frames that the other side sends: each must be the next one of this connection,
/// unchanged.
///
/// Owner:   Connection.
/// Threads: not thread-safe.
class FrameOpener {
 public:
  FrameOpener(FrameProtection protection, const Secret& key, std::uint64_t first = 0);

  /// The next frame's header, of which nothing is believed before its tag was right. DataLoss where
  /// it was changed, repeated or put in another place; else as CheckFrameVersion and
  /// DecodeFrameFields.
  absl::StatusOr<FrameHeader> OpenHeader(std::span<const std::byte, kFrameHeaderBytes> bytes,
                                         const FrameLimits& limits, std::uint64_t generation);

  /// Checks the body of the frame whose header was opened last, and decrypts it where it lies if
  /// frames are encrypted. DataLoss where it is not the one that was sent.
  absl::Status OpenBody(std::span<std::byte> control, std::span<std::byte> payload,
                        const FrameTag& tag);

  std::size_t TagBytes(std::size_t body_bytes) const;

 private:
  FrameProtection protection_;
  FrameCipher cipher_;
  std::uint64_t next_;               // Of the header that is to come.
  std::uint64_t body_checksum_ = 0;  // What the last header says of its body, without tags.
};

/// Both directions of a connection, as one end has them.
struct FrameSeals {
  FrameSealer sealer;
  FrameOpener opener;
};

/// The seals of the connection of these two hellos for the end that is `self`.
FrameSeals MakeFrameSeals(FrameProtection protection, const JobKey& key, HandshakeRole self,
                          const HelloBytes& dialer, const HelloBytes& listener);

}  // namespace cf

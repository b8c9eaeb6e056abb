#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

namespace cf {

/// What a frame is. Kinds below kControl belong to the mesh; what the others mean is between the
/// callers, who may use any number from kControl on.
enum class FrameKind : std::uint8_t {
  kUnspecified = 0,
  kWelcome = 1,    ///< Ends the handshake: the dialer's proof was right.
  kHeartbeat = 2,  ///< Sent where there was nothing else to send.
  kGoodbye = 3,    ///< The last frame of a sender who closes in good order.
  kControl = 16,
  kPull = 17,
  kRows = 18,
  kPush = 19,
  kTransfer = 20,
  kOffer = 21,     ///< Where the sender's side door is.
  kHandedIn = 22,  ///< The sender has handed shared memory in at the receiver's.
};

/// What keeps the frames of a connection from being changed, repeated or read on their way.
enum class FrameProtection : std::uint8_t {
  kChecksummed = 1,    ///< Against accidents only.
  kAuthenticated = 2,  ///< Tags under a key of the connection's.
  kEncrypted = 3,      ///< Tags, and nobody else reads control message and payload.
};

/// The largest frame that is accepted from a peer.
struct FrameLimits {
  std::uint32_t control_bytes_max = 1U << 20;
  std::uint32_t payload_bytes_max = 256U << 20;
};

/// The first part of every frame's header; docs/wire.md has the byte table.
struct FrameHeader {
  FrameKind kind = FrameKind::kUnspecified;
  std::uint64_t generation = 0;
  std::uint64_t request_id = 0;
  std::uint32_t control_bytes = 0;
  std::uint32_t payload_bytes = 0;

  bool operator==(const FrameHeader&) const = default;
};

inline constexpr std::size_t kFrameFieldsBytes = 32;
/// The fields, and 16 bytes by which a change of them is noticed: frame_seal.h.
inline constexpr std::size_t kFrameHeaderBytes = kFrameFieldsBytes + 16;
using FrameHeaderBytes = std::array<std::byte, kFrameHeaderBytes>;

/// Writes the fields, with magic and version.
void EncodeFrameFields(const FrameHeader& header, std::span<std::byte, kFrameFieldsBytes> bytes);

/// OK where these are the fields of a frame of this version; DataLoss or FailedPrecondition. To be
/// asked before anything else, since another version may protect them in another way.
absl::Status CheckFrameVersion(std::span<const std::byte, kFrameFieldsBytes> bytes);

/// Reads the fields and says whether the frame may be accepted: its reserved bits, kind, generation,
/// and both lengths against `limits`, so that nothing unchecked sizes an allocation. DataLoss,
/// FailedPrecondition (another generation) or ResourceExhausted (a length).
/// Requires: CheckFrameVersion was OK, and the fields were found to be unchanged.
absl::StatusOr<FrameHeader> DecodeFrameFields(std::span<const std::byte, kFrameFieldsBytes> bytes,
                                              const FrameLimits& limits, std::uint64_t generation);

}  // namespace cf

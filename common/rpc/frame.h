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

/// The largest frame that is accepted from a peer.
struct FrameLimits {
  std::uint32_t control_bytes_max = 1U << 20;
  std::uint32_t payload_bytes_max = 256U << 20;
};

/// The fixed first part of every frame; docs/wire.md has the byte table.
struct FrameHeader {
  FrameKind kind = FrameKind::kUnspecified;
  std::uint64_t generation = 0;
  std::uint64_t request_id = 0;
  std::uint32_t control_bytes = 0;
  std::uint32_t payload_bytes = 0;
  std::uint64_t body_checksum = 0;  ///< BodyChecksum of the control message and the payload.

  bool operator==(const FrameHeader&) const = default;
};

inline constexpr std::size_t kFrameHeaderBytes = 48;
using FrameHeaderBytes = std::array<std::byte, kFrameHeaderBytes>;

/// XXH3-64 of the payload, seeded with XXH3-64 of the control message: one number for both without
/// a streaming state.
std::uint64_t BodyChecksum(std::span<const std::byte> control, std::span<const std::byte> payload);

/// The header's bytes, with magic, version and header checksum.
FrameHeaderBytes EncodeFrameHeader(const FrameHeader& header);

/// Reads a header and says whether the frame may be accepted: its checksum, version, reserved bits,
/// generation, and both lengths against `limits`, so that nothing unchecked sizes an allocation.
/// DataLoss, FailedPrecondition (another version or generation) or ResourceExhausted (a length).
absl::StatusOr<FrameHeader> DecodeFrameHeader(std::span<const std::byte, kFrameHeaderBytes> bytes,
                                              const FrameLimits& limits, std::uint64_t generation);

}  // namespace cf

#include "common/rpc/frame.h"

#include <absl/strings/str_cat.h>

#include "common/rpc/bytes.h"

// Inline, so that it is compiled for our targets (AVX2) rather than the distribution's (SSE2).
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace cf {
namespace {

constexpr std::uint32_t kMagic = 0x50524643;  // "CFRP" in the order of the bytes.
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kCheckedBytes = kFrameHeaderBytes - sizeof(std::uint64_t);

}  // namespace

std::uint64_t BodyChecksum(std::span<const std::byte> control, std::span<const std::byte> payload) {
  const std::uint64_t seed = XXH3_64bits(control.data(), control.size());
  return XXH3_64bits_withSeed(payload.data(), payload.size(), seed);
}

FrameHeaderBytes EncodeFrameHeader(const FrameHeader& header) {
  FrameHeaderBytes bytes;
  ByteWriter fields(bytes);
  fields.Put(kMagic);
  fields.Put(kVersion);
  fields.Put(header.kind);
  fields.Put(std::uint16_t{0});
  fields.Put(header.generation);
  fields.Put(header.request_id);
  fields.Put(header.control_bytes);
  fields.Put(header.payload_bytes);
  fields.Put(header.body_checksum);
  fields.Put(std::uint64_t{XXH3_64bits(bytes.data(), kCheckedBytes)});
  return bytes;
}

absl::StatusOr<FrameHeader> DecodeFrameHeader(std::span<const std::byte, kFrameHeaderBytes> bytes,
                                              const FrameLimits& limits, std::uint64_t generation) {
  ByteReader fields(bytes);
  const auto magic = fields.Get<std::uint32_t>();
  const auto version = fields.Get<std::uint8_t>();
  FrameHeader header;
  header.kind = fields.Get<FrameKind>();
  const auto reserved = fields.Get<std::uint16_t>();
  header.generation = fields.Get<std::uint64_t>();
  header.request_id = fields.Get<std::uint64_t>();
  header.control_bytes = fields.Get<std::uint32_t>();
  header.payload_bytes = fields.Get<std::uint32_t>();
  header.body_checksum = fields.Get<std::uint64_t>();
  const auto checksum = fields.Get<std::uint64_t>();

  if (magic != kMagic) return absl::DataLossError("not a frame");
  // Before the checksum: another version may compute it in another way.
  if (version != kVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("frame of wire version ", version, ", not ", kVersion));
  }
  if (checksum != XXH3_64bits(bytes.data(), kCheckedBytes)) {
    return absl::DataLossError("a frame's header does not match its checksum");
  }
  if (reserved != 0) return absl::DataLossError("a frame's reserved bits are set");
  if (header.kind == FrameKind::kUnspecified) return absl::DataLossError("a frame has no kind");
  if (header.generation != generation) {
    return absl::FailedPreconditionError(
        absl::StrCat("frame of generation ", header.generation, ", not ", generation));
  }
  if (header.control_bytes > limits.control_bytes_max) {
    return absl::ResourceExhaustedError(absl::StrCat("a control message of ", header.control_bytes,
                                                     " bytes; at most ", limits.control_bytes_max,
                                                     " are accepted"));
  }
  if (header.payload_bytes > limits.payload_bytes_max) {
    return absl::ResourceExhaustedError(absl::StrCat("a payload of ", header.payload_bytes,
                                                     " bytes; at most ", limits.payload_bytes_max,
                                                     " are accepted"));
  }
  return header;
}

}  // namespace cf

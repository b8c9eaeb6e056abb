#include "common/rpc/frame.h"

#include <absl/strings/str_cat.h>

#include "common/rpc/bytes.h"

namespace cf {
namespace {

constexpr std::uint32_t kMagic = 0x50524643;  // "CFRP" in the order of the bytes.
constexpr std::uint8_t kVersion = 2;

}  // namespace

void EncodeFrameFields(const FrameHeader& header, std::span<std::byte, kFrameFieldsBytes> bytes) {
  ByteWriter fields(bytes);
  fields.Put(kMagic);
  fields.Put(kVersion);
  fields.Put(header.kind);
  fields.Put(std::uint16_t{0});
  fields.Put(header.generation);
  fields.Put(header.request_id);
  fields.Put(header.control_bytes);
  fields.Put(header.payload_bytes);
}

absl::Status CheckFrameVersion(std::span<const std::byte, kFrameFieldsBytes> bytes) {
  ByteReader fields(bytes);
  if (fields.Get<std::uint32_t>() != kMagic) return absl::DataLossError("not a frame");
  const auto version = fields.Get<std::uint8_t>();
  if (version == kVersion) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("frame of wire version ", version, ", not ", kVersion));
}

absl::StatusOr<FrameHeader> DecodeFrameFields(std::span<const std::byte, kFrameFieldsBytes> bytes,
                                              const FrameLimits& limits, std::uint64_t generation) {
  ByteReader fields(bytes.subspan(sizeof kMagic + sizeof kVersion));
  FrameHeader header;
  header.kind = fields.Get<FrameKind>();
  const auto reserved = fields.Get<std::uint16_t>();
  header.generation = fields.Get<std::uint64_t>();
  header.request_id = fields.Get<std::uint64_t>();
  header.control_bytes = fields.Get<std::uint32_t>();
  header.payload_bytes = fields.Get<std::uint32_t>();

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

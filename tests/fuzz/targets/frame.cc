// What a peer's first bytes meet: the decoders of the frame's header and of the hello. Headers have
// checksums here, since nothing that is changed gets past a tag.

#include <algorithm>
#include <array>

#include "common/base/check.h"
#include "common/rpc/bytes.h"
#include "common/rpc/frame_seal.h"
#include "common/rpc/handshake.h"
#include "tests/fuzz/fuzz.h"

namespace cf::fuzz::frame_target {
namespace {

constexpr FrameLimits kLimits{.control_bytes_max = 1 << 10, .payload_bytes_max = 1 << 20};
constexpr std::uint64_t kGeneration = 1;

/// Whether the header is accepted, which then is within the limits and the one encoding of itself.
bool Decode(std::span<const std::byte, kFrameHeaderBytes> bytes) {
  FrameOpener opener(FrameProtection::kChecksummed, Secret());
  const auto header = opener.OpenHeader(bytes, kLimits, kGeneration);
  if (!header.ok()) return false;
  Check(header->control_bytes <= kLimits.control_bytes_max &&
            header->payload_bytes <= kLimits.payload_bytes_max &&
            header->generation == kGeneration && header->kind != FrameKind::kUnspecified,
        "an accepted header is within the limits");
  std::array<std::byte, kFrameFieldsBytes> fields;
  EncodeFrameFields(*header, fields);
  Check(std::ranges::equal(fields, bytes.first<kFrameFieldsBytes>()), "one encoding of a header");
  return true;
}

FrameHeaderBytes Checksummed(const FrameHeader& header) {
  FrameTag none;
  return FrameSealer(FrameProtection::kChecksummed, Secret()).Seal(header, {}, {}, none).value();
}

/// A header with a right checksum and any fields: the limits must hold by themselves.
FrameHeaderBytes HeaderOf(std::span<const std::byte, kFrameHeaderBytes> bytes) {
  ByteReader fields(bytes);
  return Checksummed({.kind = static_cast<FrameKind>(fields.Get<std::uint8_t>()),
                      .generation = fields.Get<std::uint8_t>() % 3U,
                      .request_id = fields.Get<std::uint64_t>(),
                      .control_bytes = fields.Get<std::uint32_t>(),
                      .payload_bytes = fields.Get<std::uint32_t>()});
}

/// The bytes are a hello and a header as they come in, then the fields of a header whose checksum
/// is right, and which is refused with any bit turned over.
bool RunTarget(std::span<const std::byte> bytes) {
  if (bytes.size() >= kHelloBytes) {
    const auto hello_bytes = bytes.first<kHelloBytes>();
    const auto hello = DecodeHello(hello_bytes);
    Check(!hello.ok() || std::ranges::equal(EncodeHello(*hello), hello_bytes),
          "one encoding of a hello");
    if (hello.ok()) return true;
  }
  if (bytes.size() < kFrameHeaderBytes) return false;
  if (Decode(bytes.first<kFrameHeaderBytes>())) return true;
  FrameHeaderBytes header = HeaderOf(bytes.first<kFrameHeaderBytes>());
  const bool taken = Decode(header);
  const auto turned = std::to_integer<std::size_t>(bytes[kFrameHeaderBytes - 1]);
  header[turned / 8 % header.size()] ^= static_cast<std::byte>(1U << (turned % 8));
  Check(!Decode(header), "a bit that is turned over is noticed");
  return taken;
}

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  for (const std::uint32_t length : {0U, 1U, kLimits.control_bytes_max}) {
    const FrameHeader header = {.kind = FrameKind::kPush,
                                .generation = kGeneration,
                                .request_id = 7,
                                .control_bytes = length,
                                .payload_bytes = kLimits.payload_bytes_max};
    seeds.push_back(TextOf(Checksummed(header)));
    // The same as fields for HeaderOf.
    std::string fields(kFrameHeaderBytes, '\0');
    ByteWriter writer(std::as_writable_bytes(std::span(fields)));
    writer.Put(header.kind);
    writer.Put(static_cast<std::uint8_t>(header.generation));
    writer.Put(header.request_id);
    writer.Put(header.control_bytes);
    writer.Put(header.payload_bytes);
    seeds.push_back(fields);
  }
  seeds.push_back(TextOf(EncodeHello({.generation = kGeneration, .from = 2, .to = 1})));
  return seeds;
}

const bool kAdded =
    AddTarget({.name = "frame", .run = RunTarget, .seeds = Seeds, .rounds = 100'000});

}  // namespace
}  // namespace cf::fuzz::frame_target

// Fuzzes what a peer's first bytes meet: the decoders of the frame's header and of the hello.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>

#include <gtest/gtest.h>

#include "common/base/check.h"
#include "common/rpc/frame.h"
#include "common/rpc/handshake.h"

namespace cf {
namespace {

constexpr FrameLimits kLimits{.control_bytes_max = 1 << 10, .payload_bytes_max = 1 << 20};
constexpr std::uint64_t kGeneration = 1;

/// The target: whatever the bytes are, a header that is accepted is within the limits, and both
/// decoders accept only the one encoding of what they return. Whether a header was accepted.
bool Decode(std::span<const std::byte> input) {
  if (input.size() >= kHelloBytes) {
    const auto bytes = input.first<kHelloBytes>();
    const auto hello = DecodeHello(bytes);
    Check(!hello.ok() || std::ranges::equal(EncodeHello(*hello), bytes), "one encoding of a hello");
  }
  if (input.size() < kFrameHeaderBytes) return false;
  const auto bytes = input.first<kFrameHeaderBytes>();
  const auto header = DecodeFrameHeader(bytes, kLimits, kGeneration);
  if (!header.ok()) return false;
  Check(header->control_bytes <= kLimits.control_bytes_max &&
            header->payload_bytes <= kLimits.payload_bytes_max &&
            header->generation == kGeneration && header->kind != FrameKind::kUnspecified,
        "an accepted header is within the limits");
  Check(std::ranges::equal(EncodeFrameHeader(*header), bytes), "one encoding of a header");
  return true;
}

}  // namespace
}  // namespace cf

/// For libFuzzer, where the compiler has one.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  cf::Decode(std::as_bytes(std::span(data, size)));
  return 0;
}

namespace cf {
namespace {

TEST(FrameFuzz, RandomBytes) {
  std::mt19937_64 random(20261121);
  std::array<std::byte, 64> input;
  for (int k = 0; k < 200'000; ++k) {
    for (std::byte& b : input) b = static_cast<std::byte>(random());
    EXPECT_FALSE(Decode(std::span(input).first(random() % (input.size() + 1))));
  }
}

// Headers with a right checksum and any fields get past it: the limits must hold by themselves.
TEST(FrameFuzz, AnyFieldsUnderARightChecksum) {
  std::mt19937_64 random(20261122);
  int accepted = 0;
  for (int k = 0; k < 200'000; ++k) {
    // Lengths of every magnitude, so that both sides of each limit are met.
    const auto length = [&] { return static_cast<std::uint32_t>(random()) >> (random() % 32); };
    FrameHeaderBytes bytes = EncodeFrameHeader({.kind = static_cast<FrameKind>(random() % 32),
                                                .generation = random() % 3,
                                                .request_id = random(),
                                                .control_bytes = length(),
                                                .payload_bytes = length(),
                                                .body_checksum = random()});
    const bool flip = random() % 4 == 0;
    if (flip) bytes[random() % bytes.size()] ^= static_cast<std::byte>(1U << (random() % 8));
    const bool took = Decode(bytes);
    EXPECT_FALSE(took && flip);
    accepted += took ? 1 : 0;
  }
  EXPECT_GT(accepted, 1000);
}

}  // namespace
}  // namespace cf

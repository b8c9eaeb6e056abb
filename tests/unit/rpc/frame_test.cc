#include "common/rpc/frame.h"

#include <cstddef>
#include <span>
#include <string>

#include <gtest/gtest.h>

#include "common/rpc/handshake.h"

namespace cf {
namespace {

std::string Hex(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte b : bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    text += kDigits[static_cast<unsigned>(b) >> 4];
    text += kDigits[static_cast<unsigned>(b) & 15U];
  }
  return text;
}

std::span<const std::byte> Bytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}

/// The worked example of docs/wire.md.
FrameHeader Example() {
  return {.kind = FrameKind::kPush,
          .generation = 3,
          .request_id = 258,
          .control_bytes = 2,
          .payload_bytes = 4,
          .body_checksum = BodyChecksum(Bytes("hi"), Bytes("rows"))};
}

FrameHeaderBytes WithByte(FrameHeaderBytes bytes, std::size_t at, std::byte value) {
  bytes[at] = value;
  return bytes;
}

// Goal: the bytes of the wire never change unseen; docs/wire.md shows the same ones.
TEST(Frame, GoldenBytes) {
  EXPECT_EQ(Hex(EncodeFrameHeader(Example())),
            "434652500113000003000000000000000201000000000000"
            "02000000040000006d54e72eb4fbf642d50367e752d70848");
}

TEST(Frame, HelloAndProofGoldenBytes) {
  Hello dialer{.generation = 3, .from = 2, .to = 1};
  dialer.nonce.fill(std::byte{0x11});
  Hello listener{.generation = 3, .from = 1, .to = 2};
  listener.nonce.fill(std::byte{0x22});
  JobKey key;
  key.fill(std::byte{0x33});
  const HelloBytes d = EncodeHello(dialer);
  const HelloBytes l = EncodeHello(listener);
  EXPECT_EQ(Hex(d),
            "434652480100000003000000000000000200000001000000"
            "1111111111111111111111111111111111111111111111111111111111111111");
  EXPECT_EQ(Hex(Prove(key, HandshakeRole::kListener, d, l)),
            "5a35c03819a51c634cbd92e46fee2e9e2661817bbfc1e46617497123707c6b7b");
  EXPECT_EQ(Hex(Prove(key, HandshakeRole::kDialer, d, l)),
            "a65d0b0afed250943fd8e96635f23b050a239813fb91d075d2cf1db3daaddd36");
}

TEST(Frame, ReadsWhatItWrote) {
  const auto read = DecodeFrameHeader(EncodeFrameHeader(Example()), {}, 3);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, Example());
}

// Goal: no flipped bit of a header is taken for another header.
TEST(Frame, EveryFlippedBitIsRefused) {
  const FrameHeaderBytes good = EncodeFrameHeader(Example());
  for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
    const std::byte flipped = good[bit / 8] ^ static_cast<std::byte>(1U << (bit % 8));
    EXPECT_FALSE(DecodeFrameHeader(WithByte(good, bit / 8, flipped), {}, 3).ok()) << "bit " << bit;
  }
}

TEST(Frame, LimitsAndGeneration) {
  FrameHeader header = Example();
  const auto code = [](const FrameHeader& h, const FrameLimits& limits, std::uint64_t generation) {
    return DecodeFrameHeader(EncodeFrameHeader(h), limits, generation).status().code();
  };
  const FrameLimits exact{.control_bytes_max = 2, .payload_bytes_max = 4};
  EXPECT_EQ(code(header, exact, 3), absl::StatusCode::kOk);
  EXPECT_EQ(code(header, {.control_bytes_max = 1, .payload_bytes_max = 4}, 3),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(code(header, {.control_bytes_max = 2, .payload_bytes_max = 3}, 3),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(code(header, exact, 4), absl::StatusCode::kFailedPrecondition);
  header.kind = FrameKind::kUnspecified;
  EXPECT_EQ(code(header, exact, 3), absl::StatusCode::kDataLoss);
}

TEST(Frame, BodyChecksumSeesBothParts) {
  const std::uint64_t sum = BodyChecksum(Bytes("hi"), Bytes("rows"));
  EXPECT_NE(sum, BodyChecksum(Bytes("ho"), Bytes("rows")));
  EXPECT_NE(sum, BodyChecksum(Bytes("hi"), Bytes("rowz")));
  EXPECT_NE(sum, BodyChecksum(Bytes("hir"), Bytes("ows")));
}

}  // namespace
}  // namespace cf

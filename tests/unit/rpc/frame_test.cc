#include "common/rpc/frame.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <new>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "common/rpc/frame_seal.h"
#include "common/rpc/handshake.h"

namespace cf::frame_test {
namespace {

constexpr FrameProtection kProtections[] = {
    FrameProtection::kChecksummed, FrameProtection::kAuthenticated, FrameProtection::kEncrypted};

std::string Hex(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte b : bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    text += kDigits[static_cast<unsigned>(b) >> 4];
    text += kDigits[static_cast<unsigned>(b) & 15U];
  }
  return text;
}

/// The worked example of docs/wire.md: its hellos, its key and its frame.
HelloBytes DialersHello(FrameProtection protection) {
  Hello hello{.generation = 3, .from = 2, .to = 1, .protection = protection};
  hello.nonce.fill(std::byte{0x11});
  return EncodeHello(hello);
}

HelloBytes ListenersHello(FrameProtection protection) {
  Hello hello{.generation = 3, .from = 1, .to = 2, .protection = protection};
  hello.nonce.fill(std::byte{0x22});
  return EncodeHello(hello);
}

JobKey Key(std::byte value = std::byte{0x33}) {
  JobKey key;
  key.fill(value);
  return key;
}

FrameHeader Example() {
  return {.kind = FrameKind::kPush,
          .generation = 3,
          .request_id = 258,
          .control_bytes = 2,
          .payload_bytes = 4};
}

/// A frame as it is on the wire, in its parts.
struct Frame {
  FrameHeaderBytes header{};
  std::string control = "hi";
  std::string payload = "rows";
  FrameTag tag{};

  std::span<std::byte> ControlBytes() { return std::as_writable_bytes(std::span(control)); }
  std::span<std::byte> PayloadBytes() { return std::as_writable_bytes(std::span(payload)); }
};

Frame Seal(FrameSealer& sealer, const FrameHeader& header = Example()) {
  Frame frame;
  frame.header = sealer.Seal(header, frame.ControlBytes(), frame.PayloadBytes(), frame.tag).value();
  return frame;
}

/// Opens header and body; the first error.
absl::Status Open(FrameOpener& opener, Frame& frame, const FrameLimits& limits = {},
                  std::uint64_t generation = 3) {
  const auto header = opener.OpenHeader(frame.header, limits, generation);
  if (!header.ok()) return header.status();
  EXPECT_EQ(*header, Example());
  return opener.OpenBody(frame.ControlBytes(), frame.PayloadBytes(), frame.tag);
}

FrameSeals SealsOf(FrameProtection protection, HandshakeRole self, const JobKey& key = Key()) {
  return MakeFrameSeals(protection, key, self, DialersHello(protection),
                        ListenersHello(protection));
}

/// The two ends of a connection.
struct Ends {
  explicit Ends(FrameProtection protection)
      : dialer(SealsOf(protection, HandshakeRole::kDialer)),
        listener(SealsOf(protection, HandshakeRole::kListener)) {}

  FrameSeals dialer;
  FrameSeals listener;
};

// Goal: the bytes of the wire never change unseen; docs/wire.md shows the same ones. They were
// computed by another program (Python's hmac and cryptography).
TEST(Frame, HelloProofAndKeysGoldenBytes) {
  constexpr auto kTags = FrameProtection::kAuthenticated;
  const HelloBytes d = DialersHello(kTags);
  const HelloBytes l = ListenersHello(kTags);
  EXPECT_EQ(Hex(d),
            "434652480202000003000000000000000200000001000000"
            "1111111111111111111111111111111111111111111111111111111111111111");
  EXPECT_EQ(Hex(Prove(Key(), HandshakeRole::kListener, d, l)),
            "f36daad82c745e501e157b62027b58e5bc033a700a63bd9e0462c29dad9f3e32");
  EXPECT_EQ(Hex(Prove(Key(), HandshakeRole::kDialer, d, l)),
            "0f7f6cf65d5d7267c2e8f430ef094325d7a03ba45ae7fddfd66fa91441edb408");
  EXPECT_EQ(Hex(FrameKeyOf(Key(), HandshakeRole::kDialer, d, l)),
            "85ee56ec054351b4d4ae359617b07df2380e7cc5f56dddb4c59fb7ebe44ede77");
  EXPECT_EQ(Hex(FrameKeyOf(Key(), HandshakeRole::kListener, d, l)),
            "654bcbb345b071f391749d1d7bbcf4feb0bb4f1ed2800e966532d5fdded0c615");
}

std::string HexOf(Frame& frame) {
  return Hex(frame.header) + " " + Hex(frame.ControlBytes()) + Hex(frame.PayloadBytes()) + " " +
         Hex(frame.tag);
}

TEST(Frame, GoldenBytes) {
  const std::string fields = "4346525002130000030000000000000002010000000000000200000004000000";
  const std::string no_tag(32, '0');
  const std::vector<std::string> expected[] = {
      {"6d54e72eb4fbf64297b94179e31a840d 6869726f7773 " + no_tag,
       "6d54e72eb4fbf64297b94179e31a840d 6869726f7773 " + no_tag},
      {"578fb7d0143c2c69f2dae60e54dfdfdf 6869726f7773 c03549bdc6b4799c8e4f8b6dee6b27fb",
       "7416654f133cf96df5aedb3de4b0d3b0 6869726f7773 a51fee4be25a74b893915b89c370bcfb"},
      {"d87352bf4359ea74493b063416d6f4da babf3497dc9a 07523a41421a033aafb96d17d5936232",
       "eade66ec97791243b380499a7fd5e6ec e3d2d4907cb3 72c6032c957b58b39a7b7749152e32e8"}};
  for (const FrameProtection protection : kProtections) {
    Ends ends(protection);
    for (const std::string& rest : expected[static_cast<int>(protection) - 1]) {
      Frame frame = Seal(ends.dialer.sealer);
      EXPECT_EQ(HexOf(frame), fields + rest);
    }
  }
}

TEST(Frame, OpensWhatWasSealedInBothDirections) {
  for (const FrameProtection protection : kProtections) {
    Ends ends(protection);
    for (int k = 0; k < 3; ++k) {
      for (const auto& [from, to] :
           {std::pair(&ends.dialer, &ends.listener), std::pair(&ends.listener, &ends.dialer)}) {
        Frame frame = Seal(from->sealer);
        EXPECT_EQ(frame.payload == "rows", protection != FrameProtection::kEncrypted);
        const absl::Status opened = Open(to->opener, frame);
        ASSERT_TRUE(opened.ok()) << opened;
        EXPECT_EQ(frame.control, "hi");
        EXPECT_EQ(frame.payload, "rows");
      }
    }
  }
}

// Goal: no flipped bit of a frame, wherever it is, is taken for another frame.
TEST(Frame, EveryFlippedBitIsRefused) {
  for (const FrameProtection protection : kProtections) {
    FrameSeals from = SealsOf(protection, HandshakeRole::kDialer);
    const Frame good = Seal(from.sealer);
    const auto refuses = [&](const auto& part_of, std::size_t bit) {
      Frame bad = good;
      part_of(bad)[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
      FrameSeals to = SealsOf(protection, HandshakeRole::kListener);
      return !Open(to.opener, bad).ok();
    };
    const auto refuses_all = [&](const auto& part_of, std::size_t bytes) {
      for (std::size_t bit = 0; bit < 8 * bytes; ++bit) EXPECT_TRUE(refuses(part_of, bit)) << bit;
    };
    refuses_all([](Frame& f) { return std::span<std::byte>(f.header); }, good.header.size());
    refuses_all([](Frame& f) { return f.ControlBytes(); }, good.control.size());
    refuses_all([](Frame& f) { return f.PayloadBytes(); }, good.payload.size());
    if (protection == FrameProtection::kChecksummed) continue;
    refuses_all([](Frame& f) { return std::span<std::byte>(f.tag); }, good.tag.size());
  }
}

// Goal: a frame is good once, in its place, for one direction of one connection of one job.
TEST(Frame, OnlyTheNextOneOfThisConnectionIsTaken) {
  for (const FrameProtection protection :
       {FrameProtection::kAuthenticated, FrameProtection::kEncrypted}) {
    Ends ends(protection);
    Frame first = Seal(ends.dialer.sealer);
    Frame second = Seal(ends.dialer.sealer);
    const auto refuses = [](FrameOpener&& opener, Frame frame) {
      return Open(opener, frame).code() == absl::StatusCode::kDataLoss;
    };
    EXPECT_TRUE(refuses(SealsOf(protection, HandshakeRole::kListener).opener, second)) << "swapped";
    EXPECT_TRUE(refuses(std::move(ends.dialer.opener), first)) << "reflected";
    EXPECT_TRUE(
        refuses(SealsOf(protection, HandshakeRole::kListener, Key(std::byte{0x34})).opener, first))
        << "another job's";
    Frame crossed = first;
    crossed.tag = second.tag;
    EXPECT_TRUE(refuses(SealsOf(protection, HandshakeRole::kListener).opener, crossed));
    Frame taken = first;
    EXPECT_TRUE(Open(ends.listener.opener, taken).ok());
    EXPECT_TRUE(refuses(std::move(ends.listener.opener), first)) << "replayed";
  }
}

TEST(Frame, LimitsAndGeneration) {
  const auto code = [](const FrameHeader& header, const FrameLimits& limits,
                       std::uint64_t generation) {
    Ends ends(FrameProtection::kAuthenticated);
    const Frame frame = Seal(ends.dialer.sealer, header);
    return ends.listener.opener.OpenHeader(frame.header, limits, generation).status().code();
  };
  FrameHeader header = Example();
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

// Goal: no nonce is used twice under a key: the last frame is taken, and none follows.
TEST(Frame, NumbersEndBeforeTheyRepeat) {
  constexpr std::uint64_t kLast = FrameCipher::kFramesMax - 1;
  for (const FrameProtection protection :
       {FrameProtection::kAuthenticated, FrameProtection::kEncrypted}) {
    FrameSealer sealer(protection, Key(), kLast);
    FrameOpener opener(protection, Key(), kLast);
    Frame last = Seal(sealer);
    EXPECT_TRUE(Open(opener, last).ok());
    Frame none;
    EXPECT_EQ(
        sealer.Seal(Example(), none.ControlBytes(), none.PayloadBytes(), none.tag).status().code(),
        absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(none.payload, "rows") << "nothing is encrypted under a nonce that there is not";
  }
}

// Goal: the hash of our own is OpenSSL's, of any lengths and places, so that ranks on machines with
// and without these instructions understand each other.
TEST(Frame, TagsAreOpenSsls) {
  if (!Ghash::IsThere()) GTEST_SKIP() << "this machine has OpenSSL's hash alone";
  FrameCipher fast(Key());
  FrameCipher plain(Key(), /*fast=*/false);
  std::vector<std::byte> bytes(3000);
  std::mt19937 random(1);
  for (std::byte& b : bytes) b = static_cast<std::byte>(random());
  const std::span<const std::byte> all(bytes);
  std::uint64_t number = 0;
  const auto same = [&](std::size_t from, std::size_t middle, std::size_t to) {
    const auto a = all.subspan(from, middle - from);
    const auto b = all.subspan(middle, to - middle);
    ++number;
    return fast.TagOf(FrameCipher::Part::kBody, number, a, b) ==
           plain.TagOf(FrameCipher::Part::kBody, number, a, b);
  };
  for (std::size_t length = 0; length <= 1100; ++length) {
    ASSERT_TRUE(same(length % 5, length % 5, length % 5 + length)) << length;
    ASSERT_TRUE(same(0, length / 3, length)) << length;
  }
  for (std::size_t middle = 0; middle <= 40; ++middle)
    for (std::size_t length = middle; length <= 80; ++length)
      ASSERT_TRUE(same(1, 1 + middle, 1 + length)) << middle << " of " << length;
  EXPECT_TRUE(same(3, 1500, 3000));
}

TEST(Secret, IsWipedWithItsHolder) {
  alignas(Secret) std::array<std::byte, sizeof(Secret)> memory;
  auto* const secret = new (memory.data()) Secret(Key());
  secret->~Secret();
  EXPECT_TRUE(std::ranges::all_of(memory, [](std::byte b) { return b == std::byte{0}; }));
}

}  // namespace
}  // namespace cf::frame_test

#include "common/rpc/handshake.h"

#include <absl/strings/escaping.h>
#include <gtest/gtest.h>

#include "common/rpc/derived_key.h"

namespace cf::handshake_test {
namespace {

TEST(Handshake, KeysAndNoncesAreNew) {
  const auto a = MakeJobKey();
  const auto b = MakeJobKey();
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_NE(*a, *b);
  const auto hello = MakeHello(7, 2, 1);
  ASSERT_TRUE(hello.ok());
  EXPECT_NE(hello->nonce, MakeHello(7, 2, 1)->nonce);
  EXPECT_EQ(*DecodeHello(EncodeHello(*hello)), *hello);
}

// Goal: a proof is good for one key, one role and one connection.
TEST(Handshake, ProofDependsOnKeyRoleAndBothHellos) {
  const JobKey key = *MakeJobKey();
  const HelloBytes dialer = EncodeHello(*MakeHello(1, 1, 0));
  const HelloBytes listener = EncodeHello(*MakeHello(1, 0, 1));
  const Proof proof = Prove(key, HandshakeRole::kDialer, dialer, listener);
  EXPECT_TRUE(SameProof(proof, Prove(key, HandshakeRole::kDialer, dialer, listener)));
  EXPECT_FALSE(SameProof(proof, Prove(*MakeJobKey(), HandshakeRole::kDialer, dialer, listener)));
  EXPECT_FALSE(SameProof(proof, Prove(key, HandshakeRole::kListener, dialer, listener)));
  EXPECT_FALSE(SameProof(proof, Prove(key, HandshakeRole::kDialer, listener, dialer)));
  const HelloBytes again = EncodeHello(*MakeHello(1, 1, 0));
  EXPECT_FALSE(SameProof(proof, Prove(key, HandshakeRole::kDialer, again, listener)));
}

// The bytes are HMAC-SHA256's, by another implementation.
TEST(DerivedKey, FollowsFromKeyAndPurpose) {
  JobKey key;
  key.fill(std::byte{0x33});
  const JobKey derived = DeriveKey(key, "generation 4");
  EXPECT_EQ(absl::BytesToHexString({reinterpret_cast<const char*>(derived.data()), derived.size()}),
            "ad9a5fa73e152e4170240ff0da692eb6e859be489df1823968e711620c4effb0");
  EXPECT_NE(DeriveKey(key, "generation 5"), derived);
}

// Goal: a key of frames is good for one direction of one connection, and is no proof.
TEST(Handshake, FrameKeysDifferByDirectionAndConnection) {
  const JobKey key = *MakeJobKey();
  const HelloBytes dialer = EncodeHello(*MakeHello(1, 1, 0));
  const HelloBytes listener = EncodeHello(*MakeHello(1, 0, 1));
  const HelloBytes again = EncodeHello(*MakeHello(1, 1, 0));
  const auto made = FrameKeyOf(key, HandshakeRole::kDialer, dialer, listener);
  EXPECT_EQ(made, FrameKeyOf(key, HandshakeRole::kDialer, dialer, listener));
  EXPECT_NE(made, FrameKeyOf(key, HandshakeRole::kListener, dialer, listener));
  EXPECT_NE(made, FrameKeyOf(key, HandshakeRole::kDialer, again, listener));
  EXPECT_NE(made, FrameKeyOf(*MakeJobKey(), HandshakeRole::kDialer, dialer, listener));
  for (const HandshakeRole role : {HandshakeRole::kDialer, HandshakeRole::kListener})
    EXPECT_FALSE(SameProof(made, Prove(key, role, dialer, listener)));
}

TEST(Handshake, RubbishIsNoHello) {
  HelloBytes bytes = EncodeHello(*MakeHello(1, 1, 0));
  bytes[4] = std::byte{9};
  EXPECT_EQ(DecodeHello(bytes).status().code(), absl::StatusCode::kFailedPrecondition);
  bytes[4] = std::byte{2};
  ASSERT_TRUE(DecodeHello(bytes).ok());
  for (const int protection : {0, 4, 255}) {
    bytes[5] = static_cast<std::byte>(protection);
    EXPECT_EQ(DecodeHello(bytes).status().code(), absl::StatusCode::kDataLoss) << protection;
  }
  bytes[5] = std::byte{3};
  ASSERT_TRUE(DecodeHello(bytes).ok());
  bytes[6] = std::byte{1};
  EXPECT_EQ(DecodeHello(bytes).status().code(), absl::StatusCode::kDataLoss);
  bytes.fill(std::byte{0x47});
  EXPECT_EQ(DecodeHello(bytes).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace cf::handshake_test

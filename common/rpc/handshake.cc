#include "common/rpc/handshake.h"

#include <algorithm>
#include <cerrno>
#include <sys/random.h>

#include <absl/strings/str_cat.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "common/base/check.h"
#include "common/base/status.h"
#include "common/rpc/bytes.h"

namespace cf {
namespace {

constexpr std::uint32_t kMagic = 0x48524643;  // "CFRH" in the order of the bytes.
constexpr std::uint8_t kVersion = 2;

/// What is derived from the job key under a label of its own has nothing to do with the rest. The
/// labels of the proofs are the roles.
constexpr unsigned kFrameKeyLabel = 16;

absl::Status FillWithRandom(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t got = ::getrandom(bytes.data(), bytes.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoError(errno, "getrandom");
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
  return absl::OkStatus();
}

/// HMAC-SHA256 under the key of the label and both hellos, into `made`.
void Derive(const JobKey& key, unsigned label, const HelloBytes& dialer, const HelloBytes& listener,
            std::span<std::byte, 32> made) {
  std::array<std::byte, 1 + 2 * kHelloBytes> said;
  said[0] = static_cast<std::byte>(label);
  std::copy(dialer.begin(), dialer.end(), said.begin() + 1);
  std::copy(listener.begin(), listener.end(), said.begin() + 1 + kHelloBytes);
  unsigned int size = 0;
  const unsigned char* done =
      ::HMAC(::EVP_sha256(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(said.data()), said.size(),
             reinterpret_cast<unsigned char*>(made.data()), &size);
  Check(done != nullptr && size == made.size(), "OpenSSL computes an HMAC-SHA256");
}

}  // namespace

Secret::~Secret() {
  ::OPENSSL_cleanse(data(), size());
}

absl::StatusOr<JobKey> MakeJobKey() {
  JobKey key;
  if (absl::Status filled = FillWithRandom(key); !filled.ok()) return filled;
  return key;
}

absl::StatusOr<Hello> MakeHello(std::uint64_t generation, int from, int to,
                                FrameProtection protection) {
  Hello hello{.generation = generation,
              .from = static_cast<std::uint32_t>(from),
              .to = static_cast<std::uint32_t>(to),
              .protection = protection};
  if (absl::Status filled = FillWithRandom(hello.nonce); !filled.ok()) return filled;
  return hello;
}

HelloBytes EncodeHello(const Hello& hello) {
  HelloBytes bytes;
  ByteWriter fields(bytes);
  fields.Put(kMagic);
  fields.Put(kVersion);
  fields.Put(hello.protection);
  fields.Put(std::uint16_t{0});
  fields.Put(hello.generation);
  fields.Put(hello.from);
  fields.Put(hello.to);
  fields.Put(hello.nonce);
  return bytes;
}

absl::StatusOr<Hello> DecodeHello(std::span<const std::byte, kHelloBytes> bytes) {
  ByteReader fields(bytes);
  const auto magic = fields.Get<std::uint32_t>();
  const auto version = fields.Get<std::uint8_t>();
  Hello hello;
  hello.protection = fields.Get<FrameProtection>();
  const auto reserved = fields.Get<std::uint16_t>();
  hello.generation = fields.Get<std::uint64_t>();
  hello.from = fields.Get<std::uint32_t>();
  hello.to = fields.Get<std::uint32_t>();
  hello.nonce = fields.Get<std::array<std::byte, 32>>();
  if (magic != kMagic) return absl::DataLossError("not a hello");
  if (version != kVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("hello of wire version ", version, ", not ", kVersion));
  }
  if (hello.protection < FrameProtection::kChecksummed ||
      hello.protection > FrameProtection::kEncrypted) {
    return absl::DataLossError("a hello asks for no protection of frames that there is");
  }
  if (reserved != 0) return absl::DataLossError("a hello's reserved bits are set");
  return hello;
}

Proof Prove(const JobKey& key, HandshakeRole prover, const HelloBytes& dialer,
            const HelloBytes& listener) {
  Proof proof;
  Derive(key, static_cast<unsigned>(prover), dialer, listener, proof);
  return proof;
}

Secret FrameKeyOf(const JobKey& key, HandshakeRole sender, const HelloBytes& dialer,
                  const HelloBytes& listener) {
  Secret made;
  Derive(key, kFrameKeyLabel + static_cast<unsigned>(sender), dialer, listener, made);
  return made;
}

bool SameProof(const Proof& a, const Proof& b) {
  return ::CRYPTO_memcmp(a.data(), b.data(), kProofBytes) == 0;
}

}  // namespace cf

#include "common/rpc/frame_seal.h"

#include <algorithm>

#include <absl/strings/str_cat.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "common/base/check.h"
#include "common/rpc/bytes.h"

// Inline, so that it is compiled for our targets (AVX2) rather than the distribution's (SSE2).
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace cf {
namespace {

/// Of one call of OpenSSL, whose lengths are ints. A multiple of the cipher's blocks.
constexpr std::size_t kCallBytesMax = std::size_t{1} << 30;
constexpr int kTagBytes = std::tuple_size_v<FrameTag>;

const unsigned char* In(const std::byte* bytes) {
  return reinterpret_cast<const unsigned char*>(bytes);
}

unsigned char* Out(std::byte* bytes) {
  return reinterpret_cast<unsigned char*>(bytes);
}

/// XXH3-64 of the payload, seeded with XXH3-64 of the control message: one number for both without
/// a streaming state.
std::uint64_t BodyChecksum(std::span<const std::byte> control, std::span<const std::byte> payload) {
  const std::uint64_t seed = XXH3_64bits(control.data(), control.size());
  return XXH3_64bits_withSeed(payload.data(), payload.size(), seed);
}

/// The header's last 16 bytes where frames have no tags: the body's checksum, then that of the
/// bytes before.
void PutChecksums(FrameHeaderBytes& bytes, std::uint64_t body) {
  const std::span<std::byte> last = std::span(bytes).subspan<kFrameFieldsBytes>();
  ByteWriter checksums(last);
  checksums.Put(body);
  checksums.Put(std::uint64_t{XXH3_64bits(bytes.data(), kFrameHeaderBytes - sizeof body)});
}

absl::Status Foreign(const char* what) {
  return absl::DataLossError(
      absl::StrCat("a frame's ", what,
                   " does not match its tag: it was changed, repeated or put in another place on "
                   "its way"));
}

std::array<std::byte, 12> NonceOf(FrameCipher::Part part, std::uint64_t number) {
  std::array<std::byte, 12> nonce;
  ByteWriter fields(nonce);
  fields.Put(part);
  fields.Put(number);
  return nonce;
}

/// Encrypts one block where it lies.
void EncryptBlock(EVP_CIPHER_CTX* context, std::span<std::byte, 16> block) {
  int done = 0;
  Check(::EVP_CipherUpdate(context, Out(block.data()), &done, In(block.data()), kTagBytes) == 1 &&
            done == kTagBytes,
        "OpenSSL encrypts a block");
}

/// Takes `bytes` in, and writes to `out` what they become; null: they are authenticated only.
void Update(EVP_CIPHER_CTX* context, std::byte* out, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto now = bytes.first(std::min(bytes.size(), kCallBytesMax));
    int done = 0;
    Check(::EVP_CipherUpdate(context, out == nullptr ? nullptr : Out(out), &done, In(now.data()),
                             static_cast<int>(now.size())) == 1,
          "OpenSSL works through bytes");
    if (out != nullptr) out += now.size();
    bytes = bytes.subspan(now.size());
  }
}

FrameTag FinishTag(EVP_CIPHER_CTX* context) {
  FrameTag tag;
  std::array<unsigned char, kTagBytes> none;
  int done = 0;
  Check(::EVP_CipherFinal_ex(context, none.data(), &done) == 1 &&
            ::EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTagBytes, tag.data()) == 1,
        "OpenSSL makes a tag");
  return tag;
}

std::size_t TagBytesOf(FrameProtection protection, std::size_t body_bytes) {
  return protection == FrameProtection::kChecksummed || body_bytes == 0 ? 0 : kTagBytes;
}

}  // namespace

// --- The cipher ----------------------------------------------------------------------------------

void FrameCipher::Free::operator()(evp_cipher_ctx_st* context) const {
  ::EVP_CIPHER_CTX_free(context);  // Which wipes the key.
}

FrameCipher::FrameCipher(const Secret& key, bool fast)
    : gcm_(::EVP_CIPHER_CTX_new()),
      blocks_(fast && Ghash::IsThere() ? ::EVP_CIPHER_CTX_new() : nullptr) {
  Check(gcm_ != nullptr && ::EVP_CipherInit_ex(gcm_.get(), ::EVP_aes_256_gcm(), nullptr,
                                               In(key.data()), nullptr, 1) == 1,
        "OpenSSL has AES-256-GCM");
  if (blocks_ == nullptr) return;
  Check(::EVP_CipherInit_ex(blocks_.get(), ::EVP_aes_256_ecb(), nullptr, In(key.data()), nullptr,
                            1) == 1,
        "OpenSSL has AES-256");
  Ghash::Block subkey{};
  EncryptBlock(blocks_.get(), subkey);
  ghash_ = std::make_unique<Ghash>(subkey);
  ::OPENSSL_cleanse(subkey.data(), subkey.size());
}

void FrameCipher::Begin(Part part, std::uint64_t number, bool seals) {
  const auto nonce = NonceOf(part, number);
  Check(::EVP_CipherInit_ex(gcm_.get(), nullptr, nullptr, nullptr, In(nonce.data()),
                            seals ? 1 : 0) == 1,
        "OpenSSL takes a nonce");
}

FrameTag FrameCipher::TagOf(Part part, std::uint64_t number, std::span<const std::byte> a,
                            std::span<const std::byte> b) {
  if (ghash_ == nullptr) {
    Begin(part, number, /*seals=*/true);
    for (const auto bytes : {a, b}) Update(gcm_.get(), nullptr, bytes);
    return FinishTag(gcm_.get());
  }
  // The mask is the block of the nonce and a counter of 1, which no ciphertext uses.
  FrameTag tag{};
  std::ranges::copy(NonceOf(part, number), tag.begin());
  tag.back() = std::byte{1};
  EncryptBlock(blocks_.get(), tag);
  const Ghash::Block hash = ghash_->Of(a, b);
  for (std::size_t k = 0; k < tag.size(); ++k) tag[k] ^= hash[k];
  return tag;
}

bool FrameCipher::HasTag(Part part, std::uint64_t number, std::span<const std::byte> a,
                         std::span<const std::byte> b, const FrameTag& tag) {
  const FrameTag expected = TagOf(part, number, a, b);
  return ::CRYPTO_memcmp(expected.data(), tag.data(), kTagBytes) == 0;
}

FrameTag FrameCipher::Encrypt(std::uint64_t number, std::span<std::byte> control,
                              std::span<std::byte> payload) {
  Begin(Part::kBody, number, /*seals=*/true);
  for (const auto bytes : {control, payload}) Update(gcm_.get(), bytes.data(), bytes);
  return FinishTag(gcm_.get());
}

bool FrameCipher::Decrypt(std::uint64_t number, std::span<std::byte> control,
                          std::span<std::byte> payload, const FrameTag& tag) {
  Begin(Part::kBody, number, /*seals=*/false);
  FrameTag expected = tag;  // OpenSSL does not promise to leave it alone.
  Check(::EVP_CIPHER_CTX_ctrl(gcm_.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes, expected.data()) == 1,
        "OpenSSL takes a tag");
  for (const auto bytes : {control, payload}) Update(gcm_.get(), bytes.data(), bytes);
  std::array<unsigned char, kTagBytes> none;
  int done = 0;
  return ::EVP_CipherFinal_ex(gcm_.get(), none.data(), &done) == 1;
}

// --- Sealing -------------------------------------------------------------------------------------

FrameSealer::FrameSealer(FrameProtection protection, const Secret& key, std::uint64_t first)
    : protection_(protection), cipher_(key), next_(first) {
}

absl::StatusOr<FrameHeaderBytes> FrameSealer::Seal(const FrameHeader& header,
                                                   std::span<std::byte> control,
                                                   std::span<std::byte> payload, FrameTag& tag) {
  FrameHeaderBytes bytes;
  EncodeFrameFields(header, std::span(bytes).first<kFrameFieldsBytes>());
  if (protection_ == FrameProtection::kChecksummed) {
    PutChecksums(bytes, BodyChecksum(control, payload));
    return bytes;
  }
  if (next_ >= FrameCipher::kFramesMax) {
    return absl::ResourceExhaustedError("this connection's key has served for all of its frames");
  }
  const FrameTag of_header = cipher_.TagOf(FrameCipher::Part::kHeader, next_,
                                           std::span(bytes).first<kFrameFieldsBytes>(), {});
  std::ranges::copy(of_header, bytes.begin() + kFrameFieldsBytes);
  if (TagBytes(control.size() + payload.size()) > 0) {
    tag = protection_ == FrameProtection::kEncrypted
              ? cipher_.Encrypt(next_, control, payload)
              : cipher_.TagOf(FrameCipher::Part::kBody, next_, control, payload);
  }
  ++next_;
  return bytes;
}

std::size_t FrameSealer::TagBytes(std::size_t body_bytes) const {
  return TagBytesOf(protection_, body_bytes);
}

// --- Opening -------------------------------------------------------------------------------------

FrameOpener::FrameOpener(FrameProtection protection, const Secret& key, std::uint64_t first)
    : protection_(protection), cipher_(key), next_(first) {
}

absl::StatusOr<FrameHeader> FrameOpener::OpenHeader(
    std::span<const std::byte, kFrameHeaderBytes> bytes, const FrameLimits& limits,
    std::uint64_t generation) {
  const auto fields = bytes.first<kFrameFieldsBytes>();
  const auto proof = bytes.subspan<kFrameFieldsBytes>();
  if (absl::Status version = CheckFrameVersion(fields); !version.ok()) return version;
  if (protection_ == FrameProtection::kChecksummed) {
    body_checksum_ = ByteReader(proof).Get<std::uint64_t>();
    FrameHeaderBytes expected;
    std::copy(fields.begin(), fields.end(), expected.begin());
    PutChecksums(expected, body_checksum_);
    if (!std::ranges::equal(expected, bytes))
      return absl::DataLossError("a frame's header does not match its checksum");
  } else {
    FrameTag tag;
    std::ranges::copy(proof, tag.begin());
    if (!cipher_.HasTag(FrameCipher::Part::kHeader, next_, fields, {}, tag))
      return Foreign("header");
    ++next_;
  }
  return DecodeFrameFields(fields, limits, generation);
}

absl::Status FrameOpener::OpenBody(std::span<std::byte> control, std::span<std::byte> payload,
                                   const FrameTag& tag) {
  if (protection_ == FrameProtection::kChecksummed) {
    if (BodyChecksum(control, payload) == body_checksum_) return absl::OkStatus();
    return absl::DataLossError("a frame's body does not match its checksum");
  }
  if (TagBytes(control.size() + payload.size()) == 0) return absl::OkStatus();
  const std::uint64_t number = next_ - 1;
  const bool right = protection_ == FrameProtection::kEncrypted
                         ? cipher_.Decrypt(number, control, payload, tag)
                         : cipher_.HasTag(FrameCipher::Part::kBody, number, control, payload, tag);
  return right ? absl::OkStatus() : Foreign("body");
}

std::size_t FrameOpener::TagBytes(std::size_t body_bytes) const {
  return TagBytesOf(protection_, body_bytes);
}

FrameSeals MakeFrameSeals(FrameProtection protection, const JobKey& key, HandshakeRole self,
                          const HelloBytes& dialer, const HelloBytes& listener) {
  const HandshakeRole other =
      self == HandshakeRole::kDialer ? HandshakeRole::kListener : HandshakeRole::kDialer;
  return {.sealer = {protection, FrameKeyOf(key, self, dialer, listener)},
          .opener = {protection, FrameKeyOf(key, other, dialer, listener)}};
}

}  // namespace cf

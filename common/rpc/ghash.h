#pragma once

#include <array>
#include <cstddef>
#include <span>

namespace cf {

/// The hash of AES-GCM (NIST SP 800-38D, GHASH) by AVX-512's carry-less products, where a machine has
/// them: OpenSSL 3.0 knows only those of 128 bits, and takes twice to four times as long.
///
/// Owner:      a FrameCipher.
/// Threads:    Of from any.
/// Invariants: time does not depend on values; what is derived from the subkey is wiped.
class Ghash {
 public:
  using Block = std::array<std::byte, 16>;

  /// Whether this machine has what Of needs.
  static bool IsThere();

  /// `subkey`: the block of zeros, encrypted. Requires: IsThere().
  explicit Ghash(const Block& subkey);
  Ghash(const Ghash&) = delete;
  Ghash& operator=(const Ghash&) = delete;
  ~Ghash();

  /// Of `a` and `b`, one after the other, as additional data, and no ciphertext.
  Block Of(std::span<const std::byte> a, std::span<const std::byte> b) const;

 private:
  /// Blocks between two reductions.
  static constexpr std::size_t kPowers = 64;

  struct Kernel;  // What is compiled for these instructions.

  alignas(64) std::array<std::byte, kPowers * sizeof(Block)> powers_;  // Of the subkey, descending.
};

}  // namespace cf

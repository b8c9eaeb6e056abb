#include "common/rpc/ghash.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <immintrin.h>

#include <openssl/crypto.h>

#include "common/base/check.h"

#define CF_GHASH_TARGET \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,pclmul,vpclmulqdq")))

namespace cf {
namespace {

// A block is a polynomial over GF(2) whose first bit is the constant term, modulo
// x^128 + x^7 + x^2 + x + 1. With its bytes reversed the products of two are one bit short of their
// places, which the subkey makes up for, multiplied by x once (Gueron and Kounavis, Intel 2010).
// The forms with a mask stand where g++ 12 warns of its own plain ones.

constexpr std::size_t kBlock = sizeof(Ghash::Block);
/// x^128 + x^127 + x^126 + x^121 + 1 without its first term, which is the modulus reversed.
constexpr auto kModulusHigh = static_cast<long long>(0xC200000000000000ULL);

}  // namespace

struct Ghash::Kernel {
  CF_GHASH_TARGET static __m128i Load(const std::byte* at) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  }
  CF_GHASH_TARGET static __m128i Order() {
    return _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  }
  CF_GHASH_TARGET static __m128i Modulus() { return _mm_set_epi64x(kModulusHigh, 1); }

  /// A product of 256 bits, its middle apart, modulo the polynomial.
  CF_GHASH_TARGET static __m128i Reduce(__m128i low, __m128i middle, __m128i high) {
    low = _mm_xor_si128(low, _mm_slli_si128(middle, 8));
    high = _mm_xor_si128(high, _mm_srli_si128(middle, 8));
    for (int k = 0; k < 2; ++k) {
      const __m128i folded = _mm_clmulepi64_si128(low, Modulus(), 0x10);
      low = _mm_xor_si128(_mm_shuffle_epi32(low, 0x4E), folded);
    }
    return _mm_xor_si128(low, high);
  }

  CF_GHASH_TARGET static __m128i Multiply(__m128i a, __m128i b) {
    return Reduce(_mm_clmulepi64_si128(a, b, 0x00),
                  _mm_xor_si128(_mm_clmulepi64_si128(a, b, 0x01), _mm_clmulepi64_si128(a, b, 0x10)),
                  _mm_clmulepi64_si128(a, b, 0x11));
  }

  /// Times x.
  CF_GHASH_TARGET static __m128i Shift(__m128i a) {
    const __m128i carry = _mm_slli_si128(_mm_srli_epi64(a, 63), 8);
    const __m128i wraps = _mm_set1_epi64x(_mm_extract_epi64(a, 1) >> 63);
    return _mm_xor_si128(_mm_or_si128(_mm_slli_epi64(a, 1), carry),
                         _mm_and_si128(wraps, Modulus()));
  }

  CF_GHASH_TARGET static void Powers(const Block& subkey, std::byte* powers) {
    const __m128i first = Shift(_mm_shuffle_epi8(Load(subkey.data()), Order()));
    __m128i power = first;
    for (std::size_t k = kPowers; k-- > 0;) {
      std::memcpy(powers + kBlock * k, &power, kBlock);
      power = Multiply(power, first);
    }
  }

  CF_GHASH_TARGET static __m128i Fold(__m512i a) {
    const __m256i half =
        _mm256_xor_si256(_mm512_castsi512_si256(a), _mm512_maskz_extracti64x4_epi64(0xF, a, 1));
    return _mm_xor_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  }

  /// The sums of the products of up to kPowers blocks.
  struct Sums {
    __m512i low;
    __m512i middle;
    __m512i high;

    CF_GHASH_TARGET void Add(__m512i blocks, __m512i powers) {
      low = _mm512_xor_si512(low, _mm512_clmulepi64_epi128(blocks, powers, 0x00));
      middle = _mm512_ternarylogic_epi64(middle, _mm512_clmulepi64_epi128(blocks, powers, 0x01),
                                         _mm512_clmulepi64_epi128(blocks, powers, 0x10), 0x96);
      high = _mm512_xor_si512(high, _mm512_clmulepi64_epi128(blocks, powers, 0x11));
    }
  };

  /// Takes `count` blocks into `hash`.
  CF_GHASH_TARGET static __m128i Blocks(const std::byte* powers, __m128i hash,
                                        const std::byte* data, std::size_t count) {
    constexpr std::size_t kAtOnce = 4;
    const __m512i order = _mm512_maskz_broadcast_i32x4(0xFFFF, Order());
    while (count > 0) {
      const std::size_t now = std::min(count, kPowers);
      const std::byte* const power = powers + kBlock * (kPowers - now);
      Sums sums{_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
      __m512i before = _mm512_zextsi128_si512(hash);
      std::size_t k = 0;
      for (; k + kAtOnce <= now; k += kAtOnce) {
        const __m512i blocks = _mm512_shuffle_epi8(_mm512_loadu_si512(data + kBlock * k), order);
        sums.Add(_mm512_xor_si512(blocks, before), _mm512_loadu_si512(power + kBlock * k));
        before = _mm512_setzero_si512();
      }
      if (k < now) {
        const auto there = static_cast<__mmask8>((1U << (2 * (now - k))) - 1);
        const __m512i blocks =
            _mm512_shuffle_epi8(_mm512_maskz_loadu_epi64(there, data + kBlock * k), order);
        sums.Add(_mm512_xor_si512(blocks, before),
                 _mm512_maskz_loadu_epi64(there, power + kBlock * k));
      }
      hash = Reduce(Fold(sums.low), Fold(sums.middle), Fold(sums.high));
      data += kBlock * now;
      count -= now;
    }
    return hash;
  }

  CF_GHASH_TARGET static Block Of(const std::byte* powers, std::span<const std::byte> a,
                                  std::span<const std::byte> b) {
    const std::uint64_t bits = 8 * (std::uint64_t{a.size()} + b.size());
    __m128i hash = _mm_setzero_si128();
    hash = Blocks(powers, hash, a.data(), a.size() / kBlock);
    // The block that a's end and b's beginning share, or that the last end fills with zeros.
    Block block{};
    const std::span<const std::byte> end = a.last(a.size() % kBlock);
    std::copy(end.begin(), end.end(), block.begin());
    if (!end.empty()) {
      const auto begin = b.first(std::min(b.size(), kBlock - end.size()));
      std::copy(begin.begin(), begin.end(), block.begin() + end.size());
      hash = Blocks(powers, hash, block.data(), 1);
      b = b.subspan(begin.size());
    }
    hash = Blocks(powers, hash, b.data(), b.size() / kBlock);
    if (const auto rest = b.last(b.size() % kBlock); !rest.empty()) {
      block = {};
      std::copy(rest.begin(), rest.end(), block.begin());
      hash = Blocks(powers, hash, block.data(), 1);
    }
    block = {};
    const std::uint64_t big_endian = __builtin_bswap64(bits);
    std::memcpy(block.data(), &big_endian, sizeof big_endian);
    hash = _mm_shuffle_epi8(Blocks(powers, hash, block.data(), 1), Order());
    std::memcpy(block.data(), &hash, kBlock);
    return block;
  }
};

bool Ghash::IsThere() {
  return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
         __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0 &&
         __builtin_cpu_supports("vpclmulqdq") != 0;
}

Ghash::Ghash(const Block& subkey) {
  Check(IsThere(), "this machine has carry-less products of 512 bits");
  Kernel::Powers(subkey, powers_.data());
}

Ghash::~Ghash() {
  ::OPENSSL_cleanse(powers_.data(), powers_.size());
}

Ghash::Block Ghash::Of(std::span<const std::byte> a, std::span<const std::byte> b) const {
  return Kernel::Of(powers_.data(), a, b);
}

}  // namespace cf

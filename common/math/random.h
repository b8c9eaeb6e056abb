#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

namespace cf {

/// Four 32-bit words: a counter going in, random bits coming out.
using PhiloxBlock = std::array<std::uint32_t, 4>;

/// Philox4x32-10: a bijection of 128-bit counters for each 64-bit key whose outputs pass for random
/// (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; SC 2011).
inline PhiloxBlock Philox(PhiloxBlock counter, std::uint64_t key) {
  auto key0 = static_cast<std::uint32_t>(key);
  auto key1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = std::uint64_t{0xd2511f53U} * counter[0];
    const std::uint64_t product1 = std::uint64_t{0xcd9e8d57U} * counter[2];
    counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key0,
               static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key1,
               static_cast<std::uint32_t>(product0)};
    key0 += 0x9e3779b9U;  // The golden ratio,
    key1 += 0xbb67ae85U;  // and sqrt(3) - 1.
  }
  return counter;
}

/// What random numbers are for: no two purposes share any. The values are a contract: they decide
/// digests.
enum class Purpose : std::uint8_t {
  kInitialValues = 1,
  kShuffle = 2,
  kDropout = 3,
  kNegatives = 4,
  kSynth = 5,
  kSplit = 6,
  kFault = 7,
  kSweep = 8,
  kBatchDropout = 9,
  kBlockShuffle = 10,
  kGroupShuffle = 11,
};

/// Random numbers without state: draw `n` is a pure function of (seed, purpose, stream, n), so any
/// thread of any rank makes the same ones, in any order.
///
/// Owner:   a value; 16 bytes.
/// Threads: any.
/// Bounds:  streams below 2^56, draws below 2^64. Draws of different kinds with one number share
///          bits: give each kind its own numbers or its own stream.
class CounterRandom {
 public:
  /// Requires: stream < kStreamsMax.
  CounterRandom(std::uint64_t seed, Purpose purpose, std::uint64_t stream = 0);

  /// A stream of two coordinates, such as (table, row) or (epoch, partition).
  /// Requires: major < 2^24.
  static std::uint64_t Stream(std::uint64_t major, std::uint32_t minor);

  static constexpr std::uint64_t kStreamsMax = std::uint64_t{1} << 56;

  /// 128 bits.
  PhiloxBlock Block(std::uint64_t n) const {
    return Philox({static_cast<std::uint32_t>(n), static_cast<std::uint32_t>(n >> 32), low_, high_},
                  seed_);
  }

  std::uint64_t Bits64(std::uint64_t n) const {
    const PhiloxBlock block = Block(n);
    return block[0] | std::uint64_t{block[1]} << 32;
  }

  /// In [0, 1), a multiple of 2^-53.
  double UniformDouble(std::uint64_t n) const {
    return static_cast<double>(Bits64(n) >> 11) * 0x1p-53;
  }

  /// In [0, 1), a multiple of 2^-24.
  float UniformFloat(std::uint64_t n) const {
    return static_cast<float>(Block(n)[0] >> 8) * 0x1p-24F;
  }

  /// In 0 to bound - 1, each as likely as the other to bound / 2^64. Requires: bound > 0.
  std::uint64_t Below(std::uint64_t n, std::uint64_t bound) const {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>(Wide{Bits64(n)} * bound >> 64);
  }

 private:
  std::uint64_t seed_;
  std::uint32_t low_;   // Low half of the stream.
  std::uint32_t high_;  // Purpose, and high 24 bits of the stream.
};

/// Puts `values` into a random order: Fisher-Yates from the end, whose swaps take one Draw each, as
/// many from a block as it holds, of block 0 and those that follow. No place is likelier than
/// another by more than a share of values.size() / 2^64; of draws of 32 bits, which cost half,
/// 2^32. With `first` only the values from there on are put where they belong, which costs that much
/// less. Requires: values.size() fits in a Draw.
template <std::unsigned_integral Draw = std::uint64_t, class T>
void Shuffle(std::span<T> values, const CounterRandom& random, std::size_t first = 0) {
  __extension__ using Wide = unsigned __int128;
  using Product = std::conditional_t<sizeof(Draw) == sizeof(std::uint64_t), Wide, std::uint64_t>;
  constexpr std::size_t kOfBlock = sizeof(PhiloxBlock) / sizeof(Draw);
  // The places of many swaps are drawn and prefetched before the first is done: a partition's
  // samples are larger than the nearer caches, and waiting for each costs four times as much.
  constexpr std::size_t kAhead = 64;
  std::array<std::size_t, kAhead> places;
  std::uint64_t block_number = 0;
  const std::size_t end = std::max<std::size_t>(first, 1);
  for (std::size_t left = values.size(); left > end;) {
    const std::size_t swaps = std::min(kAhead, left - end);
    for (std::size_t i = 0; i < swaps; i += kOfBlock) {
      const auto draws = std::bit_cast<std::array<Draw, kOfBlock>>(random.Block(block_number++));
      for (std::size_t d = 0; d < kOfBlock && i + d < swaps; ++d) {
        places[i + d] =
            static_cast<std::size_t>(Product{draws[d]} * (left - i - d) >> (8 * sizeof(Draw)));
        __builtin_prefetch(&values[places[i + d]], 1);
      }
    }
    for (std::size_t i = 0; i < swaps; ++i) std::swap(values[left - 1 - i], values[places[i]]);
    left -= swaps;
  }
}

/// The order of a partition's samples in an epoch. Requires: epoch < 2^24.
void Shuffle(std::span<std::uint32_t> values, std::uint64_t seed, std::uint64_t epoch,
             std::uint32_t partition);

/// Fills, for the initial values of a row. Value k is made from word k mod 4 of block
/// first_block + k / 4, so a row's values do not depend on where or when it is made.

/// Uniform in [min, max). Requires: min < max, both finite and apart as floats.
void FillUniform(const CounterRandom& random, std::uint64_t first_block, double min, double max,
                 std::span<float> values);

/// Normal, by inversion.
void FillNormal(const CounterRandom& random, std::uint64_t first_block, double mean,
                double deviation, std::span<float> values);

/// Normal with mean 0, cut at two deviations of the uncut distribution, such that the cut one has
/// `variance`: what Keras calls truncated_normal in its he and glorot initializers.
void FillTruncatedNormal(const CounterRandom& random, std::uint64_t first_block, double variance,
                         std::span<float> values);

}  // namespace cf

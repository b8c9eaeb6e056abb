#pragma once

#include <cstdint>

#include "common/math/random.h"

namespace cf {

/// What the generator's random numbers are for; `of` is the user or item they belong to. The values
/// decide the bytes of generated data sets.
enum class SynthStream : std::uint32_t {
  kActivityOrder = 1,
  kPopularityOrder = 2,
  kItems = 3,
  kItemKeys = 4,
  kUserVector = 5,
  kItemVector = 6,
  kGenreVector = 7,
  kNoise = 8,
  kTime = 9,
  kFilm = 10,
  kMissing = 11,
};

inline CounterRandom SynthRandom(std::uint64_t seed, SynthStream stream, std::uint32_t of) {
  return {seed, Purpose::kSynth, CounterRandom::Stream(static_cast<std::uint32_t>(stream), of)};
}

}  // namespace cf

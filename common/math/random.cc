#include "common/math/random.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "common/base/check.h"
#include "common/math/math.h"

namespace cf {
namespace {

/// Sets values[k] to value_of(word k).
template <class ValueOf>
void FillFromWords(const CounterRandom& random, std::uint64_t first_block, std::span<float> values,
                   ValueOf value_of) {
  for (std::size_t k = 0; k < values.size(); k += 4) {
    const PhiloxBlock block = random.Block(first_block + k / 4);
    const std::size_t count = std::min<std::size_t>(4, values.size() - k);
    for (std::size_t j = 0; j < count; ++j) values[k + j] = value_of(block[j]);
  }
}

/// In (0, 1), never at an end, where inversion would give infinity.
double OpenUniform(std::uint32_t word) {
  return (static_cast<double>(word) + 0.5) * 0x1p-32;
}

}  // namespace

CounterRandom::CounterRandom(std::uint64_t seed, Purpose purpose, std::uint64_t stream)
    : seed_(seed),
      low_(static_cast<std::uint32_t>(stream)),
      high_(static_cast<std::uint32_t>(purpose) << 24 | static_cast<std::uint32_t>(stream >> 32)) {
  Check(stream < kStreamsMax, "a stream is below 2^56");
}

std::uint64_t CounterRandom::Stream(std::uint64_t major, std::uint32_t minor) {
  Check(major < (std::uint64_t{1} << 24), "a stream's major coordinate is below 2^24");
  return major << 32 | minor;
}

void Shuffle(std::span<std::uint32_t> values, std::uint64_t seed, std::uint64_t epoch,
             std::uint32_t partition) {
  Shuffle(values, CounterRandom(seed, Purpose::kShuffle, CounterRandom::Stream(epoch, partition)));
}

void FillUniform(const CounterRandom& random, std::uint64_t first_block, double min, double max,
                 std::span<float> values) {
  // The largest float below max: rounding must not reach the excluded end.
  float last = static_cast<float>(max);
  if (static_cast<double>(last) >= max) {
    last = std::nextafter(last, -std::numeric_limits<float>::infinity());
  }
  Check(static_cast<double>(last) >= min, "a uniform range holds at least one float");
  const double width = max - min;
  FillFromWords(random, first_block, values, [=](std::uint32_t word) {
    return std::min(last, static_cast<float>(min + width * (static_cast<double>(word) * 0x1p-32)));
  });
}

void FillNormal(const CounterRandom& random, std::uint64_t first_block, double mean,
                double deviation, std::span<float> values) {
  FillFromWords(random, first_block, values, [=](std::uint32_t word) {
    return static_cast<float>(mean + deviation * math::InverseNormalCdf(OpenUniform(word)));
  });
}

void FillTruncatedNormal(const CounterRandom& random, std::uint64_t first_block, double variance,
                         std::span<float> values) {
  constexpr double kBelowMinusTwo = 0.022750131948179207;  // Phi(-2).
  // The deviation of a standard normal variable that is cut at -2 and 2.
  constexpr double kCutDeviation = 0.87962566103423978;
  const double deviation = std::sqrt(variance) / kCutDeviation;
  FillFromWords(random, first_block, values, [=](std::uint32_t word) {
    const double p = kBelowMinusTwo + (1.0 - 2.0 * kBelowMinusTwo) * OpenUniform(word);
    return static_cast<float>(deviation * math::InverseNormalCdf(p));
  });
}

}  // namespace cf

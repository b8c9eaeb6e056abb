#pragma once

#include <cstdint>

namespace cf {

/// What the weights of an export are written as.
enum class Precision : std::uint8_t {
  kFloat32,
  kFloat16,  ///< IEEE's half: 11 bits, up to 65504.
  kInt8,     ///< Vectors of users and items in 255 steps, each row with a scale of its own.
};

/// As --precision has it.
const char* PrecisionName(Precision precision);

}  // namespace cf

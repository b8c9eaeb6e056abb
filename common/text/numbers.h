#pragma once

#include <cstdint>
#include <string>

namespace cf {

/// 1418 -> "1,418".
std::string WithThousands(std::uint64_t number);

/// Three digits and a unit: 101234 -> "101k", 2345678 -> "2.35M", 512 -> "512".
std::string InShort(double number);

/// A figure with so many decimals: 0.83751 -> "0.8375". Never a "-nan" or a "-0.0000"; a number of more
/// than seven digits before the point in four: "3.403e+38".
std::string FixedText(double value, int decimals);

/// "0.9s", "75s", "2m05s", "1h02m".
std::string DurationText(double seconds);

/// The shortest text that reads back to the same float.
std::string FloatText(float value);

}  // namespace cf

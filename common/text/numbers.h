#pragma once

#include <cstdint>
#include <string>

namespace cf {

/// 1418 -> "1,418".
std::string WithThousands(std::uint64_t number);

/// Three digits and a unit: 101234 -> "101k", 2345678 -> "2.35M", 512 -> "512".
std::string InShort(double number);

/// "0.9s", "75s", "2m05s", "1h02m".
std::string DurationText(double seconds);

/// The shortest text that reads back to the same float.
std::string FloatText(float value);

}  // namespace cf

#pragma once

#include <cstddef>
#include <string>

namespace cf {

/// The line of the kth highlighted series is in colour k mod 6 of a palette that people with any
/// colour vision can tell apart, and then in dashes: 24 that look different.
inline constexpr std::size_t kSeriesColors = 6;
inline constexpr std::size_t kSeriesStyles = 4 * kSeriesColors;

/// The class that colours what it encloses (`currentColor`), and the attributes that dash a line:
/// " stroke-dasharray=..." or nothing.
std::string SeriesClass(std::size_t style);
std::string SeriesDash(std::size_t style);

/// A short piece of the line, for legends and tables.
std::string SeriesKey(std::size_t style);
std::string MutedKey();

}  // namespace cf

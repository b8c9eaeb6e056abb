#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cf {

/// What numbers among timestamps are. Automatic: seconds, unless they cannot be.
enum class TimeUnit { kAutomatic, kSeconds, kMilliseconds, kMicroseconds, kNanoseconds, kDates };

/// The last second of the year 9999, and the first of the year 0: what is beyond is no time, but
/// one in another unit.
inline constexpr std::int64_t kTimestampMax = 253402300799;
inline constexpr std::int64_t kTimestampMin = -62167219200;

/// How many of the unit a second has; 1 for dates.
std::int64_t UnitsOfSecond(TimeUnit unit);

/// Whole seconds since 1970 (UTC), rounded down: of a number of `unit`, of "964982703.5", of
/// "2000-07-30", or of "2000-07-30 18:45[:03[.5]]" (also with a "T", and with "Z" or an offset as
/// "+02:00" behind it). Not checked against kTimestampMax.
std::optional<std::int64_t> ParseTimestamp(std::string_view text,
                                           TimeUnit unit = TimeUnit::kAutomatic);

/// Seconds of a date as 20090504; nothing where there is no such day between 1900 and 2100.
std::optional<std::int64_t> SecondsOfCompactDate(std::int64_t number);

/// "2000-07-30 18:45:03"; the number itself beyond kTimestampMin and kTimestampMax.
std::string FormatTimestamp(std::int64_t seconds);

}  // namespace cf

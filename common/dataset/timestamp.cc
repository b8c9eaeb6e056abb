#include "common/dataset/timestamp.h"

#include <charconv>
#include <chrono>
#include <string>

#include <absl/strings/str_format.h>

#include "common/dataset/vocabulary.h"

namespace cf {
namespace {

constexpr std::int64_t kDaySeconds = 86'400;

std::optional<std::int64_t> SecondsOfDay(int year, int month, int day) {
  const std::chrono::year_month_day date(std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date).time_since_epoch().count() * kDaySeconds;
}

/// Reads a text from its start on, as far as it has the expected shape.
class Cursor {
 public:
  explicit Cursor(std::string_view rest) : rest_(rest) {}

  bool done() const { return rest_.empty(); }

  /// A number of exactly so many digits.
  bool Number(std::size_t digits, int* value) {
    if (rest_.size() < digits) return false;
    *value = 0;
    for (std::size_t k = 0; k < digits; ++k) {
      if (rest_[k] < '0' || rest_[k] > '9') return false;
      *value = *value * 10 + (rest_[k] - '0');
    }
    rest_.remove_prefix(digits);
    return true;
  }

  /// One of the characters, if it comes next.
  bool OneOf(std::string_view characters) {
    if (rest_.empty() || characters.find(rest_[0]) == std::string_view::npos) return false;
    rest_.remove_prefix(1);
    return true;
  }

  bool StartsWith(char c) const { return rest_.starts_with(c); }

  /// Digits, at least one.
  bool SkipDigits() {
    const std::size_t digits = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
    rest_.remove_prefix(digits);
    return digits > 0;
  }

 private:
  std::string_view rest_;
};

/// "", "Z", "+02", "+0200", "+02:00", also after a space: seconds that the clock is ahead of UTC.
bool ReadOffset(Cursor* cursor, std::int64_t* ahead) {
  *ahead = 0;
  cursor->OneOf(" ");
  if (cursor->done() || cursor->OneOf("Zz")) return true;
  const bool behind = cursor->StartsWith('-');
  int hours = 0;
  int minutes = 0;
  if (!cursor->OneOf("+-") || !cursor->Number(2, &hours)) return false;
  if (!cursor->done() && (cursor->OneOf(":"), !cursor->Number(2, &minutes))) return false;
  if (hours > 14 || minutes > 59) return false;
  *ahead = (behind ? -1 : 1) * (hours * std::int64_t{3600} + minutes * std::int64_t{60});
  return true;
}

/// Seconds since midnight UTC of a time of day, whose first digit is next.
bool ReadTimeOfDay(Cursor* cursor, std::int64_t* seconds) {
  int hour = 0;
  int minute = 0;
  int second = 0;
  if (!cursor->Number(2, &hour) || !cursor->OneOf(":") || !cursor->Number(2, &minute)) return false;
  if (cursor->OneOf(":")) {
    if (!cursor->Number(2, &second)) return false;
    if (cursor->OneOf(".,") && !cursor->SkipDigits()) return false;
  }
  std::int64_t ahead = 0;
  if (hour > 23 || minute > 59 || second > 60 || !ReadOffset(cursor, &ahead)) return false;
  *seconds = hour * 3600 + minute * 60 + second - ahead;
  return true;
}

std::optional<std::int64_t> ParseDate(std::string_view text) {
  Cursor cursor(text);
  int year = 0;
  int month = 0;
  int day = 0;
  if (!cursor.Number(4, &year)) return std::nullopt;
  const char between = cursor.StartsWith('/') ? '/' : '-';
  const std::string_view separator(&between, 1);
  if (!cursor.OneOf(separator) || !cursor.Number(2, &month) || !cursor.OneOf(separator) ||
      !cursor.Number(2, &day)) {
    return std::nullopt;
  }
  const std::optional<std::int64_t> midnight = SecondsOfDay(year, month, day);
  std::int64_t seconds = 0;
  if (!midnight.has_value()) return std::nullopt;
  if (cursor.OneOf(" T") && !ReadTimeOfDay(&cursor, &seconds)) return std::nullopt;
  if (!cursor.done()) return std::nullopt;
  return *midnight + seconds;
}

/// Rounded towards the past, for numbers below zero, too.
std::int64_t FloorDivide(std::int64_t number, std::int64_t by) {
  return number / by - (number % by < 0 ? 1 : 0);
}

/// The whole part, rounded down, of "1112486027.0" or "1.112486027e9", as tables with gaps have it.
std::optional<std::int64_t> WholeOfDecimal(std::string_view text) {
  const std::size_t point = text.find('.');
  if (point != std::string_view::npos &&
      text.find_first_not_of("0123456789", point + 1) == std::string_view::npos) {
    const std::string_view part = text.substr(point + 1);
    const std::optional<std::int64_t> whole = NumberOf(text.substr(0, point));
    if (!whole.has_value()) return std::nullopt;
    const bool below = *whole < 0 && part.find_first_not_of('0') != std::string_view::npos;
    return *whole - (below ? 1 : 0);
  }
  if (text.find_first_of("eE") == std::string_view::npos) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  constexpr double kExact = 9007199254740992;  // 2^53: beyond, digits are lost.
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (!(value >= -kExact && value <= kExact)) return std::nullopt;
  const auto whole = static_cast<std::int64_t>(value);
  return whole - (static_cast<double>(whole) > value ? 1 : 0);
}

}  // namespace

std::int64_t UnitsOfSecond(TimeUnit unit) {
  switch (unit) {
    case TimeUnit::kMilliseconds:
      return 1'000;
    case TimeUnit::kMicroseconds:
      return 1'000'000;
    case TimeUnit::kNanoseconds:
      return 1'000'000'000;
    case TimeUnit::kAutomatic:
    case TimeUnit::kSeconds:
    case TimeUnit::kDates:
      break;
  }
  return 1;
}

std::optional<std::int64_t> SecondsOfCompactDate(std::int64_t number) {
  if (number < 1900'01'01 || number > 2100'12'31) return std::nullopt;
  const auto date = static_cast<int>(number);
  return SecondsOfDay(date / 10'000, date / 100 % 100, date % 100);
}

std::optional<std::int64_t> ParseTimestamp(std::string_view text, TimeUnit unit) {
  std::optional<std::int64_t> number = NumberOf(text);
  if (!number.has_value()) number = WholeOfDecimal(text);
  if (!number.has_value()) return ParseDate(text);
  if (unit == TimeUnit::kDates) return SecondsOfCompactDate(*number);
  return FloorDivide(*number, UnitsOfSecond(unit));
}

std::string FormatTimestamp(std::int64_t seconds) {
  if (seconds < kTimestampMin || seconds > kTimestampMax) return std::to_string(seconds);
  const std::int64_t days = FloorDivide(seconds, kDaySeconds);
  const std::chrono::year_month_day day{
      std::chrono::sys_days(std::chrono::days(static_cast<int>(days)))};
  const auto of_day = static_cast<int>(seconds - days * kDaySeconds);
  return absl::StrFormat("%04d-%02u-%02u %02d:%02d:%02d", static_cast<int>(day.year()),
                         static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()),
                         of_day / 3600, of_day / 60 % 60, of_day % 60);
}

}  // namespace cf

#include "common/dataset/plain_lines.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace cf {
namespace {

/// An unused field that is longer is left to ParseRecord, which knows how long a line may be.
constexpr std::ptrdiff_t kUnusedBytesMax = 255;
/// A number of so many digits surely fits 63 bits.
constexpr unsigned kNumberDigitsMax = 18;
/// A decimal m / 10^k is the closest float to the quotient of two floats where both are exact: m
/// below 2^24, which seven digits are, and k at most 10.
constexpr unsigned kRatingDigitsMax = 7;
constexpr std::array<float, kRatingDigitsMax + 1> kFloatPowers = {1,    1e1F, 1e2F, 1e3F,
                                                                  1e4F, 1e5F, 1e6F, 1e7F};
constexpr std::array<std::uint64_t, 9> kPowers = {
    1, 10, 100, 1'000, 10'000, 100'000, 1'000'000, 10'000'000, 100'000'000};

constexpr std::uint64_t EachByte(std::uint64_t byte) {
  return byte * 0x0101'0101'0101'0101U;
}

/// The digits at the start of eight bytes.
struct Digits {
  std::uint64_t value = 0;
  unsigned count = 0;
};

inline Digits ReadEight(const char* at) {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof word);
  // A digit is a byte whose upper half is 3, and stays 3 when 6 is added. Bytes before the first
  // other one carry nothing into it.
  const std::uint64_t others = ((word & EachByte(0xF0)) ^ EachByte(0x30)) |
                               (((word + EachByte(0x06)) & EachByte(0xF0)) ^ EachByte(0x30));
  const auto count = static_cast<unsigned>(std::countr_zero(others)) / 8;
  if (count == 0) return {};
  // The last digit into the uppermost byte: zeros are put before the number, not behind it.
  word = (word << (8 * (8 - count))) & EachByte(0x0F);
  word = (word * 10 + (word >> 8)) & 0x00FF'00FF'00FF'00FFU;    // Four pairs.
  word = (word * 100 + (word >> 16)) & 0x0000'FFFF'0000'FFFFU;  // Two fours.
  return {(word * 10'000 + (word >> 32)) & 0xFFFF'FFFFU, count};
}

/// Null where there is no number, or not as NumberOf wants it.
inline const char* ReadNumber(const char* at, std::int64_t* number) {
  const char* const begin = at;
  Digits digits = ReadEight(at);
  std::uint64_t value = digits.value;
  at += digits.count;
  while (digits.count == 8) {
    digits = ReadEight(at);
    at += digits.count;
    if (at - begin > kNumberDigitsMax) return nullptr;
    value = value * kPowers[digits.count] + digits.value;
  }
  if (at == begin || (*begin == '0' && at - begin > 1)) return nullptr;
  *number = static_cast<std::int64_t>(value);
  return at;
}

inline const char* ReadRating(const char* at, float* rating) {
  const Digits whole = ReadEight(at);
  at += whole.count;
  if (whole.count == 0) return nullptr;
  Digits part;
  if (*at == '.') {
    part = ReadEight(at + 1);
    if (part.count == 0) return nullptr;
    at += 1 + part.count;
  }
  if (whole.count + part.count > kRatingDigitsMax) return nullptr;
  *rating =
      static_cast<float>(whole.value * kPowers[part.count] + part.value) / kFloatPowers[part.count];
  return at;
}

}  // namespace

PlainLines::PlainLines(const RecordFormat& format) {
  const auto fields = static_cast<std::size_t>(format.fields);
  // Dates as 20090504 are for ParseRecord, too.
  if (format.time_unit == TimeUnit::kDates || fields > kFieldsMax ||
      format.syntax.separator.size() > sizeof delimiter_)
    return;
  fields_ = fields;
  units_of_second_ = UnitsOfSecond(format.time_unit);
  delimiter_bytes_ = format.syntax.separator.size();
  format.syntax.separator.copy(delimiter_, delimiter_bytes_);
  const auto put = [this](int place, Column column) {
    if (place >= 0) columns_[static_cast<std::size_t>(place)] = column;
  };
  // One column may be named twice; ParseRecord takes the first of these roles.
  put(format.timestamp, Column::kTimestamp);
  put(format.rating, Column::kRating);
  put(format.item, Column::kItem);
  put(format.user, Column::kUser);
  // Of several blanks, or a tab, only ParseRecord knows that they are one separator. In a number
  // there are none.
  const auto unused = std::count(
      columns_.begin(), columns_.begin() + static_cast<std::ptrdiff_t>(fields_), Column::kUnused);
  if (format.syntax.separator == kBlanks && unused > 0) fields_ = 0;
}

inline const char* PlainLines::ReadTime(const char* at, std::int64_t* timestamp) const {
  at = ReadNumber(at, timestamp);
  if (units_of_second_ != 1) *timestamp /= units_of_second_;
  return *timestamp <= kTimestampMax ? at : nullptr;
}

inline const char* PlainLines::ReadField(Column column, const char* at, const char* end,
                                         PlainLine* line) const {
  switch (column) {
    case Column::kUser:
      return ReadNumber(at, &line->user);
    case Column::kItem:
      return ReadNumber(at, &line->item);
    case Column::kRating:
      return ReadRating(at, &line->rating);
    case Column::kTimestamp:
      return ReadTime(at, &line->timestamp);
    case Column::kUnused:
      break;
  }
  const char* const begin = at;
  for (; at != end && *at != '\n' && *at != '\r' && *at != delimiter_[0]; ++at) {
    if (*at == '"') return nullptr;
  }
  return at - begin > kUnusedBytesMax ? nullptr : at;
}

const char* PlainLines::Read(const char* at, const char* end, PlainLine* line) const {
  for (std::size_t field = 0; field < fields_; ++field) {
    if (field > 0) {
      if (at[0] != delimiter_[0]) return nullptr;
      if (delimiter_bytes_ == 2 && at[1] != delimiter_[1]) return nullptr;
      at += delimiter_bytes_;
    }
    at = ReadField(columns_[field], at, end, line);
    if (at == nullptr) return nullptr;
  }
  if (*at == '\r') ++at;
  if (at >= end) return fields_ > 0 && at == end ? end : nullptr;
  return fields_ > 0 && *at == '\n' ? at + 1 : nullptr;
}

}  // namespace cf

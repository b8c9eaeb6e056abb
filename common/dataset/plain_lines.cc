#include "common/dataset/plain_lines.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <immintrin.h>

namespace cf {
namespace {

/// An unused field that is longer is left to ParseRecord, which knows how long a line may be.
constexpr std::ptrdiff_t kUnusedBytesMax = 255;
/// The digits of two words, whose number surely fits 63 bits.
constexpr std::size_t kNumberDigitsMax = 16;
/// A decimal m / 10^k is the closest float to the quotient of two floats where both are exact: m
/// below 2^24, which seven digits are, and k at most 10.
constexpr std::size_t kRatingDigitsMax = 7;
constexpr std::array<float, kRatingDigitsMax> kFloatPowers = {1,    1e1F, 1e2F, 1e3F,
                                                              1e4F, 1e5F, 1e6F};
constexpr std::array<std::uint64_t, 9> kPowers = {
    1, 10, 100, 1'000, 10'000, 100'000, 1'000'000, 10'000'000, 100'000'000};

constexpr std::uint64_t EachByte(std::uint64_t byte) {
  return byte * 0x0101'0101'0101'0101U;
}

/// A bit for each of 32 bytes, set where it is no digit.
inline std::uint64_t NoDigits(const char* at) {
  const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
  const __m256i values = _mm256_sub_epi8(bytes, _mm256_set1_epi8('0'));
  const __m256i above = _mm256_cmpeq_epi8(_mm256_max_epu8(values, _mm256_set1_epi8(10)), values);
  return static_cast<std::uint32_t>(_mm256_movemask_epi8(above));
}

/// Where digits end, found for 64 bytes at once: where the next field begins is known before the
/// value of this one is computed, so that the processor does both side by side.
class DigitEnds {
 public:
  static constexpr std::size_t kBytes = 64;
  static_assert(kBytes <= PlainLines::kPadding);
  // The longest fields that are taken, with a point, and what separates them.
  static_assert(3 * (kNumberDigitsMax + PlainLines::kDelimiterBytesMax) + kRatingDigitsMax + 1 <=
                kBytes);

  explicit DigitEnds(const char* begin)
      : begin_(begin), no_digits_(NoDigits(begin) | NoDigits(begin + 32) << 32) {}

  /// The first byte that is no digit and was not passed; the end of the 64 where there is none.
  const char* Next() const { return begin_ + std::countr_zero(no_digits_); }
  /// Passes that byte.
  void Pass() { no_digits_ &= no_digits_ - 1; }

 private:
  const char* begin_;
  std::uint64_t no_digits_;
};

inline std::uint64_t WordAt(const char* at) {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

/// The number whose digits are the first bytes of a word. Requires: 0 < count <= 8.
inline std::uint64_t ValueOf(std::uint64_t word, std::size_t count) {
  // The last digit into the uppermost byte: zeros are put before the number, not behind it.
  word = (word << (8 * (8 - count))) & EachByte(0x0F);
  word = (word * 10 + (word >> 8)) & 0x00FF'00FF'00FF'00FFU;    // Four pairs.
  word = (word * 100 + (word >> 16)) & 0x0000'FFFF'0000'FFFFU;  // Two fours.
  return (word * 10'000 + (word >> 32)) & 0xFFFF'FFFFU;
}

/// Reads digits up to `end`; null where there are none, or not as NumberOf wants them.
inline const char* ReadNumber(const char* at, const char* end, std::int64_t* number) {
  const auto count = static_cast<std::size_t>(end - at);
  if (count == 0 || count > kNumberDigitsMax || (*at == '0' && count > 1)) return nullptr;
  std::uint64_t value = ValueOf(WordAt(at), std::min<std::size_t>(count, 8));
  if (count > 8) value = value * kPowers[count - 8] + ValueOf(WordAt(at + 8), count - 8);
  *number = static_cast<std::int64_t>(value);
  return end;
}

inline const char* ReadRating(const char* at, DigitEnds* ends, float* rating) {
  const char* end = ends->Next();
  const auto whole = static_cast<std::size_t>(end - at);
  if (whole == 0 || whole > kRatingDigitsMax) return nullptr;
  if (*end != '.') {
    *rating = static_cast<float>(ValueOf(WordAt(at), whole));
    return end;
  }
  ends->Pass();
  end = ends->Next();
  const auto digits = static_cast<std::size_t>(end - at) - 1;
  if (digits <= whole || digits > kRatingDigitsMax) return nullptr;
  // Without the point: the digits before it move up by a byte.
  const std::uint64_t word = WordAt(at);
  const std::uint64_t before = (std::uint64_t{1} << (8 * whole)) - 1;
  const std::uint64_t joined = (word & before) << 8 | (word & ~(before << 8 | 0xFF));
  *rating = static_cast<float>(ValueOf(joined, digits + 1)) / kFloatPowers[digits - whole];
  return end;
}

/// Reads text up to what separates fields, or ends a line; null where that may be quoted.
inline const char* SkipField(const char* at, const char* end, char delimiter) {
  const char* const begin = at;
  for (; at != end && *at != '\n' && *at != '\r' && *at != delimiter; ++at) {
    if (*at == '"') return nullptr;
  }
  return at - begin > kUnusedBytesMax ? nullptr : at;
}

}  // namespace

PlainLines::PlainLines(const RecordFormat& format) {
  const auto fields = static_cast<std::size_t>(format.fields);
  // Dates as 20090504 are for ParseRecord, too.
  if (format.time_unit == TimeUnit::kDates || fields > kFieldsMax ||
      format.syntax.separator.size() > kDelimiterBytesMax)
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

const char* PlainLines::Read(const char* at, const char* end, PlainLine* line) const {
  DigitEnds ends(at);
  for (std::size_t field = 0; field < fields_; ++field) {
    if (field > 0) {
      if (at[0] != delimiter_[0]) return nullptr;
      if (delimiter_bytes_ == 2 && at[1] != delimiter_[1]) return nullptr;
      for (std::size_t byte = 0; byte < delimiter_bytes_; ++byte) ends.Pass();
      at += delimiter_bytes_;
    }
    switch (columns_[field]) {
      case Column::kUser:
        at = ReadNumber(at, ends.Next(), &line->user);
        break;
      case Column::kItem:
        at = ReadNumber(at, ends.Next(), &line->item);
        break;
      case Column::kRating:
        at = ReadRating(at, &ends, &line->rating);
        break;
      case Column::kTimestamp:
        at = ReadNumber(at, ends.Next(), &line->timestamp);
        if (units_of_second_ != 1) line->timestamp /= units_of_second_;
        if (line->timestamp > kTimestampMax) return nullptr;
        break;
      case Column::kUnused:
        at = SkipField(at, end, delimiter_[0]);
        if (at != nullptr) ends = DigitEnds(at);
        break;
    }
    if (at == nullptr) return nullptr;
  }
  if (*at == '\r') ++at;
  if (at >= end) return fields_ > 0 && at == end ? end : nullptr;
  return fields_ > 0 && *at == '\n' ? at + 1 : nullptr;
}

}  // namespace cf

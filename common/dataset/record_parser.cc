#include "common/dataset/record_parser.h"

#include <charconv>
#include <cmath>

#include <absl/strings/str_cat.h>

#include "common/dataset/record_table.h"
#include "common/dataset/vocabulary.h"

namespace cf {
namespace {

/// Longer ids are surely not ids; a lost quote or separator must not make a vocabulary of a file.
constexpr std::size_t kIdBytesMax = 1024;

absl::Status ReadId(const char* what, std::string_view field, Encoding encoding, RawId* id) {
  id->number = NumberOf(field);
  if (id->number.has_value()) return absl::OkStatus();
  if (field.empty()) return absl::InvalidArgumentError(absl::StrCat("the ", what, " is empty"));
  if (field.size() > kIdBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the ", what, " has ", field.size(), " bytes, at most ", kIdBytesMax, " are allowed"));
  }
  for (const char c : field) {
    if (static_cast<unsigned char>(c) < ' ') {
      return absl::InvalidArgumentError(
          absl::StrCat("the ", what, " ", Quoted(field), " has a control character"));
    }
  }
  std::optional<std::string> text = Decode(field, encoding);
  if (!text.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the ", what, " ", Quoted(field),
                     " is not UTF-8 (--encoding latin-1 or cp1252 reads that)"));
  }
  id->text = *std::move(text);
  return absl::OkStatus();
}

absl::Status WrongRating(std::string_view field) {
  const bool comma = field.find(',') != std::string_view::npos;
  return absl::InvalidArgumentError(absl::StrCat("the rating is ", Quoted(field),
                                                 ", expected a number",
                                                 comma ? " with a point, as 4.5" : ""));
}

absl::Status WrongTime(std::string_view field) {
  return absl::InvalidArgumentError(
      absl::StrCat("the timestamp is ", Quoted(field),
                   ", expected seconds since 1970, YYYY-MM-DD or YYYY-MM-DD HH:MM:SS; "
                   "--columns without timestamp reads the rest"));
}

/// Of numbers that are no time in this unit: which one they may be in.
absl::Status BeyondTime(std::string_view field, std::int64_t seconds) {
  const std::int64_t years = 1970 + seconds / 31'556'952;
  const char* const unit = seconds / 1'000 <= kTimestampMax       ? "milliseconds"
                           : seconds / 1'000'000 <= kTimestampMax ? "microseconds"
                                                                  : "nanoseconds";
  return absl::InvalidArgumentError(absl::StrCat("the timestamp is ", Quoted(field),
                                                 ", in seconds the year ", years, "; --time-unit ",
                                                 unit, " reads it as such"));
}

absl::Status ReadTime(std::string_view field, TimeUnit unit, std::int64_t* timestamp) {
  const std::optional<std::int64_t> time = ParseTimestamp(field, unit);
  if (!time.has_value()) return WrongTime(field);
  if (*time > kTimestampMax) return BeyondTime(field, *time);
  if (*time < kTimestampMin) return WrongTime(field);
  *timestamp = *time;
  return absl::OkStatus();
}

absl::Status ReadRating(const RecordFormat& format, std::string_view field, ParsedRecord* parsed) {
  parsed->has_rating = !(format.empty_ratings && field.empty());
  if (!parsed->has_rating) return absl::OkStatus();
  const std::optional<float> rating = ParseRating(field);
  if (!rating.has_value()) return WrongRating(field);
  parsed->rating = *rating;
  return absl::OkStatus();
}

}  // namespace

std::optional<float> ParseRating(std::string_view text) {
  float rating = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rating);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(rating)) {
    return std::nullopt;
  }
  return rating;
}

absl::Status ParseRecord(const RecordFormat& format, std::string_view record,
                         ParsedRecord* parsed) {
  if (record.size() >= kRecordBytesMax)
    return absl::InvalidArgumentError("the line is longer than a mebibyte");
  FieldReader reader(record, format.syntax.separator, format.syntax.quotes);
  int place = 0;
  absl::Status status;
  for (std::string_view field; reader.Next(&field); ++place) {
    // A wrong number of fields is the cause of wrong fields, and is said in their place.
    if (!status.ok()) continue;
    if (place == format.user) {
      status = ReadId("user", field, format.encoding, &parsed->user);
    } else if (place == format.item) {
      if (format.empty_items && field.empty()) {
        parsed->item = RawId();
      } else {
        status = ReadId("item", field, format.encoding, &parsed->item);
      }
    } else if (place == format.rating) {
      status = ReadRating(format, field, parsed);
    } else if (place == format.timestamp) {
      status = ReadTime(field, format.time_unit, &parsed->timestamp);
    }
  }
  if (reader.error() != nullptr) return absl::InvalidArgumentError(reader.error());
  if (place != format.fields) {
    return absl::InvalidArgumentError(absl::StrCat(place, place == 1 ? " field" : " fields",
                                                   ", expected ", format.fields, " separated by ",
                                                   SeparatorName(format.syntax.separator)));
  }
  return status;
}

}  // namespace cf

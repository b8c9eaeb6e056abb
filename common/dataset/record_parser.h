#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <absl/status/status.h>

#include "common/dataset/record_format.h"

namespace cf {

/// A raw id as it stands in a record: of a number the number, of a string its UTF-8.
struct RawId {
  std::optional<std::int64_t> number;
  std::string text;  ///< Only without a number.

  std::string Text() const { return number.has_value() ? std::to_string(*number) : text; }
};

/// One record of a file of ratings.
struct ParsedRecord {
  RawId user;
  RawId item;
  float rating = 1;
  bool has_rating = true;  ///< False only where the format lets ratings be empty.
  std::int64_t timestamp = 0;
};

/// Reads one record (without its end of line): a pure function of the format and the bytes.
/// InvalidArgument says which field is wrong and what was expected. `parsed` is reused from record
/// to record, so that no memory is allocated for numbers.
absl::Status ParseRecord(const RecordFormat& format, std::string_view record, ParsedRecord* parsed);

/// A finite decimal with a point, as 3, -1.5 or 1e-3.
std::optional<float> ParseRating(std::string_view text);

}  // namespace cf

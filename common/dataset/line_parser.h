#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/dataset/text.h"

namespace cf {

/// The kinds of text files that hold ratings or titles.
enum class FileFormat {
  kAutomatic,     ///< By the first line.
  kCsv,           ///< Commas, with a header.
  kTsv,           ///< Tabs, with a header.
  kTabs,          ///< u.data: tabs, no header.
  kDoubleColons,  ///< ratings.dat, movies.dat: "::", no header.
  kPipes,         ///< u.item: "|", no header; titles only.
};

/// Which columns hold what (--columns): names of the header, or numbers from 1. Empty: by the usual
/// names, or unused.
struct ColumnChoice {
  std::string user;
  std::string item;
  std::string rating;
  std::string timestamp;

  bool empty() const { return user.empty() && item.empty() && rating.empty() && timestamp.empty(); }
};

/// Parses "user=NAME,item=NAME[,rating=NAME][,timestamp=NAME]". InvalidArgument says what is wrong.
absl::StatusOr<ColumnChoice> ParseColumnChoice(const std::string& text);

/// How each line of a file of ratings is read; a plain value found out from the first line.
struct LineFormat {
  std::string delimiter = ",";
  bool quotes = true;
  bool header = true;  ///< Whether the first line names the columns.
  Encoding encoding = Encoding::kUtf8;
  /// Places of the columns from 0; -1 if there is none.
  int user = -1;
  int item = -1;
  int rating = -1;
  int timestamp = -1;
  int fields = 0;  ///< How many fields each line has.
};

/// Reads the format off the first line (without its end of line and byte order mark).
/// InvalidArgument says which column is missing, or that there is no header.
absl::StatusOr<LineFormat> DetectLineFormat(std::string_view first_line, FileFormat format,
                                            const ColumnChoice& columns, Encoding encoding);

/// A raw id as it stands in a line: of a number the number, of a string its UTF-8.
struct RawId {
  std::optional<std::int64_t> number;
  std::string text;  ///< Only without a number.
};

/// One line of a file of ratings.
struct ParsedLine {
  RawId user;
  RawId item;
  float rating = 1;
  std::int64_t timestamp = 0;
};

/// Reads one line (without its end of line): a pure function of the format and the bytes.
/// InvalidArgument says which field is wrong and what was expected. `parsed` is reused from line to
/// line, so that no memory is allocated for numbers.
absl::Status ParseLine(const LineFormat& format, std::string_view line, ParsedLine* parsed);

/// Seconds since 1970 from "964982703" or "2000-07-30 18:45:03" (UTC; also with a "T").
std::optional<std::int64_t> ParseTimestamp(std::string_view text);

/// For finding the place of a header's column by its usual names: lower case, letters and digits
/// only, so that "User_ID", "userId" and "user id" are one.
std::string NormalizedName(std::string_view name);

}  // namespace cf

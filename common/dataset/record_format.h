#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

#include "common/dataset/column_names.h"
#include "common/dataset/records.h"
#include "common/dataset/text.h"
#include "common/dataset/timestamp.h"

namespace cf {

/// The kinds of text files that hold ratings or titles.
enum class FileFormat {
  kAutomatic,     ///< By the first records.
  kCsv,           ///< Commas, with a header.
  kTsv,           ///< Tabs, with a header.
  kTabs,          ///< u.data: tabs, no header.
  kDoubleColons,  ///< ratings.dat, movies.dat: "::", no header.
  kPipes,         ///< u.item: "|", no header; titles only.
};

/// What separates the fields of a format; empty where it is found out.
std::string SeparatorOf(FileFormat format);

/// Whether a file has to have a column.
enum class Need { kUnwanted, kOptional, kRequired };

/// What is known about a file of ratings, pairs or items before it is read.
struct RecordOptions {
  FileFormat format = FileFormat::kAutomatic;
  std::string separator = {};  ///< Empty: found out.
  Encoding encoding = Encoding::kAutomatic;
  ColumnChoice columns = {};
  TimeUnit time_unit = TimeUnit::kAutomatic;
  Need user = Need::kRequired;
  Need item = Need::kRequired;
  Need rating = Need::kOptional;
  Need timestamp = Need::kOptional;
  /// Whether "1,2,3" without a header is read by position (user, item, rating, timestamp, those
  /// that are wanted), whatever separates it. Tabs and "::" always are.
  bool positions = false;
  /// Whether a record may have no item where there is a column of them.
  bool empty_items = false;
  /// Whether a file without a rating, but with a column of numbers that may be one, is refused.
  bool ask_for_rating = false;

  Need of(Role role) const { return MemberOf(*this, role); }
};

/// How each record of a file is read; a plain value found out from its first bytes.
struct RecordFormat {
  RecordSyntax syntax = {};
  bool header = true;  ///< Whether the first record names the columns.
  Encoding encoding = Encoding::kUtf8;
  TimeUnit time_unit = TimeUnit::kAutomatic;
  /// Places of the columns from 0; -1 if there is none.
  int user = -1;
  int item = -1;
  int rating = -1;
  int timestamp = -1;
  int fields = 0;                       ///< How many fields each record has.
  std::vector<std::string> names = {};  ///< The header's; empty without one.
  bool empty_ratings = false;           ///< Whether a record may have none.
  bool empty_items = false;             ///< The same of its item.
  std::size_t begin = 0;                ///< Bytes before the first record of data.
  std::uint64_t lines_before = 0;       ///< Lines that these bytes are.

  int of(Role role) const { return MemberOf(*this, role); }
  int& of(Role role) { return MemberOf(*this, role); }
};

/// Reads the format off a file's first bytes; `whole` says that they are all it has.
/// InvalidArgument says which column is missing, what the file contradicts, or which flag decides
/// what cannot be found out.
absl::StatusOr<RecordFormat> DetectRecordFormat(std::string_view sample, bool whole,
                                                const RecordOptions& options);

/// The separator that a word of --separator means: its name, or itself. InvalidArgument lists them.
absl::StatusOr<std::string> ParseSeparator(const std::string& word);

}  // namespace cf

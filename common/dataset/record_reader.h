#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/dataset/record_format.h"
#include "common/dataset/record_parser.h"
#include "common/dataset/record_source.h"

namespace cf {

/// One record of a file: raw ids as text, as Dataset::FindUser and FindItem take them. What the
/// file has no column for is empty.
struct Record {
  std::string user;
  std::string item;
  std::optional<float> rating;
  std::optional<std::int64_t> timestamp;  ///< Seconds since 1970.
};

/// Reads a file of ratings, of pairs, of one user's ratings or of items, record by record, as the
/// import reads it: separators, headers, quotes, encodings and times are found out or chosen alike.
/// What is optional may be empty in a record where it is a rating, and an item if the options say
/// so; nothing else may.
///
/// Owner:   whoever opened it.
/// Threads: one.
/// Bounds:  a few mebibytes, whatever the file's size.
class RecordReader {
 public:
  /// Opens the file ("-" is standard input) and finds out how it is written. InvalidArgument says in
  /// one line, with file and line, what it is not or which flag decides; else what the system says.
  static absl::StatusOr<std::unique_ptr<RecordReader>> Open(const std::string& path,
                                                            const RecordOptions& options);

  /// Reads the next record that is not blank; false at the end. InvalidArgument names file, line and
  /// field of what is malformed.
  absl::StatusOr<bool> Next(Record* record);

  /// Which column is what.
  const RecordFormat& format() const { return format_; }
  /// "FILE:LINE" of the record that was read last, by the line that it begins on; for messages about
  /// what it says.
  std::string Place() const;

 private:
  RecordReader() = default;

  RecordSource source_;
  RecordFormat format_;
  std::vector<char> buffer_;
  std::string_view rest_;  ///< Of the piece in the buffer.
  ParsedRecord parsed_;
  std::uint64_t line_ = 0;       ///< Of the record read last.
  std::uint64_t next_line_ = 1;  ///< Where the rest begins.
};

}  // namespace cf

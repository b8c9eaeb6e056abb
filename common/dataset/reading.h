#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/dataset/record_format.h"
#include "common/dataset/record_parser.h"

namespace cf {

/// How a file of ratings is read, and its first records as understood, for people.
struct Reading {
  std::string name;
  RecordFormat format;
  std::vector<ParsedRecord> first;
  std::string first_time;  ///< The first timestamp as it is written.
  std::string bad;  ///< "FILE:LINE: what" of the first malformed record among them, or empty.
};

/// The first `records_max` sound records of the sample that the format was found from.
Reading ReadFirst(const std::string& name, std::string_view sample, bool whole,
                  const RecordFormat& format, std::size_t records_max);

/// Separator, header, encoding; which column is what and which are left out; the form of times; the
/// first record. Several lines.
std::string Describe(const Reading& reading);

/// A table of the first records.
std::string FirstRecords(const Reading& reading);

/// "separated by \",\", with a header, UTF-8".
std::string DescribeSyntax(const RecordSyntax& syntax, bool header, Encoding encoding);

/// A column's name, in quotes where it has blanks or signs.
std::string ColumnText(const std::string& name);

}  // namespace cf

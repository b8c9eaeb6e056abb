#include "common/dataset/reading.h"

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include "common/dataset/record_table.h"
#include "common/dataset/vocabulary.h"
#include "common/text/numbers.h"
#include "common/text/text_table.h"

namespace cf {
namespace {

const char* EncodingName(Encoding encoding) {
  switch (encoding) {
    case Encoding::kAutomatic:
      return "UTF-8, else latin-1";
    case Encoding::kUtf8:
      return "UTF-8";
    case Encoding::kLatin1:
      return "latin-1";
    case Encoding::kCp1252:
      return "cp1252";
  }
  return "";
}

const char* UnitName(TimeUnit unit) {
  switch (unit) {
    case TimeUnit::kAutomatic:
    case TimeUnit::kSeconds:
      return "seconds since 1970";
    case TimeUnit::kMilliseconds:
      return "milliseconds since 1970";
    case TimeUnit::kMicroseconds:
      return "microseconds since 1970";
    case TimeUnit::kNanoseconds:
      return "nanoseconds since 1970";
    case TimeUnit::kDates:
      return "dates as 20090504";
  }
  return "";
}

std::string TimeForm(const Reading& reading) {
  if (reading.first_time.find_first_not_of("+-.0123456789eE") == std::string::npos &&
      reading.first_time.find('-', 1) == std::string::npos) {
    return UnitName(reading.format.time_unit);
  }
  return absl::StrCat("as ", reading.first_time, ", UTC where nothing else is said");
}

std::string ColumnAt(const RecordFormat& format, int place) {
  const auto k = static_cast<std::size_t>(place);
  return k < format.names.size() ? ColumnText(format.names[k]) : absl::StrCat("column ", place + 1);
}

std::string Cell(const Reading& reading, const ParsedRecord& record, Role role) {
  switch (role) {
    case Role::kUser:
      return record.user.Text();
    case Role::kItem:
      return record.item.Text();
    case Role::kRating:
      return record.has_rating ? FloatText(record.rating) : "";
    case Role::kTimestamp:
      break;
  }
  return reading.format.timestamp < 0 ? "" : FormatTimestamp(record.timestamp);
}

std::string ColumnsOf(const Reading& reading) {
  const RecordFormat& format = reading.format;
  std::string text;
  for (const Role role : kRoles) {
    if (format.of(role) < 0) continue;
    absl::StrAppend(&text, text.empty() ? "" : ", ", NameOf(role), " ",
                    ColumnAt(format, format.of(role)));
    if (role == Role::kTimestamp) absl::StrAppend(&text, " (", TimeForm(reading), ")");
  }
  if (format.rating < 0) {
    absl::StrAppend(&text, "; no rating: every record is an interaction");
  }
  std::vector<std::string> left_out;
  for (int place = 0; place < format.fields; ++place) {
    bool used = false;
    for (const Role role : kRoles) used = used || format.of(role) == place;
    if (!used) left_out.push_back(ColumnAt(format, place));
  }
  if (!left_out.empty()) absl::StrAppend(&text, "; left out: ", absl::StrJoin(left_out, ", "));
  return text;
}

}  // namespace

std::string ColumnText(const std::string& name) {
  for (const char c : name) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '-' && c != ':' &&
        c != '.') {
      return Quoted(name);
    }
  }
  return name.empty() ? "\"\"" : name;
}

std::string DescribeSyntax(const RecordSyntax& syntax, bool header, Encoding encoding) {
  return absl::StrCat("separated by ", SeparatorName(syntax.separator),
                      header ? ", with a header, " : ", no header, ", EncodingName(encoding));
}

Reading ReadFirst(const std::string& name, std::string_view sample, bool whole,
                  const RecordFormat& format, std::size_t records_max) {
  Reading reading = {.name = name, .format = format, .first = {}, .first_time = {}, .bad = {}};
  std::uint64_t line = format.lines_before + 1;
  for (std::string_view rest = sample.substr(format.begin);
       !rest.empty() && reading.first.size() < records_max;) {
    const std::size_t bytes = RecordBytes(rest, format.syntax, whole);
    if (bytes == 0) break;
    const std::string_view record = WithoutEndOfLine(rest.substr(0, bytes));
    const std::uint64_t place = line;
    line += LinesOf(rest.substr(0, bytes));
    rest.remove_prefix(bytes);
    if (IsBlank(record)) continue;
    ParsedRecord parsed;
    const absl::Status status = ParseRecord(format, record, &parsed);
    if (!status.ok()) {
      if (reading.bad.empty()) reading.bad = absl::StrCat(name, ":", place, ": ", status.message());
      continue;
    }
    if (reading.first.empty() && format.timestamp >= 0) {
      FieldReader fields(record, format.syntax.separator, format.syntax.quotes);
      std::string_view field;
      for (int column = 0; column <= format.timestamp && fields.Next(&field); ++column) {
      }
      reading.first_time = field;
    }
    reading.first.push_back(std::move(parsed));
  }
  return reading;
}

std::string Describe(const Reading& reading) {
  const RecordFormat& format = reading.format;
  std::string text = absl::StrCat(reading.name, ": ",
                                  DescribeSyntax(format.syntax, format.header, format.encoding),
                                  "\n  ", ColumnsOf(reading), "\n");
  if (reading.first.empty()) return text;
  std::string first;
  for (const Role role : kRoles) {
    if (format.of(role) < 0) continue;
    absl::StrAppend(&first, first.empty() ? "" : ", ", NameOf(role), " ",
                    Cell(reading, reading.first.front(), role));
  }
  return absl::StrCat(text, "  first sample: ", first, "\n");
}

std::string FirstRecords(const Reading& reading) {
  std::vector<TextTable::Column> columns;
  for (const Role role : kRoles) {
    if (reading.format.of(role) >= 0) {
      columns.push_back({.name = NameOf(role), .right = role != Role::kTimestamp});
    }
  }
  TextTable table(columns);
  for (const ParsedRecord& record : reading.first) {
    std::vector<std::string> cells;
    for (const Role role : kRoles) {
      if (reading.format.of(role) >= 0) cells.push_back(Cell(reading, record, role));
    }
    table.AddRow(std::move(cells));
  }
  return table.Format(TableFormat::kText);
}

}  // namespace cf

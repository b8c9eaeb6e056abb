#include "common/dataset/line_parser.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <span>
#include <vector>

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>

#include "common/dataset/vocabulary.h"

namespace cf {
namespace {

/// Longer ids are surely not ids; a lost quote or delimiter must not make a vocabulary of a file.
constexpr std::size_t kIdBytesMax = 1024;

// Names as data sets in the field have them, normalised; earlier ones are preferred.
constexpr std::array<std::string_view, 6> kUserNames = {"userid",     "user",       "uid",
                                                        "reviewerid", "customerid", "visitorid"};
constexpr std::array<std::string_view, 12> kItemNames = {"itemid",    "movieid", "item", "movie",
                                                         "productid", "product", "asin", "bookid",
                                                         "articleid", "songid",  "isbn", "iid"};
constexpr std::array<std::string_view, 6> kRatingNames = {"rating", "ratings", "score",
                                                          "stars",  "value",   "overall"};
constexpr std::array<std::string_view, 6> kTimestampNames = {
    "timestamp", "time", "unixreviewtime", "date", "datetime", "ratedat"};

absl::Status Wrong(const std::string& what) {
  return absl::InvalidArgumentError(what);
}

int PlaceOf(std::span<const std::string> header, std::span<const std::string_view> names) {
  for (const std::string_view name : names) {
    for (std::size_t place = 0; place < header.size(); ++place) {
      if (NormalizedName(header[place]) == name) return static_cast<int>(place);
    }
  }
  return -1;
}

std::optional<int> NumberOfColumn(const std::string& choice) {
  int number = 0;
  const auto [end, error] = std::from_chars(choice.data(), choice.data() + choice.size(), number);
  if (error != std::errc() || end != choice.data() + choice.size() || number < 1) {
    return std::nullopt;
  }
  return number;
}

/// The place of a column that --columns names: by its exact name, else by the name normalised, else
/// by its number.
absl::Status Choose(std::span<const std::string> header, const std::string& choice, int* place) {
  if (choice.empty()) return absl::OkStatus();
  for (std::size_t k = 0; k < header.size(); ++k) {
    if (header[k] == choice) {
      *place = static_cast<int>(k);
      return absl::OkStatus();
    }
  }
  const std::string normalized = NormalizedName(choice);
  *place = PlaceOf(header, std::array<std::string_view, 1>{normalized});
  if (*place >= 0) return absl::OkStatus();
  const std::optional<int> number = NumberOfColumn(choice);
  if (number.has_value() && static_cast<std::size_t>(*number) <= header.size()) {
    *place = *number - 1;
    return absl::OkStatus();
  }
  return Wrong(
      absl::StrCat("no column ", Quoted(choice), " among ", Quoted(absl::StrJoin(header, ","))));
}

/// Whether --columns has numbers only, none of which is a column's name: then there is no header.
bool ChosenByNumber(std::span<const std::string> header, const ColumnChoice& columns) {
  for (const std::string* choice :
       {&columns.user, &columns.item, &columns.rating, &columns.timestamp}) {
    if (choice->empty()) continue;
    if (!NumberOfColumn(*choice).has_value()) return false;
    for (const std::string& name : header) {
      if (name == *choice && !NumberOf(header[0]).has_value()) return false;
    }
  }
  return !columns.empty();
}

bool LooksLikeNumber(const std::string& field) {
  return !field.empty() && field.find_first_not_of("+-.0123456789") == std::string::npos;
}

absl::StatusOr<std::vector<std::string>> SplitFields(std::string_view line,
                                                     const LineFormat& format) {
  std::vector<std::string> fields;
  FieldReader reader(line, format.delimiter, format.quotes);
  for (std::string_view field; reader.Next(&field);) fields.emplace_back(field);
  if (reader.error() != nullptr) return Wrong(reader.error());
  return fields;
}

FileFormat Guess(std::string_view line) {
  if (line.find("::") != std::string_view::npos) return FileFormat::kDoubleColons;
  const std::size_t tab = line.find('\t');
  if (tab == std::string_view::npos) return FileFormat::kCsv;
  // A header starts with a name. u.data starts with a number.
  const std::string first(Trim(line.substr(0, tab)));
  return LooksLikeNumber(first) ? FileFormat::kTabs : FileFormat::kTsv;
}

absl::Status PlaceByNumber(const ColumnChoice& columns, LineFormat* format) {
  const auto place = [format](const std::string& choice, int* column) {
    if (!choice.empty()) *column = NumberOfColumn(choice).value_or(0) - 1;
    return *column < format->fields;
  };
  if (place(columns.user, &format->user) && place(columns.item, &format->item) &&
      place(columns.rating, &format->rating) && place(columns.timestamp, &format->timestamp)) {
    return absl::OkStatus();
  }
  return Wrong(absl::StrCat("--columns names a column beyond the ", format->fields, " there are"));
}

absl::Status PlaceByName(std::span<const std::string> header, const ColumnChoice& columns,
                         LineFormat* format) {
  if (columns.empty()) {
    format->user = PlaceOf(header, kUserNames);
    format->item = PlaceOf(header, kItemNames);
    format->rating = PlaceOf(header, kRatingNames);
    format->timestamp = PlaceOf(header, kTimestampNames);
    if (format->user < 0 && format->item < 0 && !header.empty() && LooksLikeNumber(header[0])) {
      return Wrong(
          "expected a header that names the columns, as \"userId,movieId,rating\", found numbers; "
          "--columns user=1,item=2,rating=3 reads a file without one");
    }
    return absl::OkStatus();
  }
  absl::Status status = Choose(header, columns.user, &format->user);
  if (status.ok()) status = Choose(header, columns.item, &format->item);
  if (status.ok()) status = Choose(header, columns.rating, &format->rating);
  if (status.ok()) status = Choose(header, columns.timestamp, &format->timestamp);
  return status;
}

absl::Status ReadId(const char* what, std::string_view field, Encoding encoding, RawId* id) {
  id->number = NumberOf(field);
  if (id->number.has_value()) return absl::OkStatus();
  if (field.empty()) return Wrong(absl::StrCat("the ", what, " is empty"));
  if (field.size() > kIdBytesMax) {
    return Wrong(absl::StrCat("the ", what, " has ", field.size(), " bytes, at most ", kIdBytesMax,
                              " are allowed"));
  }
  for (const char c : field) {
    if (static_cast<unsigned char>(c) < ' ') {
      return Wrong(absl::StrCat("the ", what, " ", Quoted(field), " has a control character"));
    }
  }
  std::optional<std::string> text = Decode(field, encoding);
  if (!text.has_value()) {
    return Wrong(absl::StrCat("the ", what, " ", Quoted(field),
                              " is not UTF-8 (--encoding latin-1 reads that)"));
  }
  id->text = *std::move(text);
  return absl::OkStatus();
}

bool ReadRating(std::string_view field, float* rating) {
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), *rating);
  return error == std::errc() && end == field.data() + field.size() && std::isfinite(*rating);
}

}  // namespace

std::string NormalizedName(std::string_view name) {
  std::string normalized;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte)) normalized += static_cast<char>(absl::ascii_tolower(byte));
  }
  return normalized;
}

absl::StatusOr<ColumnChoice> ParseColumnChoice(const std::string& text) {
  ColumnChoice columns;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    const std::pair<std::string, std::string> pair = absl::StrSplit(part, absl::MaxSplits('=', 1));
    std::string* const column = pair.first == "user"        ? &columns.user
                                : pair.first == "item"      ? &columns.item
                                : pair.first == "rating"    ? &columns.rating
                                : pair.first == "timestamp" ? &columns.timestamp
                                                            : nullptr;
    if (column == nullptr || pair.second.empty() || !column->empty()) {
      return Wrong(absl::StrCat("--columns: ", Quoted(std::string(part)),
                                ", expected user=NAME,item=NAME[,rating=NAME][,timestamp=NAME]"));
    }
    *column = pair.second;
  }
  if (columns.user.empty() || columns.item.empty()) {
    return Wrong("--columns: expected at least user=NAME,item=NAME");
  }
  return columns;
}

absl::StatusOr<LineFormat> DetectLineFormat(std::string_view first_line, FileFormat file_format,
                                            const ColumnChoice& columns, Encoding encoding) {
  if (file_format == FileFormat::kAutomatic) file_format = Guess(first_line);
  LineFormat format;
  switch (file_format) {
    case FileFormat::kAutomatic:
    case FileFormat::kCsv:
      break;
    case FileFormat::kTsv:
      format.delimiter = "\t";
      break;
    case FileFormat::kTabs:
      format = {
          .delimiter = "\t", .quotes = false, .header = false, .encoding = Encoding::kAutomatic};
      break;
    case FileFormat::kDoubleColons:
      format = {
          .delimiter = "::", .quotes = false, .header = false, .encoding = Encoding::kAutomatic};
      break;
    case FileFormat::kPipes:
      format = {
          .delimiter = "|", .quotes = false, .header = false, .encoding = Encoding::kAutomatic};
      break;
  }
  if (encoding != Encoding::kAutomatic) format.encoding = encoding;
  const absl::StatusOr<std::vector<std::string>> fields = SplitFields(first_line, format);
  if (!fields.ok()) return fields.status();
  format.fields = static_cast<int>(fields->size());
  absl::Status placed;
  if (ChosenByNumber(*fields, columns)) {
    format.header = false;
    placed = PlaceByNumber(columns, &format);
  } else if (format.header || !columns.empty()) {
    format.header = true;
    placed = PlaceByName(*fields, columns, &format);
  } else {
    const int places = format.fields;
    format.user = 0;
    if (places > 1) format.item = 1;
    if (places > 2) format.rating = 2;
    if (places > 3) format.timestamp = 3;
  }
  if (!placed.ok()) return placed;
  for (const auto& [place, what, example] :
       {std::tuple(format.user, "user", "userId"), std::tuple(format.item, "item", "movieId")}) {
    if (place >= 0) continue;
    return Wrong(absl::StrCat("no column for the ", what, " (as \"", example, "\") in ",
                              Quoted(first_line), "; --columns says which it is"));
  }
  return format;
}

absl::Status ParseLine(const LineFormat& format, std::string_view line, ParsedLine* parsed) {
  FieldReader reader(line, format.delimiter, format.quotes);
  int place = 0;
  for (std::string_view field; reader.Next(&field); ++place) {
    if (place == format.user) {
      absl::Status read = ReadId("user", field, format.encoding, &parsed->user);
      if (!read.ok()) return read;
    } else if (place == format.item) {
      absl::Status read = ReadId("item", field, format.encoding, &parsed->item);
      if (!read.ok()) return read;
    } else if (place == format.rating) {
      if (!ReadRating(field, &parsed->rating)) {
        return Wrong(absl::StrCat("the rating is ", Quoted(field), ", expected a number"));
      }
    } else if (place == format.timestamp) {
      const std::optional<std::int64_t> time = ParseTimestamp(field);
      if (!time.has_value()) {
        return Wrong(absl::StrCat("the timestamp is ", Quoted(field),
                                  ", expected seconds or YYYY-MM-DD HH:MM:SS"));
      }
      parsed->timestamp = *time;
    }
  }
  if (reader.error() != nullptr) return Wrong(reader.error());
  if (place != format.fields) {
    return Wrong(absl::StrCat(place, place == 1 ? " field" : " fields", ", expected ",
                              format.fields, " separated by ",
                              format.delimiter == "\t" ? "tabs" : Quoted(format.delimiter)));
  }
  return absl::OkStatus();
}

std::optional<std::int64_t> ParseTimestamp(std::string_view text) {
  if (const std::optional<std::int64_t> seconds = NumberOf(text)) return seconds;
  // 0123456789012345678
  // YYYY-MM-DD HH:MM:SS
  constexpr std::string_view kShape = "dddd-dd-dd dd:dd:dd";
  if (text.size() != kShape.size()) return std::nullopt;
  for (std::size_t k = 0; k < kShape.size(); ++k) {
    const char c = text[k];
    const bool fits = kShape[k] == 'd'   ? c >= '0' && c <= '9'
                      : kShape[k] == ' ' ? c == ' ' || c == 'T'
                                         : c == kShape[k];
    if (!fits) return std::nullopt;
  }
  const auto number = [text](std::size_t from, std::size_t digits) {
    int value = 0;
    for (std::size_t k = from; k < from + digits; ++k) value = value * 10 + (text[k] - '0');
    return value;
  };
  const std::chrono::year_month_day day(std::chrono::year(number(0, 4)),
                                        std::chrono::month(static_cast<unsigned>(number(5, 2))),
                                        std::chrono::day(static_cast<unsigned>(number(8, 2))));
  const int hour = number(11, 2);
  const int minute = number(14, 2);
  const int second = number(17, 2);
  if (!day.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  const std::int64_t days = std::chrono::sys_days(day).time_since_epoch().count();
  return ((days * 24 + hour) * 60 + minute) * 60 + second;
}

}  // namespace cf

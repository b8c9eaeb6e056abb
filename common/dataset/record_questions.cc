#include "common/dataset/record_questions.h"

#include <algorithm>
#include <map>
#include <optional>

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include "common/dataset/record_parser.h"
#include "common/dataset/vocabulary.h"

namespace cf {
namespace {

using Rows = std::vector<std::vector<std::string>>;

/// More columns of numbers than a file of ratings has.
constexpr std::size_t kMatrixFields = 8;

bool IsUsualName(Role role, std::string_view field) {
  const std::span<const std::string_view> names = UsualNames(role);
  return std::find(names.begin(), names.end(), NormalizedName(field)) != names.end();
}

/// The field of a row in the role's column; empty if there is none.
std::string_view FieldOf(const std::vector<std::string>& row, int place) {
  const auto k = static_cast<std::size_t>(place);
  return place >= 0 && k < row.size() ? std::string_view(row[k]) : std::string_view();
}

bool AllNumbers(const std::vector<std::string>& row) {
  return !row.empty() && std::all_of(row.begin(), row.end(), LooksLikeNumber);
}

/// Whether the first row has text where all others have numbers, and no number at all; where there
/// is one other only, it must have no text.
bool HasTextAboveNumbers(const Rows& rows, const RecordFormat& format) {
  if (rows.size() < 2) return false;
  bool text_above_numbers = false;
  bool text_above_text = false;
  for (const Role role : kRoles) {
    const int place = format.of(role);
    if (place < 0) continue;
    if (ParseRating(FieldOf(rows.front(), place)).has_value()) return false;
    const bool numbers = std::all_of(rows.begin() + 1, rows.end(), [place](const auto& row) {
      return ParseRating(FieldOf(row, place)).has_value();
    });
    (numbers ? text_above_numbers : text_above_text) = true;
  }
  return text_above_numbers && (rows.size() > 2 || !text_above_text);
}

/// --columns with the names that the first row would be, as a header.
std::string FlagByNames(const std::vector<std::string>& row, const RecordFormat& format) {
  ColumnChoice columns;
  for (const Role role : kRoles) columns.of(role) = FieldOf(row, format.of(role));
  return ColumnsFlag(columns);
}

/// A number, also one with a comma for the point, which is asked about as well.
std::optional<float> NumberLike(std::string_view field) {
  std::string text(field);
  const std::size_t comma = text.find(',');
  if (comma != std::string::npos) text[comma] = '.';
  return ParseRating(text);
}

/// Whether the rows below the header have numbers there, at least half of them and the others
/// nothing; none of them counting rows, and none too large for a rating.
bool MayBeRating(const RecordTable& table, std::size_t place) {
  // Fewer may ascend by accident.
  bool counts_rows = table.rows.size() > 5;
  std::optional<float> before;
  std::size_t numbers = 0;
  for (std::size_t k = 1; k < table.rows.size(); ++k) {
    const std::string_view field = FieldOf(table.rows[k], static_cast<int>(place));
    if (field.empty()) continue;
    const std::optional<float> value = NumberLike(field);
    constexpr float kEpoch = 1e8F;
    if (!value.has_value() || *value >= kEpoch) return false;
    counts_rows = counts_rows && (!before.has_value() || *value == *before + 1);
    before = value;
    ++numbers;
  }
  return numbers > 0 && 2 * numbers + 1 >= table.rows.size() && !counts_rows;
}

/// Whether a column is called like a rating, whatever it has.
bool IsNameOfRating(const std::string& name) {
  const std::string normalized = NormalizedName(name);
  return absl::StrContains(normalized, "rating") || absl::StrContains(normalized, "score") ||
         absl::StrContains(normalized, "stars");
}

/// Names of what has numbers and is no rating.
bool IsNameOfOther(const std::string& name) {
  const std::string normalized = NormalizedName(name);
  return normalized.empty() || normalized.ends_with("id") || normalized == "index" ||
         normalized == "age" || normalized == "year" || normalized.starts_with("zip") ||
         normalized.starts_with("unnamed") || normalized.starts_with("isbn");
}

absl::Status AskForRating(const RecordTable& table, const RecordOptions& options,
                          const RecordFormat& format) {
  std::vector<std::string> candidates;
  for (std::size_t k = 0; k < format.names.size(); ++k) {
    const auto place = static_cast<int>(k);
    if (place == format.user || place == format.item || place == format.timestamp) continue;
    if (IsNameOfRating(format.names[k]) ||
        (!IsNameOfOther(format.names[k]) && MayBeRating(table, k))) {
      candidates.push_back(format.names[k]);
    }
  }
  if (candidates.empty()) return absl::OkStatus();
  ColumnChoice without;
  for (const Role role : {Role::kUser, Role::kItem, Role::kTimestamp}) {
    without.of(role) = FieldOf(format.names, format.of(role));
  }
  ColumnChoice with = without;
  with.rating = candidates.front();
  const bool several = candidates.size() > 1;
  for (std::string& name : candidates) name = Quoted(name);
  return absl::InvalidArgumentError(
      absl::StrCat(options.columns.empty() ? "no column is called a rating, but "
                                           : "--columns names no rating, but ",
                   absl::StrJoin(candidates, " and "), " may be one; ", ColumnsFlag(with),
                   several ? " reads the first as the rating, " : " reads it as the rating, ",
                   ColumnsFlag(without), " reads interactions"));
}

/// Refuses positions that cannot be: a rating that is a time.
absl::Status AskForPositions(const RecordTable& table, const RecordOptions& options,
                             const RecordFormat& format) {
  if (format.header || format.rating < 0 || !options.columns.empty()) return absl::OkStatus();
  constexpr float kEpoch = 1e8F;
  for (const std::vector<std::string>& row : table.rows) {
    const std::optional<float> rating = ParseRating(FieldOf(row, format.rating));
    if (!rating.has_value() || *rating < kEpoch) return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("without a header column ", format.rating + 1, " is the rating, but column ",
                   format.rating + 1, " has ", Quoted(FieldOf(table.rows.front(), format.rating)),
                   "; --columns user=1,item=2,timestamp=", format.rating + 1,
                   " or the like says which is what"));
}

absl::Status AskForDates(const RecordTable& table, const RecordFormat& format) {
  const std::size_t first = format.header ? 1 : 0;
  if (format.timestamp < 0 || format.time_unit != TimeUnit::kAutomatic ||
      table.rows.size() <= first) {
    return absl::OkStatus();
  }
  for (std::size_t k = first; k < table.rows.size(); ++k) {
    const std::optional<std::int64_t> number = NumberOf(FieldOf(table.rows[k], format.timestamp));
    if (!number.has_value() || !SecondsOfCompactDate(*number).has_value()) return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("the timestamp is ", Quoted(FieldOf(table.rows[first], format.timestamp)),
                   ": --time-unit dates reads it as a day, --time-unit seconds as seconds "
                   "since 1970"));
}

/// The most fields that another separator than the table's would make of its first record.
std::string OtherSeparator(std::string_view text, bool whole, const RecordTable& table) {
  std::size_t most = table.fields();
  std::string found;
  for (const std::string& separator : KnownSeparators()) {
    const RecordTable other = ReadTable(text, whole, {.separator = separator, .quotes = true}, 1);
    if (other.fields() <= most) continue;
    most = other.fields();
    found = separator;
  }
  if (found.empty()) return "";
  return absl::StrCat("; found ", most, " separated by ", SeparatorName(found), ": --separator ",
                      found == "\t"      ? "tab"
                      : found == kBlanks ? "blanks"
                                         : Quoted(found));
}

/// Whether below the first row all but the first columns have numbers, or nothing.
bool MayBeMatrix(const RecordTable& table) {
  if (table.fields() < 4 || table.rows.size() < 2 || !table.consistent()) return false;
  return std::all_of(table.rows.begin() + 1, table.rows.end(), [](const auto& row) {
    return std::all_of(row.begin() + 1, row.end(), [](const std::string& field) {
      return field.empty() || ParseRating(field).has_value();
    });
  });
}

}  // namespace

bool IsListOfEachUser(const RecordTable& table) {
  for (const std::string& name : table.rows.front()) {
    if (IsUsualName(Role::kUser, name) || IsUsualName(Role::kItem, name)) return false;
  }
  std::map<std::size_t, std::size_t> counts;
  std::size_t most = 0;
  for (const auto& row : table.rows) most = std::max(most, ++counts[row.size()]);
  return counts.size() > 1 && 2 * most <= table.rows.size();
}

absl::Status CheckNoHeader(const Rows& rows, const RecordFormat& format, const std::string& why) {
  const std::vector<std::string>& first = rows.front();
  const bool named = (format.user >= 0 && IsUsualName(Role::kUser, FieldOf(first, format.user))) ||
                     (format.item >= 0 && IsUsualName(Role::kItem, FieldOf(first, format.item)));
  const bool no_rating = format.rating >= 0 && rows.size() > 1 &&
                         !ParseRating(FieldOf(first, format.rating)).has_value() &&
                         ParseRating(FieldOf(rows[1], format.rating)).has_value() &&
                         !FieldOf(first, format.rating).empty() &&
                         !LooksLikeNumber(FieldOf(first, format.rating));
  if (!named && !no_rating && !HasTextAboveNumbers(rows, format)) return absl::OkStatus();
  const std::string flag = FlagByNames(first, format);
  return absl::InvalidArgumentError(
      absl::StrCat(Quoted(absl::StrJoin(first, ",")), " looks like a header, and ", why,
                   why.starts_with("numbers") ? " mean" : " means", " that there is none; ", flag,
                   " reads it by its names"));
}

std::string WhyNoColumns(const RecordTable& table) {
  const std::vector<std::string>& first = table.rows.front();
  if (IsListOfEachUser(table)) {
    const auto other = std::find_if(table.rows.begin(), table.rows.end(),
                                    [&](const auto& row) { return row.size() != first.size(); });
    return absl::StrCat("a line of ", first.size(), " fields, then one of ", other->size(),
                        ": one line for each user? Expected one for each rating; docs/data.md has "
                        "the line of awk that makes them");
  }
  const bool matrix_header =
      first.size() >= kMatrixFields && std::all_of(first.begin() + 1, first.end(), LooksLikeNumber);
  if (matrix_header) {
    return absl::StrCat(first.size(),
                        " columns of numbers: a matrix of users and items? Expected one line for "
                        "each rating; docs/data.md has the line that makes them");
  }
  if (table.fields() > 4 && AllNumbers(first)) {
    return absl::StrCat(first.size(),
                        " columns without a header, expected user, item, rating and timestamp; "
                        "--columns user=1,item=2,rating=3 says which they are");
  }
  if (AllNumbers(first)) {
    return "expected a header that names the columns, as \"userId,movieId,rating\", found numbers; "
           "--columns user=1,item=2,rating=3 reads a file without one";
  }
  return "";
}

std::string WhyNoColumn(Role role, std::string_view text, bool whole, const RecordTable& table) {
  const std::vector<std::string>& first = table.rows.front();
  std::string why = WhyNoColumns(table);
  if (!why.empty()) return why;
  why = absl::StrCat("no column for the ", NameOf(role), " (as \"",
                     role == Role::kUser   ? "userId"
                     : role == Role::kItem ? "movieId"
                                           : NameOf(role),
                     "\") in ",
                     Quoted(WithoutEndOfLine(
                         text.substr(table.first_begin, table.first_end - table.first_begin))));
  if (first.size() == 1) {
    const std::string other = OtherSeparator(text, whole, table);
    absl::StrAppend(&why, ", 1 field separated by ", SeparatorName(table.syntax.separator),
                    other.empty() ? "; --separator says what separates them" : other);
    return why;
  }
  absl::StrAppend(&why, "; --columns says which it is");
  if (MayBeMatrix(table)) {
    absl::StrAppend(&why,
                    ", or is it a matrix of users and items? docs/data.md has the line that "
                    "makes ratings of one");
  }
  return why;
}

absl::Status AskWhatIsUnsure(const RecordTable& table, const RecordOptions& options,
                             const RecordFormat& format) {
  // With both named, --columns has said that there is none.
  const bool chosen = !options.columns.user.empty() && !options.columns.item.empty();
  if (options.ask_for_rating && !chosen && format.header && format.rating < 0) {
    absl::Status asked = AskForRating(table, options, format);
    if (!asked.ok()) return asked;
  }
  absl::Status placed = AskForPositions(table, options, format);
  return placed.ok() ? AskForDates(table, format) : placed;
}

}  // namespace cf

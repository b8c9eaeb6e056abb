#include "common/dataset/record_format.h"

#include <algorithm>
#include <array>
#include <optional>
#include <tuple>

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include "common/dataset/record_parser.h"
#include "common/dataset/record_questions.h"
#include "common/dataset/record_table.h"

namespace cf {
namespace {

/// Enough records to tell separators and numbers from accidents.
constexpr std::size_t kRowsLookedAt = 100;
/// Without a header the columns are user, item, rating and timestamp, and no more.
constexpr std::size_t kPositionsMax = 4;

absl::Status Wrong(const std::string& what) {
  return absl::InvalidArgumentError(what);
}

/// Quotes are letters in ratings.dat and movies.dat.
RecordSyntax SyntaxOf(const std::string& separator) {
  return {.separator = separator, .quotes = separator != "::"};
}

/// The place of a column that --columns names: by its exact name, else by the name normalised.
absl::Status Choose(const std::vector<std::string>& header, const std::string& choice, int* place) {
  std::vector<int> exact;
  std::vector<int> alike;
  for (std::size_t k = 0; k < header.size(); ++k) {
    if (header[k] == choice) exact.push_back(static_cast<int>(k));
    if (NormalizedName(header[k]) == NormalizedName(choice)) alike.push_back(static_cast<int>(k));
  }
  const std::vector<int>& found = exact.empty() ? alike : exact;
  if (found.empty()) {
    return Wrong(
        absl::StrCat("no column ", Quoted(choice), " among ", Quoted(absl::StrJoin(header, ","))));
  }
  if (found.size() > 1) {
    return Wrong(absl::StrCat(found.size(), " columns are called ", Quoted(choice), " in ",
                              Quoted(absl::StrJoin(header, ",")), "; rename all but one"));
  }
  *place = found.front();
  return absl::OkStatus();
}

/// The place of the column with a usual name of the role; -1 if there is none. Refused where two
/// have the same one.
absl::Status ChooseByUsualName(const std::vector<std::string>& header, Role role, int* place) {
  *place = PlaceOf(header, UsualNames(role));
  if (*place < 0) return absl::OkStatus();
  const std::string& name = header[static_cast<std::size_t>(*place)];
  for (std::size_t k = 0; k < header.size(); ++k) {
    if (static_cast<int>(k) == *place || NormalizedName(header[k]) != NormalizedName(name))
      continue;
    return Wrong(absl::StrCat(
        "both ", Quoted(name), " and ", Quoted(header[k]), " may be the ", NameOf(role),
        header[k] == name ? "; rename one of them" : "; --columns says which it is"));
  }
  return absl::OkStatus();
}

/// Whether the first row has every column that must be there, as a header.
bool HasRequiredNames(const std::vector<std::string>& row, const RecordOptions& options) {
  bool any = false;
  for (const Role role : kRoles) {
    const std::string& choice = options.columns.of(role);
    int place = -1;
    if (!choice.empty()) {
      if (!Choose(row, choice, &place).ok()) return false;
    } else if (options.of(role) != Need::kUnwanted) {
      place = PlaceOf(row, UsualNames(role));
      if (place < 0 && options.of(role) == Need::kRequired) return false;
    }
    any = any || place >= 0;
  }
  return any;
}

/// Whether the columns that must be there are: by name as a header; or by number, where a rating is a
/// number.
bool HasColumns(const RecordTable& table, const RecordOptions& options) {
  if (table.rows.empty()) return false;
  if (!options.columns.by_number()) return HasRequiredNames(table.rows.front(), options);
  return std::all_of(kRoles.begin(), kRoles.end(), [&](Role role) {
    const std::optional<int> number = ColumnNumber(options.columns.of(role));
    if (!number.has_value()) return true;
    const auto place = static_cast<std::size_t>(*number) - 1;
    return place < table.fields() &&
           (role != Role::kRating || ParseRating(table.rows.front()[place]).has_value());
  });
}

/// The table as the separator has it that fits best: that has the columns which are needed, whose
/// records are all alike, and which has most columns, in this order.
RecordTable ReadBestTable(std::string_view text, bool whole, const std::string& separator,
                          const RecordOptions& options) {
  if (!separator.empty()) return ReadTable(text, whole, SyntaxOf(separator), kRowsLookedAt);
  std::optional<RecordTable> best;
  std::tuple<bool, bool, std::size_t> best_score;
  for (const std::string& candidate : KnownSeparators()) {
    // Blanks are within fields, too: they separate only where nothing else makes the columns that
    // are needed of every record, and where there must be two.
    const bool blanks = candidate == kBlanks;
    const bool fits = std::get<0>(best_score) && std::get<1>(best_score);
    if (blanks && (fits || options.user != Need::kRequired || options.item != Need::kRequired)) {
      continue;
    }
    RecordTable table = ReadTable(text, whole, SyntaxOf(candidate), kRowsLookedAt);
    const bool alike = table.fields() > 1 && table.consistent();
    const std::tuple score(HasColumns(table, options), alike, table.fields());
    const bool accident = blanks && std::get<1>(best_score) && !std::get<0>(score);
    if (best.has_value() && (accident || score <= best_score)) continue;
    best = std::move(table);
    best_score = score;
  }
  return *std::move(best);
}

absl::Status PlaceByNumber(const RecordOptions& options, const RecordTable& table,
                           RecordFormat* format) {
  for (const Role role : kRoles) {
    const std::optional<int> number = ColumnNumber(options.columns.of(role));
    if (!number.has_value()) continue;
    if (*number > format->fields) {
      return Wrong(absl::StrCat(
          "--columns ", NameOf(role), "=", *number, ", there ",
          format->fields == 1 ? "is 1 field" : absl::StrCat("are ", format->fields, " fields"),
          " separated by ", SeparatorName(format->syntax.separator)));
    }
    format->of(role) = *number - 1;
  }
  return CheckNoHeader(table.rows, *format, "numbers in --columns");
}

absl::Status PlaceByName(const RecordOptions& options, const std::vector<std::string>& header,
                         RecordFormat* format) {
  for (const Role role : kRoles) {
    const std::string& choice = options.columns.of(role);
    absl::Status status;
    if (!choice.empty()) {
      status = Choose(header, choice, &format->of(role));
    } else if (options.of(role) != Need::kUnwanted &&
               (options.columns.empty() || role == Role::kUser || role == Role::kItem)) {
      // Of the columns that --columns does not name, ratings and timestamps are left out.
      status = ChooseByUsualName(header, role, &format->of(role));
    }
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

/// User, item, rating, timestamp in this order, those that are wanted.
absl::Status PlaceByPosition(const RecordOptions& options, const RecordTable& table,
                             RecordFormat* format) {
  const bool lists = table.syntax.separator != "::" && IsListOfEachUser(table);
  if (table.fields() > kPositionsMax || lists) {
    const std::string why = WhyNoColumns(table);
    return Wrong(why.empty() ? absl::StrCat(table.fields(),
                                            " columns without a header; --columns "
                                            "user=1,item=2,rating=3 says which they are")
                             : why);
  }
  int place = 0;
  for (const Role role : kRoles) {
    if (options.of(role) == Need::kUnwanted || place == format->fields) continue;
    // One column of a file of users, items or both is what must be there.
    if (options.of(role) == Need::kOptional && role != Role::kRating && role != Role::kTimestamp &&
        format->fields == 1) {
      continue;
    }
    format->of(role) = place++;
  }
  return CheckNoHeader(table.rows, *format, "a file of this form");
}

/// u.data and ratings.dat: numbers or latin-1 names, and no header.
bool IsMovieLens(const RecordTable& table, FileFormat format) {
  if (format == FileFormat::kTabs || table.syntax.separator == "::") return true;
  return format == FileFormat::kAutomatic && table.syntax.separator == "\t" &&
         LooksLikeNumber(table.rows.front().front());
}

/// One column without a header, where one is enough.
bool IsListOfIds(const RecordTable& table, const RecordOptions& options) {
  if (!options.positions || table.fields() != 1 || options.rating == Need::kRequired) return false;
  return (options.user == Need::kRequired) != (options.item == Need::kRequired);
}

absl::Status PlaceColumns(const RecordOptions& options, const RecordTable& table,
                          RecordFormat* format) {
  const std::vector<std::string>& first = table.rows.front();
  const bool movie_lens = IsMovieLens(table, options.format);
  const bool numbers = std::all_of(first.begin(), first.end(), LooksLikeNumber);
  if (movie_lens) format->encoding = Encoding::kAutomatic;
  format->header = false;
  if (options.columns.by_number()) return PlaceByNumber(options, table, format);
  const bool named = HasRequiredNames(first, options);
  if (named && options.columns.empty() && options.format == FileFormat::kTabs) {
    return Wrong(
        absl::StrCat(Quoted(absl::StrJoin(first, ",")),
                     " is a header, and --format u.data means that there is none; --format "
                     "tsv reads it by its names"));
  }
  if (!options.columns.empty() || named) {
    format->header = true;
    format->names = first;
    return PlaceByName(options, first, format);
  }
  if (movie_lens || (options.positions && numbers)) return PlaceByPosition(options, table, format);
  if (IsListOfIds(table, options)) return PlaceByPosition(options, table, format);
  format->header = true;
  format->names = first;
  return PlaceByName(options, first, format);
}

}  // namespace

std::string SeparatorOf(FileFormat format) {
  switch (format) {
    case FileFormat::kCsv:
      return ",";
    case FileFormat::kTsv:
    case FileFormat::kTabs:
      return "\t";
    case FileFormat::kDoubleColons:
      return "::";
    case FileFormat::kPipes:
      return "|";
    case FileFormat::kAutomatic:
      break;
  }
  return "";
}

absl::StatusOr<RecordFormat> DetectRecordFormat(std::string_view sample, bool whole,
                                                const RecordOptions& options) {
  const TableStart start = FindTableStart(sample);
  std::string separator = options.separator;
  if (separator.empty()) separator = SeparatorOf(options.format);
  if (separator.empty()) separator = start.separator;
  const RecordTable table = ReadBestTable(sample.substr(start.begin), whole, separator, options);
  if (table.rows.empty()) {
    return Wrong(whole ? "the file has blank lines only"
                       : "the first line is longer than a mebibyte");
  }
  if (!table.error.empty()) return Wrong(table.error);
  RecordFormat format;
  format.syntax = table.syntax;
  format.fields = static_cast<int>(table.fields());
  format.time_unit = options.time_unit;
  absl::Status placed = PlaceColumns(options, table, &format);
  if (!placed.ok()) return placed;
  for (const Role role : kRoles) {
    if (options.of(role) == Need::kRequired && format.of(role) < 0) {
      return Wrong(WhyNoColumn(role, sample.substr(start.begin), whole, table));
    }
  }
  if (options.encoding != Encoding::kAutomatic) format.encoding = options.encoding;
  format.begin = start.begin + (format.header ? table.first_end : table.first_begin);
  format.lines_before = LinesOf(sample.substr(0, format.begin));
  if (options.time_unit != TimeUnit::kAutomatic && format.timestamp < 0) {
    return Wrong("--time-unit decides nothing: no column is a timestamp; --columns names one");
  }
  absl::Status sure = AskWhatIsUnsure(table, options, format);
  if (!sure.ok()) return sure;
  return format;
}

absl::StatusOr<std::string> ParseSeparator(const std::string& word) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kWords = {
      {{"comma", ","},
       {"tab", "\t"},
       {"semicolon", ";"},
       {"pipe", "|"},
       {"colons", "::"},
       {"blanks", kBlanks},
       {"\\t", "\t"}}};
  for (const auto& [name, separator] : kWords) {
    if (word == name || word == separator) return std::string(separator);
  }
  const bool sign = word.size() == 1 && word.find_first_of("\"\r\n.-+") == std::string::npos &&
                    !absl::ascii_isalnum(static_cast<unsigned char>(word[0])) && word[0] > ' ' &&
                    word[0] < 127;
  if (sign) return word;
  return Wrong(absl::StrCat("--separator ", Quoted(word),
                            ", expected comma, tab, semicolon, pipe, colons, blanks or one sign"));
}

}  // namespace cf

#include "common/dataset/titles.h"

#include <array>
#include <filesystem>
#include <utility>
#include <vector>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include "common/base/files.h"
#include "common/dataset/column_names.h"
#include "common/dataset/text.h"
#include "common/dataset/vocabulary.h"

namespace cf {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

/// u.item: id, title, two dates, an address, then one flag for each genre.
constexpr std::size_t kItemFlagsBegin = 5;

/// Where a title file's columns are.
struct TitleFormat {
  std::string delimiter = ",";
  bool quotes = true;
  bool header = true;
  std::size_t item = 0;
  std::size_t title = 1;
  std::size_t genres = 2;  ///< May be beyond the fields there are.
  std::size_t fields = 0;
  std::vector<std::string> flag_names;  ///< u.item: the genres its flags stand for.
};

std::vector<std::string_view> TextLines(std::string_view text) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

absl::Status Split(std::string_view line, const TitleFormat& format,
                   std::vector<std::string>* fields) {
  fields->clear();
  FieldReader reader(line, format.delimiter, format.quotes);
  for (std::string_view field; reader.Next(&field);) fields->emplace_back(field);
  if (reader.error() != nullptr) return absl::InvalidArgumentError(reader.error());
  return absl::OkStatus();
}

FileFormat Guess(std::string_view line) {
  if (line.find("::") != std::string_view::npos) return FileFormat::kDoubleColons;
  // movies.csv has bars between genres, but not five of them and a number in front.
  const std::size_t bar = line.find('|');
  if (bar != std::string_view::npos && NumberOf(line.substr(0, bar)).has_value()) {
    return FileFormat::kPipes;
  }
  return line.find('\t') != std::string_view::npos ? FileFormat::kTsv : FileFormat::kCsv;
}

/// "Action|1" on each line, in the order of the flags.
absl::StatusOr<std::vector<std::string>> ReadFlagNames(const TitleOptions& options) {
  std::string path = options.genres_path;
  if (path.empty()) {
    path = (std::filesystem::path(options.path).parent_path() / "u.genre").string();
    std::error_code error;
    if (!std::filesystem::exists(path, error)) return std::vector<std::string>();
  }
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return text.status();
  std::vector<std::string> names;
  std::size_t number = 0;
  for (const std::string_view line : TextLines(*text)) {
    ++number;
    if (line.empty()) continue;
    const std::size_t bar = line.find('|');
    if (bar == std::string_view::npos ||
        NumberOf(line.substr(bar + 1)) != static_cast<std::int64_t>(names.size())) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ":", number, ": ", Quoted(line), ", expected NAME|", names.size()));
    }
    names.emplace_back(line.substr(0, bar));
  }
  return names;
}

std::size_t FindColumn(const std::vector<std::string>& header,
                       std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    for (std::size_t place = 0; place < header.size(); ++place) {
      if (NormalizedName(header[place]) == name) return place;
    }
  }
  return header.size();
}

absl::StatusOr<TitleFormat> Detect(std::string_view first_line, const TitleOptions& options) {
  TitleFormat format;
  const FileFormat kind =
      options.format == FileFormat::kAutomatic ? Guess(first_line) : options.format;
  if (kind == FileFormat::kTsv || kind == FileFormat::kTabs) format.delimiter = "\t";
  if (kind == FileFormat::kDoubleColons) format.delimiter = "::";
  if (kind == FileFormat::kPipes) format.delimiter = "|";
  format.header = kind == FileFormat::kCsv || kind == FileFormat::kTsv;
  format.quotes = format.header;
  std::vector<std::string> fields;
  absl::Status split = Split(first_line, format, &fields);
  if (!split.ok()) return split;
  format.fields = fields.size();
  if (!format.header) return format;
  format.item = FindColumn(
      fields, {"itemid", "movieid", "item", "movie", "productid", "asin", "bookid", "isbn", "id"});
  format.title = FindColumn(fields, {"title", "movietitle", "booktitle", "name", "itemname"});
  format.genres = FindColumn(fields, {"genres", "genre", "categories", "category"});
  if (format.item == fields.size() || format.title == fields.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("no column for the ", format.item == fields.size() ? "item" : "title", " in ",
                     Quoted(first_line), ", expected a header as \"movieId,title,genres\""));
  }
  return format;
}

std::string GenresOf(const std::vector<std::string>& fields, const TitleFormat& format) {
  if (format.delimiter != "|") {
    return format.genres < fields.size() ? fields[format.genres] : std::string();
  }
  std::vector<std::string> genres;
  for (std::size_t k = 0; k < format.flag_names.size(); ++k) {
    if (fields[kItemFlagsBegin + k] == "1") genres.push_back(format.flag_names[k]);
  }
  return absl::StrJoin(genres, "|");
}

/// Checks the fields of one line and adds its title.
absl::Status AddTitle(std::string_view line, const TitleFormat& format, Encoding encoding,
                      std::vector<std::string>* fields, Titles* titles) {
  const std::optional<std::string> decoded = Decode(line, encoding);
  if (!decoded.has_value()) {
    return absl::InvalidArgumentError("not UTF-8 (--encoding latin-1 reads that)");
  }
  absl::Status split = Split(*decoded, format, fields);
  if (!split.ok()) return split;
  const std::size_t expected =
      format.flag_names.empty() ? format.fields : kItemFlagsBegin + format.flag_names.size();
  if (fields->size() != expected || fields->size() < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat(fields->size(), " fields, expected ", std::max<std::size_t>(expected, 2)));
  }
  const std::string& item = (*fields)[format.item];
  if (item.empty()) return absl::InvalidArgumentError("the item is empty");
  titles->try_emplace(item, ItemText{(*fields)[format.title], GenresOf(*fields, format)});
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Titles> ReadTitles(const TitleOptions& options, BadLines* bad_lines) {
  const absl::StatusOr<std::string> text = ReadFile(options.path);
  if (!text.ok()) return text.status();
  const auto at = [&options](std::size_t line, absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(options.path, ":", line, ": ", what));
  };
  const std::vector<std::string_view> lines = TextLines(*text);
  if (lines.empty()) return at(1, "the file is empty");
  absl::StatusOr<TitleFormat> format = Detect(lines[0], options);
  if (!format.ok()) return at(1, format.status().message());
  if (format->delimiter == "|") {
    absl::StatusOr<std::vector<std::string>> names = ReadFlagNames(options);
    if (!names.ok()) return names.status();
    format->flag_names = *std::move(names);
  }
  // Old MovieLens files are latin-1 and newer ones of the same shape UTF-8; CSV is UTF-8. A file is
  // of one kind throughout: single latin-1 lines may look like UTF-8.
  Encoding encoding = options.encoding;
  if (encoding == Encoding::kAutomatic) {
    encoding = format->header || IsUtf8(*text) ? Encoding::kUtf8 : Encoding::kLatin1;
  }
  Titles titles;
  std::vector<std::string> fields;
  for (std::size_t k = format->header ? 1 : 0; k < lines.size(); ++k) {
    if (lines[k].empty()) continue;
    const absl::Status added = AddTitle(lines[k], *format, encoding, &fields, &titles);
    if (added.ok()) continue;
    const absl::Status bad = at(k + 1, added.message());
    if (!options.skip_bad_lines) return bad;
    bad_lines->Add(std::string(bad.message()));
  }
  return titles;
}

}  // namespace cf

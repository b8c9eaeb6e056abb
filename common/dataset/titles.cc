#include "common/dataset/titles.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <utility>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>

#include "common/base/check.h"
#include "common/base/files.h"
#include "common/dataset/file_kind.h"
#include "common/dataset/reading.h"
#include "common/dataset/record_table.h"
#include "common/dataset/text.h"
#include "common/dataset/title_table.h"

namespace cf {
namespace {

/// u.item: id, title, two dates, an address, then one flag for each genre.
constexpr std::size_t kItemFlagsBegin = 5;

absl::Status Wrong(const std::string& what) {
  return absl::InvalidArgumentError(what);
}

}  // namespace

absl::StatusOr<TitleColumns> ParseTitleColumns(const std::string& text) {
  TitleColumns columns;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    const std::pair<std::string, std::string> pair = absl::StrSplit(part, absl::MaxSplits('=', 1));
    std::string* const column = pair.first == "item"     ? &columns.item
                                : pair.first == "title"  ? &columns.title
                                : pair.first == "genres" ? &columns.genres
                                                         : nullptr;
    if (column == nullptr || pair.second.empty() || !column->empty()) {
      return Wrong(absl::StrCat("--title-columns: ", Quoted(std::string(part)),
                                ", expected item=NAME,title=NAME[,genres=NAME]"));
    }
    *column = pair.second;
  }
  return columns;
}

absl::Status TitleFile::At(std::uint64_t line, absl::string_view what) const {
  return Wrong(absl::StrCat(path_, ":", line, ": ", what));
}

absl::Status TitleFile::Split(std::string_view record, std::vector<std::string>* fields) const {
  fields->clear();
  FieldReader reader(record, format_.syntax.separator, format_.syntax.quotes);
  for (std::string_view field; reader.Next(&field);) fields->emplace_back(field);
  return reader.error() == nullptr ? absl::OkStatus() : Wrong(reader.error());
}

absl::Status TitleFile::Detect(const TitleOptions& options) {
  const TableStart start = FindTableStart(text_);
  const std::string_view text = std::string_view(text_).substr(start.begin);
  FileFormat kind = options.format;
  std::string separator = options.separator.empty() ? SeparatorOf(kind) : options.separator;
  if (separator.empty()) separator = start.separator;
  if (kind == FileFormat::kAutomatic && separator.empty() && LooksLikeGenreFlags(text)) {
    kind = FileFormat::kPipes;
    separator = "|";
  }
  const RecordTable table =
      kind == FileFormat::kPipes
          ? ReadTable(text, true, {.separator = separator, .quotes = false}, kTitleRowsLookedAt)
          : ReadTitleTable(text, separator);
  if (table.rows.empty()) return At(1, "the file has blank lines only");
  format_.syntax = table.syntax;
  format_.has_flags = kind == FileFormat::kPipes;
  const std::vector<std::string>& first = table.rows.front();
  const bool plain = kind == FileFormat::kPipes || table.syntax.separator == "::";
  format_.header = !plain || (table.syntax.separator == "::" && PlaceOf(first, TitleNames()) >= 0);
  const std::uint64_t line = LinesOf(std::string_view(text_).substr(0, start.begin)) + 1;
  if (!table.error.empty()) return At(line, table.error);
  format_.fields = format_.header ? first.size() : UsualFields(table);
  begin_ = start.begin + (format_.header ? table.first_end : 0);
  first_line_ = LinesOf(std::string_view(text_).substr(0, begin_)) + 1;
  // Old MovieLens files are latin-1 and newer ones of the same shape UTF-8; tables with a header
  // are UTF-8. A file is of one kind throughout: single latin-1 lines may look like UTF-8.
  format_.encoding = options.encoding;
  if (format_.encoding == Encoding::kAutomatic) {
    const bool latin1 = !format_.header && !IsUtf8(text_) && MayBeLatin1(text_);
    format_.encoding = latin1 ? Encoding::kLatin1 : Encoding::kUtf8;
  }
  if (format_.header) format_.names = first;
  absl::Status placed = PlaceColumns(options);
  return placed.ok() ? placed : At(line, placed.message());
}

absl::Status TitleFile::PlaceColumns(const TitleOptions& options) {
  if (!format_.header) {
    if (!options.columns.empty()) return Wrong("--title-columns: this file has no header");
    format_.item = 0;
    format_.title = 1;
    format_.genres = format_.fields > 2 && !format_.has_flags ? 2 : -1;
    return absl::OkStatus();
  }
  const std::vector<std::string>& names = format_.names;
  const auto choose = [&names](const std::string& choice, int* place) -> absl::Status {
    if (choice.empty()) return absl::OkStatus();
    const auto exact = std::find(names.begin(), names.end(), choice);
    const std::string normalized = NormalizedName(choice);
    *place = exact != names.end() ? static_cast<int>(exact - names.begin())
                                  : PlaceOf(names, std::array<std::string_view, 1>{normalized});
    if (*place >= 0) return absl::OkStatus();
    return Wrong(absl::StrCat("--title-columns: no column ", Quoted(choice), " among ",
                              Quoted(absl::StrJoin(names, ","))));
  };
  format_.title = PlaceOf(names, TitleNames());
  format_.genres = options.columns.empty() ? PlaceOf(names, GenreNames()) : -1;
  std::size_t ids = 0;
  for (std::size_t k = 0; k < names.size(); ++k) {
    const auto place = static_cast<int>(k);
    if (place == format_.title || place == format_.genres || !IsNameOfId(names[k])) continue;
    format_.only_id = ++ids == 1 ? place : -1;
  }
  absl::Status status = choose(options.columns.item, &format_.item);
  if (status.ok()) status = choose(options.columns.title, &format_.title);
  if (status.ok()) status = choose(options.columns.genres, &format_.genres);
  if (!status.ok()) return status;
  if (names.size() < 2 || format_.title < 0) {
    return Wrong(absl::StrCat("no column for the title in ", Quoted(absl::StrJoin(names, ",")),
                              ", expected a header as \"movieId,title,genres\"; --title-columns "
                              "item=NAME,title=NAME says which it is"));
  }
  return absl::OkStatus();
}

absl::Status TitleFile::ReadFlagNames(const TitleOptions& options) {
  if (!format_.has_flags) {
    if (options.genres_path.empty()) return absl::OkStatus();
    return Wrong(absl::StrCat("--genres ", options.genres_path, ": names the flags of u.item, and ",
                              path_, " has none"));
  }
  std::string path = options.genres_path;
  if (path.empty()) {
    path = (std::filesystem::path(options.path).parent_path() / "u.genre").string();
    std::error_code error;
    if (!std::filesystem::exists(path, error)) return absl::OkStatus();
  }
  absl::StatusOr<std::vector<std::string>> names = ReadGenreFlags(path);
  if (!names.ok()) return names.status();
  format_.flag_names = *std::move(names);
  if (!format_.flag_names.empty()) format_.fields = kItemFlagsBegin + format_.flag_names.size();
  return absl::OkStatus();
}

absl::Status TitleFile::CheckRecord(std::string_view record,
                                    std::vector<std::string>* fields) const {
  absl::Status split = Split(record, fields);
  if (!split.ok()) return split;
  if (fields->size() != format_.fields || fields->size() < 2) {
    const std::string separator = SeparatorName(format_.syntax.separator);
    return Wrong(
        absl::StrCat(fields->size(), fields->size() == 1 ? " field" : " fields", ", expected ",
                     std::max<std::size_t>(format_.fields, 2), " separated by ", separator,
                     fields->size() > format_.fields && format_.syntax.quotes
                         ? absl::StrCat("; a title that has ", separator, " must be in quotes")
                         : ""));
  }
  const int item = format_.item >= 0 ? format_.item : format_.only_id;
  if (item >= 0 && (*fields)[static_cast<std::size_t>(item)].empty()) {
    return Wrong("the item is empty");
  }
  return absl::OkStatus();
}

absl::Status TitleFile::CheckRecords(const TitleOptions& options, BadLines* bad_lines) {
  std::vector<std::string> fields;
  std::uint64_t line = first_line_;
  for (std::string_view rest = std::string_view(text_).substr(begin_); !rest.empty();) {
    const std::string_view whole = rest.substr(0, RecordBytes(rest, format_.syntax, true));
    rest.remove_prefix(whole.size());
    const std::uint64_t place = line;
    line += LinesOf(whole);
    if (IsBlank(whole)) continue;
    std::optional<std::string> decoded = Decode(WithoutEndOfLine(whole), format_.encoding);
    absl::Status status = Wrong("not UTF-8 (--encoding latin-1 or cp1252 reads that)");
    if (decoded.has_value()) status = CheckRecord(*decoded, &fields);
    if (status.ok()) {
      records_.push_back(*std::move(decoded));
      continue;
    }
    const absl::Status bad = At(place, status.message());
    if (!options.skip_bad_lines) return bad;
    bad_lines->Add(std::string(bad.message()));
  }
  if (!records_.empty()) return absl::OkStatus();
  return bad_lines->count > 0 ? At(line, "every line was malformed, as " + bad_lines->first)
                              : At(line, "expected titles, the file ends");
}

absl::Status TitleFile::FindGenreSeparator(const TitleOptions& options) {
  if (format_.genres < 0) return absl::OkStatus();
  std::array<std::size_t, 3> having{};
  constexpr std::array<char, 3> kSeparators = {'|', ',', ';'};
  std::vector<std::string> fields;
  for (const std::string& record : records_) {
    Check(Split(record, &fields).ok(), "a record that was checked splits");
    const std::string& genres = fields[static_cast<std::size_t>(format_.genres)];
    if (genres.starts_with('[') || genres.starts_with('{')) {
      return Wrong(absl::StrCat(path_, ": the genres are written as ", Quoted(genres),
                                ", expected Action|Comedy; --title-columns item=NAME,title=",
                                options.columns.title.empty()
                                    ? format_.names[static_cast<std::size_t>(format_.title)]
                                    : options.columns.title,
                                " leaves them out"));
    }
    for (std::size_t k = 0; k < kSeparators.size(); ++k) {
      if (genres.find(kSeparators[k]) != std::string::npos) ++having[k];
    }
  }
  for (std::size_t k = 0; k < kSeparators.size(); ++k) {
    if (having[k] == 0) continue;
    format_.genre_separator = kSeparators[k];
    break;
  }
  return absl::OkStatus();
}

absl::StatusOr<TitleFile> TitleFile::Open(const TitleOptions& options, BadLines* bad_lines) {
  absl::StatusOr<std::string> text = ReadFile(options.path);
  if (!text.ok()) return text.status();
  TitleFile file;
  file.path_ = options.path;
  file.text_ = *std::move(text);
  if (file.text_.empty()) return file.At(1, "the file is empty");
  const std::string other = NotATable(file.text_, options.path);
  if (!other.empty()) return Wrong(absl::StrCat(options.path, ": ", other));
  absl::Status status = file.Detect(options);
  if (status.ok()) status = file.ReadFlagNames(options);
  BadLines bad;
  if (status.ok()) status = file.CheckRecords(options, &bad);
  if (status.ok()) status = file.FindGenreSeparator(options);
  if (!status.ok()) return status;
  bad_lines->Join(bad);
  return file;
}

absl::StatusOr<int> TitleFile::ItemColumn(const Vocabulary& rated) const {
  if (format_.item >= 0) return format_.item;
  absl::flat_hash_map<std::string, std::uint32_t> codes;
  for (std::uint32_t code = 0; code < rated.size(); ++code) codes.emplace(rated.Text(code), code);
  std::vector<std::vector<bool>> seen(format_.fields, std::vector<bool>(rated.size()));
  std::vector<std::size_t> joined(format_.fields);
  std::vector<std::string> fields;
  for (const std::string& record : records_) {
    Check(Split(record, &fields).ok(), "a record that was checked splits");
    for (std::size_t k = 0; k < fields.size(); ++k) {
      const auto code = codes.find(fields[k]);
      if (code == codes.end() || seen[k][code->second]) continue;
      seen[k][code->second] = true;
      ++joined[k];
    }
  }
  std::vector<int> called;  // The columns that are called like an id.
  std::vector<int> half;    // Those that have half of the rated items.
  for (std::size_t k = 0; k < format_.fields; ++k) {
    const auto place = static_cast<int>(k);
    if (place == format_.title || place == format_.genres) continue;
    if (IsNameOfId(format_.names[k])) called.push_back(place);
    if (rated.size() > 0 && 2 * joined[k] >= rated.size()) half.push_back(place);
  }
  if (called.size() == 1 && (half.empty() || half == called)) return called.front();
  if (half.size() == 1 &&
      100 * joined[static_cast<std::size_t>(half.front())] >= 95 * rated.size()) {
    return half.front();
  }
  const std::vector<int>& open = half.size() > 1 ? half : called;
  std::vector<std::string> having;
  for (const int place : open) {
    const auto k = static_cast<std::size_t>(place);
    having.push_back(absl::StrCat(Quoted(format_.names[k]), " has ", joined[k], " of ",
                                  rated.size(), " rated items"));
  }
  return At(
      first_line_ - 1,
      absl::StrCat("no column is surely the item", having.empty() ? "" : ": ",
                   absl::StrJoin(having, ", "), "; --title-columns item=NAME,title=",
                   format_.names[static_cast<std::size_t>(format_.title)], " says which it is"));
}

std::string TitleFile::GenresOf(const std::vector<std::string>& fields) const {
  std::vector<std::string> genres;
  if (format_.has_flags) {
    for (std::size_t k = 0; k < format_.flag_names.size(); ++k) {
      if (fields[kItemFlagsBegin + k] == "1") genres.push_back(format_.flag_names[k]);
    }
    return absl::StrJoin(genres, "|");
  }
  if (format_.genres < 0) return "";
  const std::string& field = fields[static_cast<std::size_t>(format_.genres)];
  if (format_.genre_separator == "|") return field;
  for (const absl::string_view part : absl::StrSplit(field, format_.genre_separator)) {
    const std::string_view genre = Trim({part.data(), part.size()});
    if (!genre.empty()) genres.emplace_back(genre);
  }
  return absl::StrJoin(genres, "|");
}

absl::StatusOr<Titles> TitleFile::Join(const Vocabulary& rated) {
  const absl::StatusOr<int> item = ItemColumn(rated);
  if (!item.ok()) return item.status();
  joined_by_ = *item;
  other_titles_ = 0;
  Titles titles;
  std::vector<std::string> fields;
  for (const std::string& record : records_) {
    Check(Split(record, &fields).ok(), "a record that was checked splits");
    const std::string& raw_id = fields[static_cast<std::size_t>(*item)];
    if (raw_id.empty()) continue;  // No rating has it.
    const std::string& title = fields[static_cast<std::size_t>(format_.title)];
    const auto [place, added] = titles.try_emplace(raw_id, ItemText{title, GenresOf(fields)});
    if (!added && place->second.title != title) ++other_titles_;
  }
  return titles;
}

std::string TitleFile::Note() const {
  const bool unnamed =
      format_.has_flags && format_.flag_names.empty() && format_.fields > kItemFlagsBegin;
  if (unnamed) return "no genres: u.genre (--genres) names the flags of u.item";
  if (other_titles_ == 0) return "";
  return absl::StrCat(other_titles_, other_titles_ == 1 ? " title" : " titles",
                      " left out, for an item before has the same id and another title");
}

std::string TitleFile::Describe() const {
  std::string text = absl::StrCat(
      path_, ": ", DescribeSyntax(format_.syntax, format_.header, format_.encoding), "\n  ");
  std::vector<std::string> left_out;
  const auto name = [this](int place) {
    const auto k = static_cast<std::size_t>(place);
    return k < format_.names.size() ? ColumnText(format_.names[k]) : absl::StrCat(place + 1);
  };
  for (int k = 0; k < static_cast<int>(format_.names.size()); ++k) {
    if (k != joined_by_ && k != format_.title && k != format_.genres) left_out.push_back(name(k));
  }
  absl::StrAppend(&text, joined_by_ < 0 ? "" : absl::StrCat("item ", name(joined_by_), ", "),
                  "title ", name(format_.title));
  if (format_.genres >= 0) {
    absl::StrAppend(&text, ", genres ", name(format_.genres), " separated by \"",
                    format_.genre_separator, "\"");
  } else if (!format_.flag_names.empty()) {
    absl::StrAppend(&text, ", ", format_.flag_names.size(), " genres as flags");
  }
  if (!left_out.empty()) absl::StrAppend(&text, "; left out: ", absl::StrJoin(left_out, ", "));
  return text + "\n";
}

}  // namespace cf

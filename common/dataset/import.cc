#include "common/dataset/import.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_set.h>
#include <absl/strings/str_cat.h>

#include "common/base/status.h"
#include "common/dataset/dataset.h"
#include "common/dataset/titles.h"

namespace cf {

namespace {

/// Refuses options that would decide nothing.
absl::Status CheckOptions(const ImportOptions& options) {
  const auto wrong = [](const char* what) { return absl::InvalidArgumentError(what); };
  if (options.titles.empty()) {
    if (options.item_key == ItemKey::kTitle) return wrong("--item-key title needs --titles");
    if (!options.genres.empty()) return wrong("--genres without --titles names nothing");
    if (!options.title_columns.empty())
      return wrong("--title-columns without --titles names nothing");
    if (options.titles_format != FileFormat::kAutomatic) {
      return wrong("--titles-format without --titles decides nothing");
    }
  }
  const auto inputs = std::count(options.ratings.begin(), options.ratings.end(), "-") +
                      (options.validation == "-" ? 1 : 0);
  if (inputs > 1) return wrong("standard input (-) is one file, and is named twice");
  if (options.titles == "-") return wrong("--titles -: titles are read from a file");
  if (!options.records.separator.empty() && options.records.format != FileFormat::kAutomatic) {
    return wrong("--separator and --format both say what separates the columns; give one");
  }
  return absl::OkStatus();
}

/// The titles that the options name; none where they name none.
absl::StatusOr<std::optional<TitleFile>> TitlesOf(const ImportOptions& options,
                                                  BadLines* bad_lines) {
  if (options.titles.empty()) return std::nullopt;
  absl::StatusOr<TitleFile> titles = TitleFile::Open({.path = options.titles,
                                                      .genres_path = options.genres,
                                                      .format = options.titles_format,
                                                      .encoding = options.records.encoding,
                                                      .columns = options.title_columns,
                                                      .skip_bad_lines = options.skip_bad_lines},
                                                     bad_lines);
  if (!titles.ok()) return titles.status();
  return *std::move(titles);
}

DatasetWriterOptions WriterOptionsOf(const ImportOptions& options) {
  DatasetWriterOptions writer_options = {.folder = options.out,
                                         .name = options.name,
                                         .sources = options.ratings,
                                         .has_validation = !options.validation.empty(),
                                         .overwrite = options.overwrite,
                                         .duplicates = options.duplicates,
                                         .threads = options.threads,
                                         .progress = options.progress};
  for (const std::string& source : {options.validation, options.titles}) {
    if (!source.empty()) writer_options.sources.push_back(source);
  }
  return writer_options;
}

absl::Status ReadAll(const ImportOptions& options, RatingsReader* reader, ImportSummary* summary) {
  for (const std::string& path : options.ratings) {
    absl::Status read = reader->Read(path, /*validation=*/false);
    if (!read.ok()) return read;
  }
  if (!options.validation.empty()) {
    absl::Status read = reader->Read(options.validation, /*validation=*/true);
    if (!read.ok()) return read;
  }
  summary->lines = reader->lines();
  summary->samples = reader->samples();
  summary->dropped = reader->dropped();
  summary->readings = reader->readings();
  summary->bad_lines.Join(reader->bad_lines());
  const bool by_time =
      options.duplicates == Duplicates::kNewest || options.duplicates == Duplicates::kOldest;
  if (!by_time || reader->has_timestamps()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(options.ratings.front(),
                   ":1: --duplicates newest and oldest need a timestamp, and no column is one"));
}

/// The titles that no rated item has, by raw id: numbers first, by value.
std::vector<UnratedItem> UnratedOf(const Titles& titles, const Vocabulary& items, ItemKey key) {
  absl::flat_hash_set<std::string> rated;
  for (std::uint32_t code = 0; code < items.size(); ++code) rated.insert(items.Text(code));
  std::vector<UnratedItem> unrated;
  for (const auto& [raw_id, text] : titles) {
    if (!rated.contains(raw_id)) unrated.push_back({.raw_id = raw_id, .text = text});
  }
  const auto order = [](const UnratedItem& item) {
    const std::optional<std::int64_t> number = NumberOf(item.raw_id);
    return std::tuple(!number.has_value(), number.value_or(0), std::string_view(item.raw_id));
  };
  std::sort(unrated.begin(), unrated.end(),
            [&](const UnratedItem& a, const UnratedItem& b) { return order(a) < order(b); });
  // Where titles are the raw ids, the lowest raw id of the file gives the genres, as of rated items.
  if (key == ItemKey::kTitle) {
    for (UnratedItem& item : unrated) item.raw_id = item.text.title;
  }
  return unrated;
}

/// Gives the items their titles and, where the options say so, raw ids that are these.
absl::Status GiveTitles(const ImportOptions& options, TitleFile* file, const Vocabulary& items,
                        DatasetWriter* writer, ImportSummary* summary) {
  const absl::StatusOr<Titles> titles = file->Join(items);
  if (!titles.ok()) return titles.status();
  std::vector<ItemText> texts(items.size());
  std::vector<std::string> untitled;
  for (std::uint32_t code = 0; code < items.size(); ++code) {
    const std::string raw_id = items.Text(code);
    const auto title = titles->find(raw_id);
    if (title == titles->end()) {
      untitled.push_back(raw_id);
    } else {
      texts[code] = title->second;
    }
  }
  const std::uint64_t found = items.size() - untitled.size();
  summary->titles = titles->size();
  summary->titles_reading = file->Describe();
  summary->titles_note = file->Note();
  summary->titled = {.joined = found, .all = items.size()};
  if (!untitled.empty()) {
    std::vector<std::string> known;
    for (const auto& [raw_id, unused] : *titles) known.push_back(raw_id);
    std::sort(known.begin(), known.end());
    summary->titled.hint = NearMiss(untitled, known);
  }
  if (options.item_key == ItemKey::kTitle) {
    absl::StatusOr<RekeyedItems> rekeyed = RekeyByTitle(items, *titles);
    if (!rekeyed.ok()) return Because(rekeyed.status(), options.titles);
    writer->KeyItemsByTitle(std::move(rekeyed->items), rekeyed->code_of);
    texts = std::move(rekeyed->texts);
  }
  writer->SetItemTexts(std::move(texts));
  std::vector<UnratedItem> unrated = UnratedOf(*titles, items, options.item_key);
  summary->titles_without_ratings = unrated.size();
  writer->SetUnratedItems(std::move(unrated));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ImportSummary> Import(const ImportOptions& options) {
  ImportSummary summary;
  absl::Status sound = CheckOptions(options);
  if (!sound.ok()) return sound;
  // Titles first: they are small, and a mistake in them is found before the long read.
  absl::StatusOr<std::optional<TitleFile>> titles = TitlesOf(options, &summary.bad_lines);
  if (!titles.ok()) return titles.status();
  // Once before reading, to refuse early; again after it, when the columns are known.
  DatasetWriterOptions writer_options = WriterOptionsOf(options);
  if (options.dry_run) {
    writer_options.folder = options.out.empty() ? "out" : options.out;
    writer_options.overwrite = true;
  }
  absl::StatusOr<DatasetWriter> writer = DatasetWriter::Create(writer_options);
  if (!writer.ok()) return writer.status();

  RatingsReader reader({.records = options.records,
                        .drop_ratings = options.drop_ratings,
                        .min_rating = options.min_rating,
                        .skip_bad_lines = options.skip_bad_lines,
                        .threads = options.threads,
                        .progress = options.progress});
  absl::Status read = ReadAll(options, &reader, &summary);
  if (!read.ok()) return read;

  writer_options.has_ratings = reader.has_ratings();
  writer_options.has_timestamps = reader.has_timestamps();
  writer = DatasetWriter::Create(std::move(writer_options));
  if (!writer.ok()) return writer.status();
  const Vocabulary items = reader.MoveInto(&*writer);
  summary.user_twins = FindTwins(writer->users());
  summary.item_twins = FindTwins(items);
  if (titles->has_value()) {
    absl::Status given = GiveTitles(options, &**titles, items, &*writer, &summary);
    if (!given.ok()) return given;
  }
  if (options.dry_run) return summary;
  const absl::StatusOr<WriteSummary> written = writer->Finish();
  if (!written.ok()) return written.status();
  summary.written = *written;
  if (options.validation.empty()) return summary;
  const absl::StatusOr<Dataset> data = Dataset::Open(options.out);
  if (!data.ok()) return data.status();
  summary.validation = JoinValidation(*data);
  return summary;
}

}  // namespace cf

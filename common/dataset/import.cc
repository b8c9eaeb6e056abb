#include "common/dataset/import.h"

#include <utility>
#include <vector>

#include "common/base/status.h"
#include "common/dataset/titles.h"

namespace cf {

namespace {

/// The titles that the options name; none where they name none.
absl::StatusOr<Titles> TitlesOf(const ImportOptions& options, BadLines* bad_lines) {
  if (options.titles.empty()) return Titles();
  return ReadTitles({.path = options.titles,
                     .genres_path = options.genres,
                     .format = options.titles_format,
                     .encoding = options.records.encoding,
                     .skip_bad_lines = options.skip_bad_lines},
                    bad_lines);
}

DatasetWriterOptions WriterOptionsOf(const ImportOptions& options) {
  DatasetWriterOptions writer_options = {.folder = options.out,
                                         .name = options.name,
                                         .has_validation = !options.validation.empty(),
                                         .overwrite = options.overwrite,
                                         .duplicates = options.duplicates,
                                         .threads = options.threads,
                                         .progress = options.progress};
  for (const std::string& source : {options.ratings, options.validation, options.titles}) {
    if (!source.empty()) writer_options.sources.push_back(source);
  }
  return writer_options;
}

/// Gives the items their titles and, where the options say so, raw ids that are these.
absl::Status GiveTitles(const ImportOptions& options, const Titles& titles, const Vocabulary& items,
                        DatasetWriter* writer, ImportSummary* summary) {
  std::vector<ItemText> texts(items.size());
  std::uint64_t found = 0;
  for (std::uint32_t code = 0; code < items.size(); ++code) {
    const auto title = titles.find(items.Text(code));
    if (title == titles.end()) continue;
    texts[code] = title->second;
    ++found;
  }
  summary->titles_without_ratings = titles.size() - found;
  if (options.item_key == ItemKey::kTitle) {
    absl::StatusOr<RekeyedItems> rekeyed = RekeyByTitle(items, titles);
    if (!rekeyed.ok()) return Because(rekeyed.status(), options.titles);
    writer->KeyItemsByTitle(std::move(rekeyed->items), rekeyed->code_of);
    texts = std::move(rekeyed->texts);
  }
  writer->SetItemTexts(std::move(texts));
  writer->SetTitlesWithoutRatings(summary->titles_without_ratings);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ImportSummary> Import(const ImportOptions& options) {
  ImportSummary summary;
  if (options.item_key == ItemKey::kTitle && options.titles.empty()) {
    return absl::InvalidArgumentError("--item-key title needs --titles");
  }
  // Titles first: they are small, and a mistake in them is found before the long read.
  const absl::StatusOr<Titles> titles = TitlesOf(options, &summary.bad_lines);
  if (!titles.ok()) return titles.status();
  summary.titles = titles->size();
  // Once before reading, to refuse early; again after it, when the columns are known.
  DatasetWriterOptions writer_options = WriterOptionsOf(options);
  absl::StatusOr<DatasetWriter> writer = DatasetWriter::Create(writer_options);
  if (!writer.ok()) return writer.status();

  RatingsReader reader({.records = options.records,
                        .skip_bad_lines = options.skip_bad_lines,
                        .threads = options.threads,
                        .progress = options.progress});
  absl::Status read = reader.Read(options.ratings, /*validation=*/false);
  if (read.ok() && !options.validation.empty()) {
    read = reader.Read(options.validation, /*validation=*/true);
  }
  if (!read.ok()) return read;
  summary.lines = reader.lines();
  summary.bad_lines.Join(reader.bad_lines());

  writer_options.has_ratings = reader.has_ratings();
  writer_options.has_timestamps = reader.has_timestamps();
  writer = DatasetWriter::Create(std::move(writer_options));
  if (!writer.ok()) return writer.status();
  const Vocabulary items = reader.MoveInto(&*writer);
  if (!titles->empty()) {
    const absl::Status given = GiveTitles(options, *titles, items, &*writer, &summary);
    if (!given.ok()) return given;
  }
  const absl::StatusOr<WriteSummary> written = writer->Finish();
  if (!written.ok()) return written.status();
  summary.written = *written;
  return summary;
}

}  // namespace cf

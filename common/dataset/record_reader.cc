#include "common/dataset/record_reader.h"

#include <absl/strings/str_cat.h>

namespace cf {

absl::StatusOr<std::unique_ptr<RecordReader>> RecordReader::Open(const std::string& path,
                                                                 const RecordOptions& options) {
  std::unique_ptr<RecordReader> reader(new RecordReader());
  absl::Status opened = reader->source_.Open(path);
  if (!opened.ok()) return opened;
  absl::StatusOr<RecordFormat> format =
      DetectRecordFormat(reader->source_.sample(), reader->source_.whole(), options);
  if (!format.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(reader->source_.name(), ":1: ", format.status().message()));
  }
  reader->format_ = *std::move(format);
  reader->format_.empty_ratings = options.rating == Need::kOptional;
  reader->format_.empty_items = options.empty_items;
  reader->source_.Begin(reader->format_.begin, reader->format_.syntax);
  reader->next_line_ = reader->format_.lines_before + 1;
  return reader;
}

std::string RecordReader::Place() const {
  return absl::StrCat(source_.name(), ":", line_);
}

absl::StatusOr<bool> RecordReader::Next(Record* record) {
  for (;;) {
    if (rest_.empty()) {
      const absl::StatusOr<std::optional<RecordSource::Piece>> piece = source_.Next(&buffer_);
      if (!piece.ok()) return piece.status();
      if (!piece->has_value()) return false;
      rest_ = (*piece)->text;
    }
    const std::size_t bytes = RecordBytes(rest_, format_.syntax, /*whole=*/true);
    const std::string_view text = WithoutEndOfLine(rest_.substr(0, bytes));
    line_ = next_line_;
    next_line_ += LinesOf(rest_.substr(0, bytes));
    rest_.remove_prefix(bytes);
    if (IsBlank(text)) continue;
    const absl::Status status = ParseRecord(format_, text, &parsed_);
    if (!status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(Place(), ": ", status.message()));
    }
    record->user = format_.user >= 0 ? parsed_.user.Text() : "";
    record->item = format_.item >= 0 ? parsed_.item.Text() : "";
    record->rating = format_.rating >= 0 && parsed_.has_rating
                         ? std::optional<float>(parsed_.rating)
                         : std::nullopt;
    record->timestamp =
        format_.timestamp >= 0 ? std::optional<std::int64_t>(parsed_.timestamp) : std::nullopt;
    return true;
  }
}

}  // namespace cf

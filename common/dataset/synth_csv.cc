#include <charconv>
#include <filesystem>
#include <span>

#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "common/base/status.h"
#include "common/dataset/column_file.h"
#include "common/dataset/synth.h"
#include "common/text/csv.h"

namespace cf {
namespace {

/// Appends to a new file in large pieces. Owner: one call of WriteSynthCsv.
class PieceWriter {
 public:
  explicit PieceWriter(std::string path) : file_(std::move(path)) {}
  absl::Status Open() { return file_.Open(); }

  absl::Status Append(const std::string& text) {
    absl::Status status = file_.WriteAt<char>(written_, text);
    written_ += text.size();
    return status;
  }

  absl::Status Sync() { return file_.Sync(); }

 private:
  ColumnFile file_;
  std::uint64_t written_ = 0;
};

absl::Status WriteRatings(const SynthData& data, const std::string& path) {
  PieceWriter file(path);
  absl::Status status = file.Open();
  if (status.ok()) status = file.Append("userId,movieId,rating,timestamp\n");
  for (std::size_t b = 0; b < data.blocks.size() && status.ok(); ++b) {
    const SampleBlock& block = data.blocks[b];
    std::string text;
    char rating[32];
    for (std::size_t k = 0; k < block.users.size(); ++k) {
      const auto [end, error] = std::to_chars(rating, rating + sizeof rating, block.ratings[k],
                                              std::chars_format::fixed, 1);
      Check(error == std::errc(), "a rating fits 32 characters");
      absl::StrAppend(&text, data.users.number(block.users[k]), ",",
                      data.items.number(block.items[k]), ",",
                      absl::string_view(rating, static_cast<std::size_t>(end - rating)), ",",
                      block.timestamps[k], "\n");
    }
    status = file.Append(text);
  }
  return status.ok() ? file.Sync() : status;
}

absl::Status WriteFilms(const SynthData& data, const std::string& path) {
  std::string text = "movieId,title,genres\n";
  for (std::uint32_t item = 0; item < data.texts.size(); ++item) {
    const ItemText& film = data.texts[item];
    absl::StrAppend(&text, data.items.number(item), ",", CsvField(film.title), ",", film.genres,
                    "\n");
  }
  return WriteColumn<char>(path, text);
}

}  // namespace

absl::Status WriteSynthCsv(const SynthData& data, const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return ErrnoError(error.value(), folder);
  absl::Status status = WriteRatings(data, folder + "/ratings.csv");
  return status.ok() ? WriteFilms(data, folder + "/movies.csv") : status;
}

}  // namespace cf

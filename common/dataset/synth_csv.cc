#include <charconv>
#include <filesystem>

#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "common/base/output_file.h"
#include "common/base/status.h"
#include "common/dataset/synth.h"
#include "common/text/csv.h"

namespace cf {
namespace {

void WriteRatings(const SynthData& data, OutputFile& file) {
  file.Write("userId,movieId,rating,timestamp\n");
  for (const SampleChunk& chunk : data.chunks) {
    if (!file.status().ok()) return;
    std::string text;
    char rating[32];
    for (std::size_t k = 0; k < chunk.users.size(); ++k) {
      const auto [end, error] = std::to_chars(rating, rating + sizeof rating, chunk.ratings[k],
                                              std::chars_format::fixed, 1);
      Check(error == std::errc(), "a rating fits 32 characters");
      absl::StrAppend(&text, data.users.number(chunk.users[k]), ",",
                      data.items.number(chunk.items[k]), ",",
                      absl::string_view(rating, static_cast<std::size_t>(end - rating)), ",",
                      chunk.timestamps[k], "\n");
    }
    file.Write(text);
  }
}

void WriteFilms(const SynthData& data, OutputFile& file) {
  file.Write("movieId,title,genres\n");
  for (std::uint32_t item = 0; item < data.texts.size(); ++item) {
    const ItemText& film = data.texts[item];
    file.Write(
        absl::StrCat(data.items.number(item), ",", CsvField(film.title), ",", film.genres, "\n"));
  }
}

}  // namespace

absl::Status WriteSynthCsv(const SynthData& data, const std::string& folder, bool overwrite) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return ErrnoError(error.value(), folder);
  absl::StatusOr<OutputFile> ratings =
      OutputFile::Create(folder + "/ratings.csv", {.overwrite = overwrite});
  if (!ratings.ok()) return ratings.status();
  absl::StatusOr<OutputFile> films =
      OutputFile::Create(folder + "/movies.csv", {.overwrite = overwrite});
  if (!films.ok()) return films.status();
  WriteRatings(data, *ratings);
  WriteFilms(data, *films);
  absl::Status status = ratings->Finish();
  if (status.ok()) status = films->Finish();
  if (status.ok()) status = ratings->Close();
  return status.ok() ? films->Close() : status;
}

}  // namespace cf

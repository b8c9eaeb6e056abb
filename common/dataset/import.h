#pragma once

#include <cstdint>
#include <string>

#include <absl/status/statusor.h>

#include "common/dataset/item_key.h"
#include "common/dataset/ratings_reader.h"
#include "common/dataset/record_format.h"
#include "common/dataset/writer.h"

namespace cf {

struct ImportOptions {
  std::string ratings = {};     ///< File of ratings or interactions.
  std::string validation = {};  ///< File of the given validation samples, or empty.
  std::string titles = {};      ///< File of titles, or empty.
  std::string genres = {};      ///< What names u.item's flags; empty: u.genre beside it.
  std::string out = {};         ///< Folder to make.
  std::string name = {};        ///< Of the data set; empty: the folder's.
  RecordOptions records = {.ask_for_rating = true};  ///< Of the files of ratings.
  FileFormat titles_format = FileFormat::kAutomatic;
  ItemKey item_key = ItemKey::kId;
  Duplicates duplicates = Duplicates::kLast;
  bool skip_bad_lines = false;
  bool overwrite = false;
  unsigned threads = 2;
  ProgressFunction progress = {};  ///< May be empty.
};

struct ImportSummary {
  WriteSummary written;
  std::uint64_t lines = 0;  ///< In the files of ratings.
  BadLines bad_lines;       ///< In all files.
  std::uint64_t titles = 0;
  std::uint64_t titles_without_ratings = 0;
};

/// Makes a data set folder out of text files. Errors are as RatingsReader, ReadTitles, RekeyByTitle
/// and DatasetWriter have them; after any of them `out` is as it was.
absl::StatusOr<ImportSummary> Import(const ImportOptions& options);

}  // namespace cf

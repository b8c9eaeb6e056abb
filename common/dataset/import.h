#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "common/dataset/id_join.h"
#include "common/dataset/item_key.h"
#include "common/dataset/ratings_reader.h"
#include "common/dataset/reading.h"
#include "common/dataset/record_format.h"
#include "common/dataset/titles.h"
#include "common/dataset/writer.h"

namespace cf {

struct ImportOptions {
  std::vector<std::string> ratings = {};  ///< Files of ratings or interactions; "-": a pipe.
  std::string validation = {};            ///< File of the given validation samples, or empty.
  std::string titles = {};                ///< File of titles, or empty.
  std::string genres = {};                ///< What names u.item's flags; empty: u.genre beside it.
  std::string out = {};                   ///< Folder to make.
  std::string name = {};                  ///< Of the data set; empty: the folder's.
  RecordOptions records = {.ask_for_rating = true};  ///< Of the files of ratings.
  FileFormat titles_format = FileFormat::kAutomatic;
  TitleColumns title_columns = {};
  ItemKey item_key = ItemKey::kId;
  Duplicates duplicates = Duplicates::kLast;
  std::vector<float> drop_ratings = {};  ///< Ratings that mean that there is none.
  std::optional<float> min_rating = {};  ///< Lower ones are left out.
  bool dry_run = false;                  ///< Reads everything and writes nothing.
  bool skip_bad_lines = false;
  bool overwrite = false;
  unsigned threads = 2;
  ProgressFunction progress = {};  ///< May be empty.
};

struct ImportSummary {
  WriteSummary written;           ///< Of a dry run nothing.
  std::uint64_t lines = 0;        ///< In the files of ratings.
  std::uint64_t samples = 0;      ///< Before repeated pairs are merged.
  std::uint64_t dropped = 0;      ///< Left out for their ratings.
  BadLines bad_lines;             ///< In all files.
  std::vector<Reading> readings;  ///< Of the files of ratings, then of validation.
  std::string titles_reading;     ///< How the titles are read; empty without a file of them.
  std::string titles_note;        ///< What the titles lack, or empty.
  std::uint64_t titles = 0;
  std::uint64_t titles_without_ratings = 0;
  Twins user_twins;                          ///< Users that may be one, written in several ways,
  Twins item_twins;                          ///< and items.
  JoinCount titled;                          ///< Of the rated items, those that have a title.
  std::optional<ValidationJoin> validation;  ///< Of a file of validation samples.
};

/// Makes a data set folder out of text files. Errors are as RatingsReader, TitleFile, RekeyByTitle
/// and DatasetWriter have them, and InvalidArgument for options without effect; after any of them
/// `out` is as it was.
absl::StatusOr<ImportSummary> Import(const ImportOptions& options);

}  // namespace cf

#pragma once

#include <string>

#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>

#include "common/dataset/ratings_reader.h"
#include "common/dataset/record_format.h"
#include "common/dataset/writer.h"

namespace cf {

struct TitleOptions {
  std::string path = {};
  /// The file that names the genre flags of u.item; if empty, u.genre beside it, if there is one.
  std::string genres_path = {};
  FileFormat format = FileFormat::kAutomatic;
  Encoding encoding = Encoding::kAutomatic;
  bool skip_bad_lines = false;
};

/// Titles and genres by raw id.
using Titles = absl::flat_hash_map<std::string, ItemText>;

/// Reads movies.csv (any CSV or TSV whose header has an item and a title), u.item or movies.dat; of
/// a raw id that comes twice the first. InvalidArgument names file and line of what is malformed,
/// unless such lines are skipped into `bad_lines`.
absl::StatusOr<Titles> ReadTitles(const TitleOptions& options, BadLines* bad_lines);

}  // namespace cf

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/dataset/synth_shape.h"
#include "common/dataset/vocabulary.h"
#include "common/dataset/writer.h"

namespace cf {

/// What generated ratings look like.
struct SynthOptions {
  std::string name = "synth";
  std::uint32_t users = 10'000;
  std::uint32_t items = 2'000;
  std::uint64_t ratings = 1'000'000;

  /// The figures of ratings per user and per item. Where a maximum is 0, they are made to fit the
  /// sizes above.
  double user_min = 0;
  double user_median = 0;
  double user_max = 0;
  double item_median = 0;
  double item_max = 0;

  double mean = 3.53;
  double deviation = 1.05;  ///< Of all ratings.
  double lowest = 0.5;
  double highest = 5.0;
  double step = 0.5;  ///< Ratings are multiples of it.

  std::uint32_t dim = 8;  ///< Of the vectors that the ratings are made from.
  double noise = 0.8;     ///< Deviation of what no model can learn, before rounding.

  /// The timestamps lie between these, in seconds since 1970.
  std::int64_t first_time = 789'652'009;   // January 1995.
  std::int64_t last_time = 1'427'784'002;  // March 2015.

  std::uint64_t seed = 42;
};

/// The shapes of known data sets: ml-100k, ml-1m, ml-latest-small, ml-20m. InvalidArgument names
/// them if there is none of that name.
absl::StatusOr<SynthOptions> SynthPreset(const std::string& name);

/// Generated samples, user by user in raw id order and by time within a user; every user and every
/// item has one at least, every pair at most one.
struct SynthData {
  std::vector<SampleChunk> chunks;
  Vocabulary users;  ///< 1, 2, 3...
  Vocabulary items;
  std::vector<ItemText> texts;  ///< By item code.
};

/// Makes ratings from a known truth: mean + user bias + item bias + <user vector, item vector> +
/// noise, all normal, rounded and cut to the scale. Items take half of their vector from their
/// genres, so that similar items look similar to people, too. The same options make the same
/// samples on any machine and with any number of threads. InvalidArgument says which option is out
/// of range. Bounds: 20 bytes for each sample, and 4 more while it runs. `progress` may be empty.
absl::StatusOr<SynthData> Synthesize(const SynthOptions& options, unsigned threads,
                                     const ProgressFunction& progress);

/// Writes ratings.csv (userId,movieId,rating,timestamp) and movies.csv (movieId,title,genres) as
/// MovieLens does, for other tools. Makes the folder; existing files are refused and kept
/// unless `overwrite` is given.
absl::Status WriteSynthCsv(const SynthData& data, const std::string& folder,
                           bool overwrite = false);

}  // namespace cf

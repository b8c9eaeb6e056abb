#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/dataset/statistics.h"
#include "common/dataset/vocabulary.h"

namespace cf {

class DatasetManifest;
struct DenseIds;

/// What becomes of several ratings of one pair (user, item). First and last are by the order of
/// appending, which is that of the records in the files; newest and oldest by the timestamps, of
/// equal ones the last and the first; mean and sum keep the last timestamp.
enum class Duplicates { kLast, kFirst, kMean, kSum, kNewest, kOldest };

/// Samples as columns, in the order of the file. Users and items are codes: numbers from 0 that
/// index the writer's vocabularies.
struct SampleChunk {
  std::vector<std::uint32_t> users = {};
  std::vector<std::uint32_t> items = {};
  std::vector<float> ratings = {};            ///< Empty if the data set has none.
  std::vector<std::int64_t> timestamps = {};  ///< Empty if the data set has none.
  bool validation = false;                    ///< Whether all of them are given validation samples.
};

/// Title and genres ("Action|Comedy") of an item; empty where unknown.
struct ItemText {
  std::string title;
  std::string genres;
};

/// An item of the title file that no sample has.
struct UnratedItem {
  std::string raw_id;
  ItemText text;
};

/// Called now and then with what is being done and how much of it, from the thread that called us.
using ProgressFunction =
    std::function<void(const std::string& doing, std::uint64_t done, std::uint64_t total)>;

struct DatasetWriterOptions {
  std::string folder = {};
  std::string name = {};                  ///< The folder's own name if empty.
  std::vector<std::string> sources = {};  ///< What it was made from, for people.
  bool has_ratings = true;
  bool has_timestamps = false;
  bool has_validation = false;
  bool overwrite = false;  ///< Whether an existing data set may be replaced.
  Duplicates duplicates = Duplicates::kLast;
  unsigned threads = 2;
  ProgressFunction progress = {};  ///< May be empty.
};

/// What Finish made of the samples.
struct WriteSummary {
  std::uint64_t samples = 0;
  std::uint64_t validation = 0;  ///< Of these, given validation samples.
  std::uint64_t duplicates = 0;  ///< Samples merged into another one of the same pair and file.
  std::uint64_t leaks = 0;  ///< Training samples left out because validation has the same pair.
  DatasetStatistics statistics = {};
};

/// Makes a data set out of samples in any order: merges duplicates, gives dense ids by falling
/// frequency, sorts into canonical order, and writes the folder so that it appears whole or not at
/// all (a temporary folder beside it, synced, renamed).
///
/// Owner:   an importer or generator.
/// Threads: not thread-safe; Finish runs `threads` of its own.
/// Bounds:  the samples appended (20 bytes each at most) and about 5 more for each while writing.
class DatasetWriter {
 public:
  /// Checks that a data set may be written to the folder, and touches nothing. AlreadyExists if
  /// there is one and `overwrite` is not set, or if there is something else than a data set.
  static absl::StatusOr<DatasetWriter> Create(DatasetWriterOptions options);

  /// Requires: the columns are equally long, or empty where the options say that there are none.
  void Append(SampleChunk chunk);

  /// The raw ids behind the codes. Raw ids that no sample has are left out.
  void SetUsers(Vocabulary users) { users_ = std::move(users); }
  const Vocabulary& users() const { return users_; }
  void SetItems(Vocabulary items) { items_ = std::move(items); }

  /// Texts by item code. Requires: as many as there are items in the vocabulary.
  void SetItemTexts(std::vector<ItemText> texts) { texts_ = std::move(texts); }
  /// Those that no sample needs, which are kept beside the others.
  void SetUnratedItems(std::vector<UnratedItem> items) { unrated_ = std::move(items); }

  /// Gives the items raw ids that are their titles: item code c of what was appended becomes
  /// code_of[c] of `items`. Requires: code_of has the vocabulary's size.
  void KeyItemsByTitle(Vocabulary items, std::span<const std::uint32_t> code_of);

  /// Writes the data set; afterwards the writer is empty. InvalidArgument if there is no sample;
  /// otherwise what the disk says. On any error the folder is as it was.
  absl::StatusOr<WriteSummary> Finish();

 private:
  explicit DatasetWriter(DatasetWriterOptions options) : options_(std::move(options)) {}

  /// Fills an empty folder; leaves the chunks empty.
  absl::StatusOr<WriteSummary> WriteFolder(const std::string& folder);
  absl::Status WriteIds(const std::string& folder, const DenseIds& users,
                        const DenseIds& items) const;
  absl::Status WriteItemTexts(const std::string& folder, const DenseIds& items) const;
  absl::Status WriteUnrated(const std::string& folder) const;
  /// All of it but the numbers of users and items and the digest.
  DatasetManifest MakeManifest(const WriteSummary& summary) const;

  DatasetWriterOptions options_;
  std::vector<SampleChunk> chunks_;
  Vocabulary users_;
  Vocabulary items_;
  std::vector<ItemText> texts_;
  std::vector<UnratedItem> unrated_;
  bool items_keyed_by_title_ = false;
  std::uint32_t items_merged_ = 0;
};

}  // namespace cf

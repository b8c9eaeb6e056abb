#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/base/ids.h"
#include "common/dataset/dataset.h"
#include "common/dataset/record_format.h"
#include "serving/item_choice.h"

namespace cf {

class TitleSearch;

/// A pair of a user's own file, and what the data set knows of it.
struct NamedPair {
  std::string raw_user = {};  ///< Empty where the file has no users.
  std::string raw_item = {};
  std::optional<RowId> user = {};
  std::optional<RowId> item = {};
  std::optional<float> rating = {};

  bool known() const { return user.has_value() && item.has_value(); }
};

/// A file of pairs or of items that somebody asks about, read as the import reads ratings (header
/// names, any separator, quotes) and joined with a data set. Lines without an item are passed over:
/// lists of ours have them, for users who get none.
///
/// Owner:      whoever reads it.
/// Threads:    one reads, any use it.
/// Bounds:     all pairs in memory.
/// Invariants: some pair is known, or some item where there are no users or none need be known.
class PairFile {
 public:
  enum class Users { kRequired, kOptional };
  struct Options {
    Users users = Users::kRequired;
    RecordOptions records = {};  ///< How it is written, as far as somebody says.
    /// Finds items that are no raw ids by a title that one item has; null: nobody does. Borrowed.
    const TitleSearch* titles = nullptr;
    /// Whether some user must be in the data set.
    bool known_users = true;
  };

  /// InvalidArgument, in one line with the file's name, is the reader's, or says that nothing of the
  /// file is in the data set.
  static absl::StatusOr<PairFile> Read(const std::string& path, const Options& options,
                                       const Dataset& data);

  const std::string& path() const { return path_; }
  const std::vector<NamedPair>& pairs() const { return pairs_; }
  bool has_users() const { return has_users_; }
  bool has_ratings() const { return has_ratings_; }

  /// How many pairs have an item that the data set lacks, or else a user.
  std::uint64_t unknown() const { return unknown_; }

  /// What the file says that lists may or may not hold. With `only`, a raw user id, it is what
  /// concerns that user, and is for all; else what is known of it.
  NamedItems Names(const std::string& only) const;

  /// The users of the file that are not in the data set, each once, in order.
  std::vector<std::string> UnknownUsers() const;

 private:
  absl::Status CheckJoined(const Dataset& data, bool known_users) const;

  std::string path_;
  std::vector<NamedPair> pairs_;
  bool has_users_ = false;
  bool has_ratings_ = false;
  std::uint64_t unknown_ = 0;
};

}  // namespace cf

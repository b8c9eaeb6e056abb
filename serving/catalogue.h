#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "common/base/ids.h"
#include "common/dataset/dataset.h"
#include "common/dataset/split.h"
#include "common/snapshot/manifest.h"

namespace cf {

/// Which of a user's own items are left out of lists: those of all samples, those of training
/// samples only (as a figure of validation samples is measured), or none.
enum class Mask : std::uint8_t { kAll, kTrain, kNone };

/// Where the data set of a snapshot is: in `folder`; if that is empty, where its job had it, seen
/// from the root of the file system or, where that has gone with a folder that was moved, from here.
std::string DataFolderOf(const Manifest& manifest, const std::string& folder);

/// The data set that a model was trained on, as serving needs it: who has rated what, and how often
/// each row was trained.
///
/// Owner:   whoever opened it.
/// Threads: any; constant after opening.
/// Bounds:  the mapped data set, one bit a sample, 4 bytes a user and an item.
class Catalogue {
 public:
  /// Opens the data set of `manifest` in DataFolderOf(manifest, folder).
  /// FailedPrecondition if it is another one than the model was trained on; else Dataset::Open's.
  static absl::StatusOr<Catalogue> Open(const Manifest& manifest, const std::string& folder);

  const Dataset& data() const { return data_; }
  const DataSplit& split() const { return split_; }

  /// The items that a user has seen, ascending: every rating in the data set counts, validation's
  /// too, because the user has made it whether or not the model was trained on it.
  std::span<const RowId> SeenBy(RowId user) const;
  bool HasSeen(RowId user, RowId item) const;

  /// The number of a pair's sample in canonical order, if it is in the data set.
  std::optional<std::uint64_t> SampleOf(RowId user, RowId item) const;

  /// Whether `mask` leaves the item out of the user's lists.
  bool IsMasked(RowId user, RowId item, Mask mask) const;

  /// The rating that a user gave an item, if it is in the data set.
  std::optional<float> RatingOf(RowId user, RowId item) const;

  /// How many training ratings a row has.
  std::uint32_t UserTrainingRatings(RowId user) const { return user_training_[Index(user)]; }
  std::uint32_t ItemTrainingRatings(RowId item) const { return item_training_[Index(item)]; }

 private:
  Catalogue(Dataset data, DataSplit split);

  Dataset data_;
  DataSplit split_;
  std::vector<std::uint32_t> user_training_;
  std::vector<std::uint32_t> item_training_;
};

}  // namespace cf

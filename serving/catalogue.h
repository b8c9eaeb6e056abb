#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <absl/status/statusor.h>

#include "common/base/check.h"
#include "common/base/ids.h"
#include "common/dataset/dataset.h"
#include "common/dataset/split.h"
#include "common/snapshot/manifest.h"
#include "serving/mapped_array.h"

namespace cf {

/// Which of a user's own items are left out of lists: those of all samples, those of training
/// samples only (as a figure of validation samples is measured), or none.
enum class Mask : std::uint8_t { kAll, kTrain, kNone };

/// Where the data set of a snapshot is: in `folder`; if that is empty, where its job had it, seen
/// from the root of the file system or, where that has gone with a folder that was moved, from here.
std::string DataFolderOf(const Manifest& manifest, const std::string& folder);

/// The data set that a model was trained on, as serving needs it: who has rated what, and how often
/// each row was trained. It comes from the data set itself, or from an export of the model, of which
/// nothing is read before it is asked for.
///
/// Owner:   whoever opened it.
/// Threads: any; constant after opening.
/// Bounds:  of a data set: it is mapped; one bit a sample, 4 bytes a user and 8 an item. Of an
///          export: the pages that are read.
class Catalogue {
 public:
  /// What an export has of a catalogue. `data` has no timestamps.
  struct Parts {
    Dataset data;
    MappedArray<std::uint8_t> in_training = {};  ///< By sample: whether it is a training sample.
    std::uint64_t training_samples = 0;          ///< How many are.
    MappedArray<std::uint32_t> user_training = {};
    MappedArray<std::uint32_t> item_training = {};
    MappedArray<RowId> popular_items = {};
    MappedArray<std::uint8_t> user_learned = {};
    MappedArray<std::uint8_t> item_learned = {};
  };

  /// Opens the data set of `manifest` in DataFolderOf(manifest, folder).
  /// FailedPrecondition if it is another one than the model was trained on; else Dataset::Open's.
  static absl::StatusOr<Catalogue> Open(const Manifest& manifest, const std::string& folder);

  /// Of an export. Requires: all parts are as long as `data` says.
  static Catalogue Of(Parts parts) { return Catalogue(std::move(parts)); }

  const Dataset& data() const { return parts_.data; }
  /// The split that it was opened with. Requires: it is not of an export.
  const DataSplit& split() const {
    Check(split_.has_value(), "the split of an export is asked for sample by sample");
    return *split_;
  }

  /// Whether a sample was kept from training. Requires: sample < data().samples().
  bool IsValidation(std::uint64_t sample) const {
    return split_.has_value() ? split_->is_validation(sample) : parts_.in_training[sample] == 0;
  }
  std::uint64_t training_samples() const { return parts_.training_samples; }
  std::uint64_t validation_samples() const { return data().samples() - training_samples(); }

  /// The samples of a user: those from `first` up to `last`, which is not one of them.
  struct Samples {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
  };
  Samples SamplesOf(RowId user) const;

  /// The items that a user has seen, ascending: every rating in the data set counts, validation's
  /// too, because the user has made it whether or not the model was trained on it. None where an
  /// export is damaged and names an item that there is not.
  std::span<const RowId> SeenBy(RowId user) const;
  bool HasSeen(RowId user, RowId item) const { return SampleOf(user, item).has_value(); }

  /// The number of a pair's sample in canonical order, if it is in the data set.
  std::optional<std::uint64_t> SampleOf(RowId user, RowId item) const;

  /// Whether `mask` leaves the item out of the user's lists.
  bool IsMasked(RowId user, RowId item, Mask mask) const;

  /// The rating that a user gave an item, if it is in the data set.
  std::optional<float> RatingOf(RowId user, RowId item) const;

  /// How many training ratings a row has.
  std::uint32_t UserTrainingRatings(RowId user) const { return parts_.user_training[Index(user)]; }
  std::uint32_t ItemTrainingRatings(RowId item) const { return parts_.item_training[Index(item)]; }
  /// The same of all, by id.
  std::span<const std::uint32_t> user_training_ratings() const {
    return parts_.user_training.values();
  }
  std::span<const std::uint32_t> item_training_ratings() const {
    return parts_.item_training.values();
  }
  /// Items with a training rating, the most rated first; ties by id.
  std::span<const RowId> popular_items() const { return parts_.popular_items.values(); }

  /// What an export says that its model has learned of, by user and by item (Substance); empty of a
  /// data set, which knows no model.
  std::span<const std::uint8_t> user_learned() const { return parts_.user_learned.values(); }
  std::span<const std::uint8_t> item_learned() const { return parts_.item_learned.values(); }

 private:
  Catalogue(Dataset data, DataSplit split);
  explicit Catalogue(Parts parts) : parts_(std::move(parts)) {}

  std::span<const RowId> ItemsOf(Samples samples) const {
    return data().item_column().subspan(samples.first, samples.last - samples.first);
  }

  Parts parts_;
  std::optional<DataSplit> split_;  // Nothing of an export.
};

}  // namespace cf

#include "serving/catalogue.h"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <system_error>
#include <utility>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include "common/base/status.h"

namespace cf {

std::string DataFolderOf(const Manifest& manifest, const std::string& folder) {
  if (!folder.empty()) return folder;
  const std::string& first = manifest.data().source_path();
  const std::string& second = manifest.job().data().path();
  std::error_code error;
  const bool second_only =
      !std::filesystem::exists(first, error) && std::filesystem::exists(second, error);
  return second_only ? second : first;
}

absl::StatusOr<Catalogue> Catalogue::Open(const Manifest& manifest, const std::string& folder) {
  const std::string place = DataFolderOf(manifest, folder);
  absl::StatusOr<Dataset> data = Dataset::Open(place);
  if (!data.ok()) {
    if (!folder.empty()) return data.status();
    return Because(data.status(), "the data set of the snapshot (--data DIR says where it is now)");
  }
  if (data->digest() != manifest.data().digest()) {
    return absl::FailedPreconditionError(absl::StrCat(
        place, ": not the data set that the model was trained on: its digest is ", data->digest(),
        ", expected ", manifest.data().digest(), " (", manifest.data().name(), ")"));
  }
  absl::StatusOr<DataSplit> split = DataSplit::Make(*data, manifest.job().split());
  if (!split.ok()) return split.status();
  return Catalogue(*std::move(data), *std::move(split));
}

Catalogue::Catalogue(Dataset data, DataSplit split)
    : data_(std::move(data)),
      split_(std::move(split)),
      user_training_(data_.users(), 0),
      item_training_(data_.items(), 0) {
  const std::span<const std::uint64_t> offsets = data_.user_offsets();
  for (std::size_t user = 0; user < data_.users(); ++user) {
    for (std::uint64_t sample = offsets[user]; sample < offsets[user + 1]; ++sample) {
      if (split_.is_validation(sample)) continue;
      ++user_training_[user];
      ++item_training_[Index(data_.item_column()[sample])];
    }
  }
}

std::span<const RowId> Catalogue::SeenBy(RowId user) const {
  const std::uint64_t first = data_.user_offsets()[Index(user)];
  const std::uint64_t last = data_.user_offsets()[Index(user) + 1];
  return data_.item_column().subspan(first, last - first);
}

bool Catalogue::HasSeen(RowId user, RowId item) const {
  const std::span<const RowId> seen = SeenBy(user);
  return std::binary_search(seen.begin(), seen.end(), item);
}

std::optional<std::uint64_t> Catalogue::SampleOf(RowId user, RowId item) const {
  const std::span<const RowId> seen = SeenBy(user);
  const auto place = std::lower_bound(seen.begin(), seen.end(), item);
  if (place == seen.end() || *place != item) return std::nullopt;
  return data_.user_offsets()[Index(user)] + static_cast<std::uint64_t>(place - seen.begin());
}

bool Catalogue::IsMasked(RowId user, RowId item, Mask mask) const {
  switch (mask) {
    case Mask::kAll:
      return HasSeen(user, item);
    case Mask::kTrain: {
      const std::optional<std::uint64_t> sample = SampleOf(user, item);
      return sample.has_value() && !split_.is_validation(*sample);
    }
    case Mask::kNone:
      break;
  }
  return false;
}

std::optional<float> Catalogue::RatingOf(RowId user, RowId item) const {
  const std::optional<std::uint64_t> sample = SampleOf(user, item);
  if (!sample.has_value()) return std::nullopt;
  return data_.ratings()[*sample];
}

}  // namespace cf

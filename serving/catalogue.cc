#include "serving/catalogue.h"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

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
    : parts_{.data = std::move(data)}, split_(std::move(split)) {
  const Dataset& set = parts_.data;
  std::vector<std::uint32_t> of_users(set.users(), 0);
  std::vector<std::uint32_t> of_items(set.items(), 0);
  const std::span<const std::uint64_t> offsets = set.user_offsets();
  for (std::size_t user = 0; user < set.users(); ++user) {
    for (std::uint64_t sample = offsets[user]; sample < offsets[user + 1]; ++sample) {
      if (split_->is_validation(sample)) continue;
      ++of_users[user];
      ++of_items[Index(set.item_column()[sample])];
    }
  }
  std::vector<RowId> popular;
  for (std::uint32_t k = 0; k < set.items(); ++k) {
    if (of_items[k] > 0) popular.push_back(RowId{k});
  }
  std::stable_sort(popular.begin(), popular.end(),
                   [&](RowId a, RowId b) { return of_items[Index(a)] > of_items[Index(b)]; });
  parts_.training_samples = split_->training_count();
  parts_.user_training = MappedArray(std::move(of_users));
  parts_.item_training = MappedArray(std::move(of_items));
  parts_.popular_items = MappedArray(std::move(popular));
}

Catalogue::Samples Catalogue::SamplesOf(RowId user) const {
  const std::span<const std::uint64_t> offsets = data().user_offsets();
  const std::uint64_t last = std::min(offsets[Index(user) + 1], data().samples());
  return {.first = std::min(offsets[Index(user)], last), .last = last};
}

std::span<const RowId> Catalogue::SeenBy(RowId user) const {
  const std::span<const RowId> seen = ItemsOf(SamplesOf(user));
  const bool all_there = std::all_of(seen.begin(), seen.end(),
                                     [&](RowId item) { return Index(item) < data().items(); });
  return all_there ? seen : std::span<const RowId>();
}

std::optional<std::uint64_t> Catalogue::SampleOf(RowId user, RowId item) const {
  const Samples samples = SamplesOf(user);
  const std::span<const RowId> seen = ItemsOf(samples);
  const auto place = std::lower_bound(seen.begin(), seen.end(), item);
  if (place == seen.end() || *place != item) return std::nullopt;
  return samples.first + static_cast<std::uint64_t>(place - seen.begin());
}

bool Catalogue::IsMasked(RowId user, RowId item, Mask mask) const {
  switch (mask) {
    case Mask::kAll:
      return HasSeen(user, item);
    case Mask::kTrain: {
      const std::optional<std::uint64_t> sample = SampleOf(user, item);
      return sample.has_value() && !IsValidation(*sample);
    }
    case Mask::kNone:
      break;
  }
  return false;
}

std::optional<float> Catalogue::RatingOf(RowId user, RowId item) const {
  const std::optional<std::uint64_t> sample = SampleOf(user, item);
  if (!sample.has_value()) return std::nullopt;
  return data().ratings()[*sample];
}

}  // namespace cf

#include "serving/substance.h"

#include <algorithm>
#include <cstdint>
#include <span>

namespace cf {
namespace {

// Adds the items that share a row of the feature with an item that has a training sample.
void AddByFeature(const FeatureLists& lists, const Catalogue& catalogue, std::vector<bool>& items) {
  std::vector<bool> learned(lists.rows());
  for (std::uint32_t k = 0; k < items.size(); ++k) {
    if (catalogue.ItemTrainingRatings(RowId{k}) == 0) continue;
    for (const RowId row : lists.RowsOf(RowId{k})) learned[Index(row)] = true;
  }
  for (std::uint32_t k = 0; k < items.size(); ++k) {
    const std::span<const RowId> rows = lists.RowsOf(RowId{k});
    items[k] = items[k] || std::any_of(rows.begin(), rows.end(),
                                       [&](RowId row) { return learned[Index(row)]; });
  }
}

}  // namespace

const char* NameOf(Source source) {
  switch (source) {
    case Source::kModel:
      return "model";
    case Source::kPopular:
      return "popular";
    case Source::kItemMean:
      return "item_mean";
    case Source::kUserMean:
      return "user_mean";
    case Source::kMean:
      return "mean";
    case Source::kNone:
      break;
  }
  return "none";
}

Substance::Substance(const ServedModel& model, const Catalogue& catalogue)
    : users_(catalogue.data().users()), items_(catalogue.data().items()) {
  const bool same_for_all = model.spec().counts_items();
  if (same_for_all) lists_ = Source::kPopular;
  for (std::uint32_t k = 0; k < users_.size(); ++k) {
    users_[k] = same_for_all || catalogue.UserTrainingRatings(RowId{k}) > 0;
  }
  for (std::uint32_t k = 0; k < items_.size(); ++k) {
    items_[k] = catalogue.ItemTrainingRatings(RowId{k}) > 0;
  }
  for (const ServedFeature& feature : model.features()) {
    // A history is made of training samples, so a user without any has none.
    if (feature.lists.side() == FeatureSide::kItem) AddByFeature(feature.lists, catalogue, items_);
  }
}

}  // namespace cf

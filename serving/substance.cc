#include "serving/substance.h"

#include <algorithm>
#include <cstdint>
#include <span>

namespace cf {
namespace {

// Adds the items that share a row of the feature with an item that has a training sample.
void AddByFeature(const FeatureLists& lists, const Catalogue& catalogue,
                  std::vector<std::uint8_t>& items) {
  std::vector<bool> learned(lists.rows());
  for (std::uint32_t k = 0; k < items.size(); ++k) {
    if (catalogue.ItemTrainingRatings(RowId{k}) == 0) continue;
    for (const RowId row : lists.RowsOf(RowId{k})) learned[Index(row)] = true;
  }
  for (std::uint32_t k = 0; k < items.size(); ++k) {
    const std::span<const RowId> rows = lists.RowsOf(RowId{k});
    if (std::any_of(rows.begin(), rows.end(), [&](RowId row) { return learned[Index(row)]; })) {
      items[k] = 1;
    }
  }
}

}  // namespace

const char* NameOf(Source source) {
  switch (source) {
    case Source::kModel:
      return "model";
    case Source::kFoldIn:
      return "fold_in";
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
    : users_(catalogue.user_learned()), items_(catalogue.item_learned()) {
  const bool same_for_all = model.spec().counts_items();
  if (same_for_all) lists_ = Source::kPopular;
  if (!items_.empty()) return;  // An export says it.
  own_users_.resize(catalogue.data().users());
  own_items_.resize(catalogue.data().items());
  for (std::uint32_t k = 0; k < own_users_.size(); ++k) {
    own_users_[k] = same_for_all || catalogue.UserTrainingRatings(RowId{k}) > 0 ? 1 : 0;
  }
  for (std::uint32_t k = 0; k < own_items_.size(); ++k) {
    own_items_[k] = catalogue.ItemTrainingRatings(RowId{k}) > 0 ? 1 : 0;
  }
  for (const ServedFeature& feature : model.features()) {
    // A history is made of training samples, so a user without any has none.
    if (feature.lists.side() != FeatureSide::kItem) continue;
    AddByFeature(feature.lists, catalogue, own_items_);
  }
  users_ = own_users_;
  items_ = own_items_;
}

}  // namespace cf

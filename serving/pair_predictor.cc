#include "serving/pair_predictor.h"

#include <span>

namespace cf {

PairPredictor::PairPredictor(const ServedModel& model, const Catalogue& catalogue,
                             const Substance& substance, bool fallback)
    : model_(model), substance_(substance), workspace_(model.MakeWorkspace()) {
  if (!fallback) return;
  const Dataset& data = catalogue.data();
  users_.resize(data.users());
  items_.resize(data.items());
  for (std::uint32_t user = 0; user < data.users(); ++user) {
    const Catalogue::Samples samples = catalogue.SamplesOf(RowId{user});
    for (std::uint64_t s = samples.first; s < samples.last; ++s) {
      const RowId item = data.item_column()[s];
      // An export that is damaged may name any item.
      if (catalogue.IsValidation(s) || Index(item) >= data.items()) continue;
      const float rating = data.ratings()[s];
      users_[user].Add(rating);
      items_[Index(item)].Add(rating);
      all_.Add(rating);
    }
  }
}

Prediction PairPredictor::FallBack(std::optional<RowId> user, std::optional<RowId> item) const {
  if (all_.count == 0) return {};
  if (item.has_value() && items_[Index(*item)].count > 0) {
    return {.source = Source::kItemMean, .value = items_[Index(*item)].value()};
  }
  if (user.has_value() && users_[Index(*user)].count > 0) {
    return {.source = Source::kUserMean, .value = users_[Index(*user)].value()};
  }
  return {.source = Source::kMean, .value = all_.value()};
}

Prediction PairPredictor::Predict(std::optional<RowId> user, std::optional<RowId> item) {
  if (!user.has_value() || !item.has_value() || !substance_.OfUser(*user) ||
      !substance_.OfItem(*item)) {
    return FallBack(user, item);
  }
  float raw = 0;
  model_.ScoreItems(*user, *item, workspace_, std::span(&raw, 1));
  return {.source = substance_.lists(), .value = PredictedRating(model_.objective(), raw)};
}

}  // namespace cf

#include "serving/given_user.h"

#include <algorithm>

#include "serving/fold_in.h"

namespace cf {

std::vector<GivenRating> GivenUser::All(const Catalogue& catalogue) const {
  return user.has_value() ? GivenWithTraining(catalogue, *user, given) : given;
}

std::vector<RowId> GivenUser::Own(const Catalogue& catalogue, Mask mask) const {
  std::vector<RowId> own;
  if (mask == Mask::kNone) return own;
  for (const GivenRating& one : given) own.push_back(one.item);
  if (user.has_value()) {
    for (const RowId item : catalogue.SeenBy(*user)) {
      if (catalogue.IsMasked(*user, item, mask)) own.push_back(item);
    }
  }
  std::sort(own.begin(), own.end());
  own.erase(std::unique(own.begin(), own.end()), own.end());
  return own;
}

bool GivenUser::TellsSomething(const Catalogue& catalogue) const {
  if (user.has_value() && catalogue.UserTrainingRatings(*user) > 0) return true;
  return std::ranges::any_of(
      given, [&](const GivenRating& one) { return catalogue.ItemTrainingRatings(one.item) > 0; });
}

std::vector<RowId> LikedItems(std::span<const GivenRating> given, bool by_ratings) {
  const std::vector<GivenRating> counted = LastOfEach(given);
  double mean = 0;
  for (const GivenRating& one : counted) {
    mean += static_cast<double>(one.rating) / static_cast<double>(counted.size());
  }
  std::vector<RowId> liked;
  for (const GivenRating& one : counted) {
    // All alike are at their mean, whatever the sum's rounding makes of it.
    if (!by_ratings || static_cast<double>(one.rating) >= mean - 1e-9) liked.push_back(one.item);
  }
  return liked;
}

}  // namespace cf

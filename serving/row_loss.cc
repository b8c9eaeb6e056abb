#include "serving/row_loss.h"

#include <algorithm>

#include "serving/click_loss.h"
#include "serving/rating_loss.h"

namespace cf {

std::unique_ptr<const RowLoss> RowLoss::Make(const ServedModel& model, const Catalogue& catalogue) {
  if (model.spec().predicts_ratings()) return MakeRatingLoss(model, catalogue);
  return MakeClickLoss(model, catalogue);
}

std::vector<double> RowLoss::Average(const RowPull& pull, const UserRow&) const {
  return pull.centre;
}

std::vector<RowId> ItemsAsRated(const Catalogue& catalogue, std::size_t count) {
  const std::uint64_t samples = catalogue.split().training_count();
  const std::uint64_t every = std::max<std::uint64_t>(1, (samples + count - 1) / count);
  std::vector<RowId> items;
  std::uint64_t behind = 0;  // Samples of the items so far.
  for (std::uint32_t k = 0; k < catalogue.data().items(); ++k) {
    behind += catalogue.ItemTrainingRatings(RowId{k});
    while (items.size() * every < behind) items.push_back(RowId{k});
  }
  return items;
}

}  // namespace cf

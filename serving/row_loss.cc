#include "serving/row_loss.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <absl/status/status.h>

#include "serving/click_loss.h"
#include "serving/rating_loss.h"

namespace cf {

std::unique_ptr<const RowLoss> RowLoss::Make(const ServedModel& model, const Catalogue& catalogue) {
  if (model.spec().predicts_ratings()) return MakeRatingLoss(model, catalogue);
  return MakeClickLoss(model, catalogue);
}

absl::StatusOr<std::vector<double>> RowLoss::Average(const RowPull& pull, const UserRow&) const {
  return pull.centre;
}

absl::StatusOr<Cholesky> FactorOf(const SymmetricMatrix& matrix) {
  std::optional<Cholesky> factor = Cholesky::OfNearly(matrix);
  if (factor.has_value()) return *std::move(factor);
  return absl::FailedPreconditionError(
      "the model's weights are too large, or no numbers, so nobody is folded in");
}

std::vector<RowId> ItemsAsRated(const Catalogue& catalogue, std::size_t count) {
  const std::uint64_t samples = catalogue.training_samples();
  const std::uint64_t every = std::max<std::uint64_t>(1, (samples + count - 1) / count);
  std::vector<RowId> items;
  std::uint64_t behind = 0;  // Samples of the items so far.
  for (std::uint32_t k = 0; k < catalogue.data().items(); ++k) {
    behind += catalogue.ItemTrainingRatings(RowId{k});
    // An export that is damaged may say of items that they have more than all samples.
    while (items.size() < count && items.size() * every < behind) items.push_back(RowId{k});
  }
  return items;
}

}  // namespace cf

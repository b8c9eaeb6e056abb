#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/base/ids.h"
#include "serving/catalogue.h"
#include "serving/served_model.h"
#include "serving/substance.h"

namespace cf {

/// What a user is predicted to give an item, and what that rests on.
struct Prediction {
  Source source = Source::kNone;
  float value = 0;  ///< A rating, or what the model has for one; of kNone nothing.
};

/// Predicts pairs one by one, also of users and items that are not in the data set.
///
/// Owner:   whoever asks; model, catalogue and substance outlive it.
/// Threads: one, which has called SetFloatMode().
/// Bounds:  with fallback a mean for each user and item.
class PairPredictor {
 public:
  /// With `fallback`, where the model has learned nothing of one side of a pair the mean training
  /// rating of the other stands in, that of the item where it has one; and that of all samples
  /// where both are unknown.
  PairPredictor(const ServedModel& model, const Catalogue& catalogue, const Substance& substance,
                bool fallback);

  /// The prediction for a pair; a side that is not in the data set is nothing.
  Prediction Predict(std::optional<RowId> user, std::optional<RowId> item);

 private:
  struct Mean {
    double sum = 0;
    std::uint64_t count = 0;
    void Add(float rating) {
      sum += static_cast<double>(rating);
      ++count;
    }
    float value() const { return static_cast<float>(sum / static_cast<double>(count)); }
  };

  Prediction FallBack(std::optional<RowId> user, std::optional<RowId> item) const;

  const ServedModel& model_;
  const Substance& substance_;
  ServedModel::Workspace workspace_;
  std::vector<Mean> users_;  // Empty without fallback, as are
  std::vector<Mean> items_;
  Mean all_;
};

}  // namespace cf

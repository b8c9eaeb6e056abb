#include "coordinator/starting_biases.h"

#include <cstdint>

#include "common/features/rating_biases.h"
#include "worker/evaluator.h"

namespace cf {

StartingBiases MakeStartingBiases(const TrainingData& data) {
  if (data.model->counts_items()) {
    const std::vector<std::uint32_t> counts = CountTrainingSamples(data.data, data.split);
    return {.counts = {counts.begin(), counts.end()}};
  }
  if (!data.model->starts_from_baseline()) return {};
  const RatingBiases biases = BiasesOfRawSum(
      FitRatingBiases(data.data, data.split, data.statistics.mean), data.MakeObjective());
  return {.baseline = Baseline{.users = {biases.users.begin(), biases.users.end()},
                               .items = {biases.items.begin(), biases.items.end()}}};
}

}  // namespace cf

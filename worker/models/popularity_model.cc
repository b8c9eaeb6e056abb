#include "worker/models/popularity_model.h"

#include <algorithm>

#include "common/math/math.h"
#include "worker/models/pair_adder.h"

namespace cf {
namespace {

/// The items' biases are counts. A sample's loss is -log of its item's share of the training
/// samples.
///
/// Owner:   Trainer.
/// Threads: the seat's compute thread.
/// Bounds:  nothing.
class PopularityModel final : public StepModel {
 public:
  explicit PopularityModel(const Options& options)
      : StepModel(options, {.trains = false}),
        log_training_samples_(math::Log(static_cast<double>(options.split->training_count()))) {}

  void AddPartition(const Pass& /*pass*/, const PartitionShare& share, Minibatch& batch) override {
    PairAdder pairs(share, batch);
    ForSamples(share, layout(kUsers),
               [&](const Sample& sample) { pairs.Add(sample.user, sample.item, sample.rating); });
  }

  void ComputePartition(const Step& step, const PartitionStep& part, ObjectiveSums& sums) override {
    const std::vector<const float*>& items = step.batch.tables[Index(kItems)].part_rows;
    const std::size_t bias = layout(kItems).padded_dim();
    for (const PairSample& sample : part.samples) {
      const auto count = static_cast<double>(items[sample.item][bias]);
      sums.loss += log_training_samples_ - math::Log(std::max(count, 1.0));
    }
    sums.samples += part.samples.size();
  }

 private:
  const double log_training_samples_;
};

}  // namespace

std::unique_ptr<StepModel> MakePopularityModel(const StepModel::Options& options) {
  return std::make_unique<PopularityModel>(options);
}

}  // namespace cf

#include "serving/pair_figures.h"

#include <algorithm>
#include <span>

#include "common/base/partition.h"
#include "common/kernels/objective.h"
#include "common/metrics/metrics.h"

namespace cf {

Figures ErrorsOf(const ServedModel& model, std::uint32_t partitions, const std::string& prefix,
                 std::vector<RatedPair> pairs) {
  // A partition's samples are summed in canonical order.
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const RatedPair& a, const RatedPair& b) { return a.pair < b.pair; });
  const Partitioning partitioning(partitions);
  std::vector<ObjectiveSums> sums(partitions);
  ServedModel::Workspace workspace = model.MakeWorkspace();
  for (const RatedPair& rated : pairs) {
    float raw = 0;
    model.ScoreItems(rated.pair.user, rated.pair.item, workspace, std::span(&raw, 1));
    Observe(model.objective(), raw, rated.rating, sums[Index(partitioning.Of(rated.pair.user))]);
  }
  const std::string names[] = {prefix + "loss", prefix + "rmse", prefix + "mae"};
  return FiguresOf(sums, names);
}

}  // namespace cf

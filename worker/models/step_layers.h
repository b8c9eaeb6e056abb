#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/kernels/network.h"
#include "common/model/layout.h"
#include "common/model/tables.h"
#include "worker/step_model.h"

namespace cf {

/// The dense layers of a model as tables with one row each, which every partition with samples has
/// a part of.
///
/// Owner:   the StepModel of a kind with networks.
/// Threads: the seat's compute thread.
/// Bounds:  a pointer a layer.
class StepLayers {
 public:
  explicit StepLayers(const StepModel::Options& options)
      : layouts_(options.layouts.subspan(Index(kFirstLayer), options.model->layers())) {}

  /// The table of layer l.
  static TableId TableOf(std::size_t l) {
    return TableId{static_cast<std::uint32_t>(Index(kFirstLayer) + l)};
  }
  bool Has(TableId table) const {
    return Index(table) >= Index(kFirstLayer) &&
           Index(table) < Index(kFirstLayer) + layouts_.size();
  }

  void Touch(const PartitionShare& share, Minibatch& batch) const {
    for (std::size_t l = 0; l < layouts_.size(); ++l) {
      const std::size_t table = Index(TableOf(l));
      batch.tables[table].batch.Touch(share.indices[table], RowId{0}, share.partition);
    }
  }

  /// Gives `network` the weights of the layers that have come: a seat without samples wants none.
  template <class LayeredNetwork>
  void Set(const Minibatch& batch, LayeredNetwork& network) const {
    for (std::size_t l = 0; l < layouts_.size(); ++l) {
      const std::span<const float* const> rows = batch.rows.rows(TableOf(l));
      if (!rows.empty()) network.SetLayer(l, rows.front());
    }
  }

  /// By layer, the gradients from that of part number `part` on; none where the pass does not
  /// train. Until the next call.
  std::span<const LayerGradient> GradientsOf(const Step& step, std::size_t part) {
    gradients_.clear();
    for (std::size_t l = 0; step.pass.training && l < layouts_.size(); ++l) {
      const std::size_t stride = layouts_[l].gradient_stride();
      gradients_.push_back(
          {.row = step.gradients[Index(TableOf(l))] + part * stride, .stride = stride});
    }
    return gradients_;
  }

 private:
  const std::span<const RowLayout> layouts_;  // By layer.
  std::vector<LayerGradient> gradients_;
};

}  // namespace cf

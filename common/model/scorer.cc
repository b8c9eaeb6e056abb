#include "common/model/scorer.h"

#include <algorithm>

#include "common/base/check.h"

namespace cf {

Scorer::Scorer(std::span<const NetworkSpec> networks, const KernelSet& kernels) {
  for (const NetworkSpec& network : networks) {
    roles_.push_back(network.role);
    networks_.emplace_back(network.shape, kernels);
  }
}

std::size_t Scorer::layers() const {
  std::size_t layers = 0;
  for (const Network& network : networks_) layers += network.shape().layers.size();
  return layers;
}

void Scorer::SetLayer(std::size_t l, const float* row) {
  for (Network& network : networks_) {
    const std::size_t layers = network.shape().layers.size();
    if (l < layers) return network.SetLayer(l, row);
    l -= layers;
  }
  Check(false, "the model has the layer");
}

const Network* Scorer::tower(NetworkRole role) const {
  const auto found = std::ranges::find(roles_, role);
  return found == roles_.end() ? nullptr
                               : &networks_[static_cast<std::size_t>(found - roles_.begin())];
}

void RunTower(const Network& tower, const RowsView& rows, std::size_t count, float* to,
              std::size_t to_stride) {
  const NetworkShape& shape = tower.shape();
  const std::size_t padded = PaddedDim(shape.outputs());
  Network::Passage passage(shape, Network::Passage::Use::kForward);
  for (std::size_t first = 0; first < count; first += Network::kChunk) {
    const std::size_t n = std::min(Network::kChunk, count - first);
    for (std::size_t s = 0; s < n; ++s) {
      std::copy_n(rows.vector(first + s), shape.inputs, passage.input(s));
    }
    tower.Forward(n, passage);
    for (std::size_t s = 0; s < n; ++s) {
      std::copy_n(passage.outputs(s), padded, to + (first + s) * to_stride);
    }
  }
}

}  // namespace cf

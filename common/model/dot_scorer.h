#pragma once

#include <cstdint>
#include <span>

#include "common/kernels/objective.h"
#include "common/model/scorer.h"

namespace cf {

/// <user vector, item vector>, with the biases and the mean (RawSum): of every model that compares
/// one vector of a user with one of an item.
///
/// Owner:   Evaluator, ServedModel.
/// Threads: any, once the towers' layers are set; each has a workspace of its own.
/// Bounds:  the towers.
class DotScorer final : public Scorer {
 public:
  /// `dim` is the length of the vectors, behind the towers where there are any.
  DotScorer(std::uint32_t dim, std::span<const NetworkSpec> networks, const Objective& objective,
            const KernelSet& kernels)
      : Scorer(networks, kernels),
        kernels_(kernels),
        objective_(objective),
        padded_dim_(PaddedDim(dim)) {}

  void Score(const RowsView& users, const RowsView& items, std::span<const FeatureView> features,
             Workspace& workspace, std::span<float> scores) const override;

 private:
  void AddAll(const RowsView& users, const RowsView& items, std::span<float> scores) const;

  const KernelSet& kernels_;
  const Objective objective_;
  const std::size_t padded_dim_;
};

}  // namespace cf

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "common/kernels/network.h"
#include "common/model/model_spec.h"

namespace cf {

/// The towers of a retrieval model, from the vectors of users and items to what is multiplied.
/// Their outputs have the same length. The user tower's layers come first among the tables.
struct TowerShapes {
  NetworkShape user;
  NetworkShape item;

  std::size_t layers() const { return user.layers.size() + item.layers.size(); }
};

/// The softmax over a batch's items that trains a retrieval model.
struct SoftmaxShape {
  std::uint32_t dim = 0;
  float inverse_temperature = 1;
  float weight = 1;  ///< Of a sample's loss in the batch's.
  bool logq_correction = false;
  bool remove_accidental_hits = false;
};

/// The towers of the job's model, perhaps without layers; nothing where it is not retrieval.
/// Requires: as ModelSpec::Make.
std::optional<TowerShapes> TowersOf(const Job& job);

/// The softmax of the job's model; nothing where it is not retrieval. Requires: as ModelSpec::Make.
std::optional<SoftmaxShape> SoftmaxOf(const Job& job);

/// The ModelSpec of two-tower retrieval. Requires: as ModelSpec::Make; the job's model is one.
std::unique_ptr<const ModelSpec> MakeRetrieval(const Job& job);

}  // namespace cf

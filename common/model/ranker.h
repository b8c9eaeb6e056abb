#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "common/kernels/network.h"
#include "common/model/model_spec.h"

namespace cf {

/// A ranker: a network with one output on a user's and an item's vector, side by side, and those of
/// features behind them.
struct RankerShape {
  std::uint32_t user_dim = 0;
  std::uint32_t item_dim = 0;
  bool item_first = false;
  std::vector<std::uint32_t> feature_dims = {};
  NetworkShape network;

  /// Where the vectors begin in the input.
  std::uint32_t user_at() const { return item_first ? item_dim : 0; }
  std::uint32_t item_at() const { return item_first ? 0 : user_dim; }
  std::uint32_t features_at() const { return user_dim + item_dim; }

  /// Puts a pair's vectors side by side; `vector_of(k)` is that of feature k.
  template <class VectorOf>
  void FillInput(const float* user, const float* item, VectorOf vector_of, float* input) const {
    std::copy_n(user, user_dim, input + user_at());
    std::copy_n(item, item_dim, input + item_at());
    float* at = input + features_at();
    for (std::size_t k = 0; k < feature_dims.size(); ++k) {
      at = std::copy_n(vector_of(k), feature_dims[k], at);
    }
  }
};

/// The job's model where it is a ranker; else nothing. Requires: as ModelSpec::Make.
std::optional<RankerShape> RankerOf(const Job& job);

/// The ModelSpec of a neural ranker. Requires: as ModelSpec::Make; the job's model is one.
std::unique_ptr<const ModelSpec> MakeRanker(const Job& job);

}  // namespace cf

#pragma once

#include <cstddef>

#include "common/features/feature_lists.h"
#include "common/kernels/kernels.h"
#include "common/kernels/matrix.h"

namespace cf {

/// How the rows that an entry has of a feature become its vector and bias (docs/arithmetic.md): from
/// zeros, Add for each row of the entry's list in its order, then End; and Add once more, to the
/// entry's own row, where the model adds features. Evaluation and serving compose with it; the bits
/// are those that a step composes.
///
/// Owner:   a value.
/// Threads: any; constant.
class FeatureSum {
 public:
  /// `n` is the length of the vectors, a multiple of kLanes. `kernels` are borrowed.
  FeatureSum(std::size_t n, const KernelSet& kernels) : n_(n), kernels_(MatrixKernelsOf(kernels)) {}

  void Add(const float* vector, float bias, float* to_vector, float& to_bias) const {
    kernels_.add(to_vector, vector, n_);
    to_bias += bias;
  }

  /// Weighs the sum of the `count` rows that have been added.
  void End(const FeatureLists& lists, std::size_t count, float* vector, float& bias) const {
    const float weight = lists.WeightOf(count);
    for (std::size_t d = 0; d < n_; ++d) vector[d] *= weight;
    bias *= weight;
  }

 private:
  std::size_t n_;
  const MatrixKernels& kernels_;
};

}  // namespace cf

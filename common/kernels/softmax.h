#pragma once

#include <cstddef>

#include "common/kernels/kernels.h"

namespace cf {

/// The kernels of a softmax for one instruction set. Constant; any thread. No function allocates.
/// Pointers need no alignment; `n` is a multiple of kLanes, more than 0.
struct SoftmaxKernels {
  struct Sum {
    float largest = 0;  ///< The largest of the logits.
    float sum = 0;      ///< Of what they became.
  };
  /// logits[k] becomes counts[k] * exp(logits[k] - largest), with an exp of at most 2 ulp that is 0
  /// below 2^-126. NaN in, NaN out. The sum is in 16 lanes, as a dot product.
  Sum (*exponentiate)(const float* counts, std::size_t n, float* logits);

  /// values[k] *= factor.
  void (*scale)(float factor, std::size_t n, float* values);
};

/// Those of the instruction set of `kernels`.
const SoftmaxKernels& SoftmaxKernelsOf(const KernelSet& kernels);

}  // namespace cf

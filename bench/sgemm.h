#pragma once

#include <optional>

#include "common/kernels/matrix.h"

namespace cf {

/// The sgemm of OpenBLAS on one thread, what a matrix product is measured against. It is found at
/// run time, so that nothing links a BLAS.
///
/// Owner:   a value.
/// Threads: any.
/// Bounds:  the library stays loaded until the process ends.
class Sgemm {
 public:
  /// Nothing where the machine has no libopenblas.so.0.
  static std::optional<Sgemm> Find();

  /// c = a b where `product` has a start, whose values are not looked at, else c += a b.
  void Multiply(const MatrixProduct& product) const;

 private:
  // cblas_sgemm; the enumerations of cblas.h are ints.
  using Function = void (*)(int order, int transpose_a, int transpose_b, int m, int n, int k,
                            float alpha, const float* a, int lda, const float* b, int ldb,
                            float beta, float* c, int ldc);

  explicit Sgemm(Function sgemm) : sgemm_(sgemm) {}

  Function sgemm_;
};

}  // namespace cf

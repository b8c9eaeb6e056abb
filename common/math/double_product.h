#pragma once

#include <cstddef>

namespace cf {

/// c += a b, or c -= a b, in doubles. Element (row, k) of a is a[row * a_row + k * a_step], so that a
/// may be read as it is or transposed; b and c are row-major. Every element of c is a chain of fused
/// multiply-adds in the order of k, so the outcome depends neither on how the product is cut into
/// tiles nor on the width of the machine.
struct DoubleProduct {
  /// What columns come in.
  static constexpr std::size_t kBlock = 8;

  const double* a = nullptr;
  std::size_t a_row = 0;
  std::size_t a_step = 0;
  const double* b = nullptr;
  std::size_t b_stride = 0;
  double* c = nullptr;
  std::size_t c_stride = 0;
  std::size_t rows = 0;
  std::size_t steps = 0;    ///< How many k.
  std::size_t columns = 0;  ///< A multiple of kBlock.
};

/// By the widest vectors that the machine has. Requires: c overlaps nothing that is read.
void AddProduct(const DoubleProduct& product);
void SubtractProduct(const DoubleProduct& product);

}  // namespace cf

#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

namespace cf {

/// A vector in double precision, against those of a model, which have zeros behind their ends.
///
/// Owner:   a value.
/// Threads: any that do not change it.
/// Bounds:  a model's padded dim of doubles.
class WideVector {
 public:
  /// Zeros. Requires: n is a multiple of eight, as padded dims are.
  explicit WideVector(std::size_t n) : lanes_(n / kWidth) {}

  /// Sets the first elements. Requires, as Get: at most n.
  void Set(std::span<const double> values) {
    if (!values.empty()) std::memcpy(lanes_.data(), values.data(), values.size_bytes());
  }
  void Get(std::span<double> values) const {
    if (!values.empty()) std::memcpy(values.data(), lanes_.data(), values.size_bytes());
  }

  /// The inner product with n floats. Sums are in lanes, whatever the machine.
  double Dot(const float* vector) const {
    Lanes even{};
    Lanes odd{};
    for (std::size_t k = 0; k < lanes_.size(); k += 2) {
      even += lanes_[k] * Widened(vector + kWidth * k);
      odd += lanes_[k + 1] * Widened(vector + kWidth * (k + 1));
    }
    const Lanes sum = even + odd;
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
  }
  /// Adds `factor` times n floats.
  void Add(double factor, const float* vector) {
    for (std::size_t k = 0; k < lanes_.size(); ++k) {
      lanes_[k] += factor * Widened(vector + kWidth * k);
    }
  }

 private:
  static constexpr std::size_t kWidth = 4;
  using Lanes = double __attribute__((vector_size(kWidth * sizeof(double))));
  using FloatLanes = float __attribute__((vector_size(kWidth * sizeof(float))));

  static Lanes Widened(const float* from) {
    FloatLanes values;
    std::memcpy(&values, from, sizeof values);
    return __builtin_convertvector(values, Lanes);
  }

  std::vector<Lanes> lanes_;
};

}  // namespace cf

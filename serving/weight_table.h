#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "common/base/ids.h"
#include "common/model/scorer.h"

namespace cf {

/// The weights of one table: a vector for each row, padded with zeros to a multiple of kLanes and
/// aligned to 64 bytes, and a bias for each row (0 where the table has none).
///
/// Owner:   ServedModel.
/// Threads: any, once filled.
/// Bounds:  rows * (padded_dim + 1) floats.
class WeightTable {
 public:
  WeightTable() = default;
  /// All zeros.
  WeightTable(std::uint32_t rows, std::uint32_t dim);
  /// The shape of a table whose weights are elsewhere: nothing of them may be asked for.
  static WeightTable WithoutWeights(std::uint32_t rows, std::uint32_t dim);

  /// What a table of that shape takes.
  static std::uint64_t BytesFor(std::uint64_t rows, std::uint32_t dim);

  std::uint32_t rows() const { return rows_; }
  std::uint32_t dim() const { return dim_; }
  std::size_t padded_dim() const { return padded_dim_; }

  const float* vector(RowId id) const { return vectors_.get() + Index(id) * padded_dim_; }
  float* mutable_vector(RowId id) { return vectors_.get() + Index(id) * padded_dim_; }
  float bias(RowId id) const { return biases_.get()[Index(id)]; }
  float& mutable_bias(RowId id) { return biases_.get()[Index(id)]; }
  const float* biases() const { return biases_.get(); }
  RowsView view() const {
    return {.vectors = vectors_.get(),
            .stride = padded_dim_,
            .biases = biases_.get(),
            .bias_stride = 1};
  }

 private:
  struct Free {
    void operator()(float* floats) const { std::free(floats); }
  };
  using Floats = std::unique_ptr<float[], Free>;
  static Floats Zeros(std::size_t count);

  std::uint32_t rows_ = 0;
  std::uint32_t dim_ = 0;
  std::size_t padded_dim_ = 0;
  Floats vectors_;
  Floats biases_;
};

}  // namespace cf

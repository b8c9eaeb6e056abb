#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "common/base/files.h"
#include "common/base/ids.h"
#include "common/model/scorer.h"

namespace cf {

/// The weights of one table: a vector for each row, padded with zeros to a multiple of kLanes and
/// aligned to 64 bytes, and a bias for each row (0 where the table has none). They are in memory or
/// in files that are mapped.
///
/// Owner:   ServedModel.
/// Threads: any, once filled.
/// Bounds:  rows * (padded_dim + 1) floats; of mapped ones the pages that are read.
class WeightTable {
 public:
  WeightTable() = default;
  /// All zeros.
  WeightTable(std::uint32_t rows, std::uint32_t dim);
  /// The shape of a table whose weights are elsewhere: nothing of them may be asked for.
  static WeightTable WithoutWeights(std::uint32_t rows, std::uint32_t dim);
  /// Weights in files, which nobody may change. Requires: `vectors` has rows * PaddedDim(dim) floats
  /// from a multiple of 64 bytes on; `biases` has one for each row, or is empty where nobody asks.
  static WeightTable Mapped(std::uint32_t rows, std::uint32_t dim, MappedFile vectors,
                            MappedFile biases);

  /// What a table of that shape takes.
  static std::uint64_t BytesFor(std::uint64_t rows, std::uint32_t dim);

  std::uint32_t rows() const { return rows_; }
  std::uint32_t dim() const { return dim_; }
  std::size_t padded_dim() const { return padded_dim_; }

  const float* vector(RowId id) const { return vectors_ + Index(id) * padded_dim_; }
  float bias(RowId id) const { return biases_[Index(id)]; }
  const float* biases() const { return biases_; }
  RowsView view() const {
    return {.vectors = vectors_, .stride = padded_dim_, .biases = biases_, .bias_stride = 1};
  }

  /// Requires, as the next: the weights are in memory.
  float* mutable_vector(RowId id) { return own_vectors_.get() + Index(id) * padded_dim_; }
  float& mutable_bias(RowId id) { return own_biases_.get()[Index(id)]; }

 private:
  struct Free {
    void operator()(float* floats) const { std::free(floats); }
  };
  using Floats = std::unique_ptr<float[], Free>;
  static Floats Zeros(std::size_t count);

  std::uint32_t rows_ = 0;
  std::uint32_t dim_ = 0;
  std::size_t padded_dim_ = 0;
  const float* vectors_ = nullptr;  // In memory, which is owned, or mapped.
  const float* biases_ = nullptr;
  Floats own_vectors_;
  Floats own_biases_;
  MappedFile vectors_file_;
  MappedFile biases_file_;
};

}  // namespace cf

#include "serving/weight_table.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"
#include "common/kernels/kernels.h"

namespace cf {
namespace {

constexpr std::size_t kAlignment = 64;  // A cache line, and the widest register.

}  // namespace

WeightTable::Floats WeightTable::Zeros(std::size_t count) {
  const std::size_t bytes = (count * sizeof(float) + kAlignment - 1) / kAlignment * kAlignment;
  void* memory = std::aligned_alloc(kAlignment, std::max(bytes, kAlignment));
  Check(memory != nullptr, "there is memory for the weights");
  auto* floats = static_cast<float*>(memory);
  std::fill_n(floats, count, 0.0F);
  return Floats(floats);
}

WeightTable::WeightTable(std::uint32_t rows, std::uint32_t dim)
    : rows_(rows),
      dim_(dim),
      padded_dim_(PaddedDim(dim)),
      own_vectors_(Zeros(rows * padded_dim_)),
      own_biases_(Zeros(rows)) {
  vectors_ = own_vectors_.get();
  biases_ = own_biases_.get();
}

WeightTable WeightTable::WithoutWeights(std::uint32_t rows, std::uint32_t dim) {
  WeightTable table;
  table.rows_ = rows;
  table.dim_ = dim;
  table.padded_dim_ = PaddedDim(dim);
  return table;
}

WeightTable WeightTable::Mapped(std::uint32_t rows, std::uint32_t dim, MappedFile vectors,
                                MappedFile biases) {
  WeightTable table = WithoutWeights(rows, dim);
  table.vectors_file_ = std::move(vectors);
  table.vectors_ = table.vectors_file_.As<float>().data();
  Check(table.vectors_file_.As<float>().size() == rows * table.padded_dim_ &&
            reinterpret_cast<std::uintptr_t>(table.vectors_) % kAlignment == 0,
        "mapped vectors are padded and aligned");
  if (biases.bytes().empty()) return table;
  table.biases_file_ = std::move(biases);
  table.biases_ = table.biases_file_.As<float>().data();
  Check(table.biases_file_.As<float>().size() == rows, "every mapped row has a bias");
  return table;
}

std::uint64_t WeightTable::BytesFor(std::uint64_t rows, std::uint32_t dim) {
  return rows * (PaddedDim(dim) + 1) * sizeof(float);
}

}  // namespace cf

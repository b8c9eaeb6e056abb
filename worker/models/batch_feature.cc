#include "worker/models/batch_feature.h"

#include <algorithm>
#include <optional>

#include "common/base/check.h"

namespace cf {

BatchFeature::BatchFeature(const FeatureLists& lists, const RowLayout& layout,
                           const KernelSet& kernels)
    : lists_(lists), layout_(layout), kernels_(kernels), scaled_(layout.gradient_stride()) {
}

void BatchFeature::AddEntry(RowId id, std::uint32_t partition, IdIndex& index, TableBatch& rows,
                            FeatureLinks& links) const {
  for (const RowId row : lists_.RowsOf(id)) {
    links.parts.push_back(rows.Touch(index, row, partition));
  }
  links.ends.push_back(links.parts.size());
}

void BatchFeature::AddSample(RowId user, RowId item, std::uint32_t partition, IdIndex& index,
                             TableBatch& rows, FeatureLinks& links) const {
  const std::optional<RowId> row = lists_.RowOfSample(user, item);
  Check(row.has_value(), "a sample with a timestamp is in the data set");
  links.parts.push_back(rows.Touch(index, *row, partition));
  links.ends.push_back(links.parts.size());
}

void BatchFeature::Compose(const FeatureLinks& links, std::size_t entry,
                           const float* const* part_rows, float* composed) const {
  const std::span<const TableBatch::Touched> parts = links.PartsOf(entry);
  if (parts.empty()) {
    std::fill_n(composed, layout_.wire_floats(), 0.0F);
    return;
  }
  std::copy_n(part_rows[parts.front().part], layout_.wire_floats(), composed);
  for (const TableBatch::Touched& part : parts.subspan(1)) {
    kernels_.add_gradient(composed, part_rows[part.part], layout_.padded_dim());
  }
  const float weight = lists_.WeightOf(parts.size());
  for (std::size_t k = 0; k < layout_.wire_floats(); ++k) composed[k] *= weight;
}

void BatchFeature::Spread(const FeatureLinks& links, std::size_t first, std::size_t last,
                          const float* entry_gradients, std::size_t entry_stride,
                          float* gradients) {
  for (std::size_t entry = first; entry < last; ++entry) {
    const std::span<const TableBatch::Touched> parts = links.PartsOf(entry);
    const float weight = lists_.WeightOf(parts.size());
    const float* gradient = entry_gradients + entry * entry_stride;
    for (std::size_t k = 0; k < layout_.wire_floats(); ++k) scaled_[k] = weight * gradient[k];
    for (const auto& [part, is_first] : parts) {
      float* to = gradients + part * layout_.gradient_stride();
      if (is_first) {
        std::ranges::copy(scaled_, to);  // With the zeros behind it.
      } else {
        kernels_.add_gradient(to, scaled_.data(), layout_.padded_dim());
      }
    }
  }
}

}  // namespace cf

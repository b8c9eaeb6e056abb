// The partitions of a shard as BLOCKS sees them: rows by slot, and whole partitions that leave and
// come home.

#include <algorithm>
#include <cstring>

#include "common/base/check.h"
#include "paramserver/shard.h"

namespace cf {

SlabRows Shard::Slab(TableId table, PartitionId partition) const {
  const Table& of = tables_[Index(table)];
  return {.rows = of.slabs[Index(partition) - range_.first], .stride = of.layout.stride()};
}

void Shard::ApplySlots(TableId table, PartitionId partition, std::uint64_t step,
                       const SlotGradients& gradients) {
  Table& to = tables_[Index(table)];
  float* const rows = to.slabs[Index(partition) - range_.first];
  std::vector<std::uint64_t>& dirty = to.dirty[Index(partition) - range_.first];
  const std::size_t stride = to.layout.stride();
  updates_.clear();
  for (std::size_t k = 0; k < gradients.slots.size(); ++k) {
    const std::uint32_t slot = gradients.slots[k];
    updates_.push_back({rows + slot * stride, gradients.gradients[k]});
    dirty[slot / 64] |= std::uint64_t{1} << (slot % 64);
  }
  options_.kernels->update_rows(options_.optimizer->At(step, to.spec), updates_);
}

void Shard::CopyOut(TableId table, PartitionId partition, std::span<float> rows) const {
  const Table& from = tables_[Index(table)];
  Check(rows.size() == from.layout.stride() * partitioning_.RowsIn(partition, from.spec.shape.rows),
        "a copy has room for the partition's rows");
  std::ranges::copy_n(from.slabs[Index(partition) - range_.first],
                      static_cast<std::ptrdiff_t>(rows.size()), rows.begin());
}

void Shard::CopyIn(TableId table, PartitionId partition, std::span<const float> rows) {
  Table& to = tables_[Index(table)];
  const std::size_t stride = to.layout.stride();
  Check(rows.size() == stride * partitioning_.RowsIn(partition, to.spec.shape.rows),
        "a copy has the partition's rows");
  for (std::size_t at = 0; at < rows.size(); at += stride) {
    const auto slot = static_cast<std::uint32_t>(at / stride);
    float* const row = to.slabs[Index(partition) - range_.first] + at;
    // The bits: a zero that changed its sign has changed.
    if (std::memcmp(row, rows.data() + at, stride * sizeof(float)) == 0) continue;
    std::memcpy(row, rows.data() + at, stride * sizeof(float));
    MarkDirty(to, partitioning_.IdAt(partition, slot));
  }
}

}  // namespace cf

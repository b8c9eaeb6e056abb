#include "worker/feature_reader.h"

#include <algorithm>

#include "common/features/feature_sum.h"

namespace cf {
namespace {

std::uint32_t ChunksOf(const FeatureLists& lists) {
  return (lists.rows() + FeatureReader::kRowsMax - 1) / FeatureReader::kRowsMax;
}

}  // namespace

std::uint64_t FeatureReader::TurnsOf(std::span<const FeatureLists> features, FeatureSide side) {
  std::uint64_t turns = 0;
  for (const FeatureLists& lists : features) {
    if (lists.side() == side) turns += ChunksOf(lists);
  }
  return turns;
}

absl::Status FeatureReader::Add(FeatureSide side, std::span<const RowId> ids,
                                const RowLayout& layout, RowReader& reader, RowCopies& rows) {
  for (std::size_t k = 0; k < options_.features.size(); ++k) {
    const FeatureLists& lists = options_.features[k];
    if (lists.side() != side) continue;
    const TableId table{static_cast<std::uint32_t>(Index(options_.first_table) + k)};
    absl::Status summed = Sum(lists, table, ids, layout, reader);
    if (!summed.ok()) return summed;
    const std::size_t bias = layout.padded_dim();
    const FeatureSum compose(bias, *options_.kernels);
    for (std::size_t n = 0; n < ids.size(); ++n) {
      float* sum = sums_.row(n);
      compose.End(lists, lists.RowsOf(ids[n]).size(), sum, sum[bias]);
      compose.Add(sum, sum[bias], rows.row(n), rows.row(n)[bias]);
    }
  }
  return absl::OkStatus();
}

absl::Status FeatureReader::Sum(const FeatureLists& lists, TableId table,
                                std::span<const RowId> ids, const RowLayout& layout,
                                RowReader& reader) {
  const std::size_t bias = layout.padded_dim();
  const FeatureSum compose(bias, *options_.kernels);
  sums_.Resize(ids.size(), layout);
  for (std::size_t n = 0; n < ids.size(); ++n) {
    std::fill_n(sums_.row(n), layout.gradient_stride(), 0.0F);
  }
  next_.assign(ids.size(), 0);
  // Lists ascend, so each is added in its order, whatever the chunks.
  for (std::uint32_t chunk = 0; chunk < ChunksOf(lists); ++chunk) {
    const std::uint32_t first = chunk * kRowsMax;
    const std::uint32_t end = std::min(lists.rows() - first, kRowsMax) + first;
    place_.assign(end - first, 0);
    for (std::size_t n = 0; n < ids.size(); ++n) {
      const std::span<const RowId> of_id = lists.RowsOf(ids[n]);
      for (std::size_t k = next_[n]; k < of_id.size() && Index(of_id[k]) < end; ++k) {
        place_[Index(of_id[k]) - first] = 1;
      }
    }
    wanted_.clear();
    for (std::uint32_t k = 0; k < place_.size(); ++k) {
      if (place_[k] == 0) continue;
      wanted_.push_back(RowId{first + k});
      place_[k] = static_cast<std::uint32_t>(wanted_.size());
    }
    absl::Status taken = reader.Read(table, wanted_, read_);
    if (!taken.ok()) return taken;
    for (std::size_t n = 0; n < ids.size(); ++n) {
      const std::span<const RowId> of_id = lists.RowsOf(ids[n]);
      for (std::size_t& k = next_[n]; k < of_id.size() && Index(of_id[k]) < end; ++k) {
        const float* row = read_.row(place_[Index(of_id[k]) - first] - 1);
        compose.Add(row, row[bias], sums_.row(n), sums_.row(n)[bias]);
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace cf

#include "worker/models/batch_feature.h"

#include <algorithm>
#include <bit>

#include "common/kernels/aligned.h"

namespace cf {
namespace {

constexpr std::size_t kLineIds = kLineBytes / sizeof(RowId);

}  // namespace

BatchFeature::BatchFeature(const Options& options)
    : options_(options),
      kernels_(ListSumKernelsOf(*options.kernels)),
      subtrees_(SubtreesOf(options.partitioning, options.range)),
      tree_(options.partitioning, options.range, *options.kernels, options.layout.padded_dim()),
      of_row_(options.lists->side() == FeatureSide::kSample ? 0 : options.lists->rows(), 0),
      leaves_(EntryGradients::kScratchFloats + kLanes) {
  kernels_.clear(leaves_.size(), leaves_.data());
}

std::vector<BatchFeature::Subtree> BatchFeature::SubtreesOf(Partitioning partitioning,
                                                            SeatRange range) {
  std::vector<Subtree> subtrees;
  for (std::uint32_t first = range.first; first < range.last; first = subtrees.back().end) {
    // The largest node that begins here, and is within the range and not too large.
    std::uint32_t leaves = std::bit_floor(std::min(range.last - first, EntryGradients::kLeavesMax));
    while (first % leaves != 0) leaves /= 2;
    subtrees.push_back({.end = first + leaves,
                        .leaves = leaves,
                        .node = static_cast<TreeNode>((partitioning.count() + first) / leaves)});
  }
  return subtrees;
}

template <class Visit>
void BatchFeature::ForLists(const Visit& visit) {
  for (std::uint32_t entry = 0; entry < lists_.size(); ++entry) {
    if (entry + 1 < lists_.size()) {
      const std::span<const RowId> next = lists_[entry + 1];
      for (std::size_t k = 0; k < next.size(); k += kLineIds) __builtin_prefetch(&next[k]);
    }
    for (const RowId row : lists_[entry]) visit(entry, Index(row));
  }
}

void BatchFeature::EndBatch(const TableBatch& entries, TableBatch& rows, FeatureLinks& links) {
  lists_.clear();
  for (const TableBatch::Part& part : entries.parts()) {
    lists_.push_back(options_.lists->RowsOf(entries.rows()[part.row].id));
  }
  ForLists([this](std::uint32_t, std::size_t row) { ++of_row_[row]; });
  std::uint32_t total = 0;
  for (std::uint32_t id = 0; id < of_row_.size(); ++id) {
    const std::uint32_t count = of_row_[id];
    if (count == 0) continue;
    rows.AddRow(RowId{id}, std::min(count, static_cast<std::uint32_t>(subtrees_.size())));
    of_row_[id] = total;
    total += count;
    links.row_ends.push_back(total);
  }
  links.entries.resize(total);
  ForLists([this, &links](std::uint32_t entry, std::size_t row) {
    links.entries[of_row_[row]++] = entry;
  });
  for (const TableBatch::Row& row : rows.rows()) of_row_[Index(row.id)] = 0;
  std::size_t subtree = 0;
  for (std::uint32_t entry = 0; entry < entries.parts().size(); ++entry) {
    const TableBatch::Part& part = entries.parts()[entry];
    for (; subtrees_[subtree].end <= part.partition; ++subtree) links.subtree_ends.push_back(entry);
    const std::uint32_t first = subtrees_[subtree].end - subtrees_[subtree].leaves;
    links.leaves.push_back(static_cast<std::uint8_t>(part.partition - first));
  }
  links.subtree_ends.resize(subtrees_.size(), static_cast<std::uint32_t>(entries.parts().size()));
}

void BatchFeature::Compose(const TableBatch& entries, const FeatureLinks& links,
                           std::span<const float* const> rows) {
  const std::size_t count = entries.parts().size();
  vectors_.Resize(count, options_.layout);
  gradients_.Resize(count, options_.layout);
  kernels_.clear(count * vectors_.stride(), vectors_.row(0));
  kernels_.add_rows({.ends = links.row_ends, .entries = links.entries.data()}, rows.data(),
                    options_.layout.padded_dim(), vectors_.stride(), vectors_.row(0));
  weights_.resize(count);
  for (std::size_t entry = 0; entry < count; ++entry) {
    const RowId id = entries.rows()[entries.parts()[entry].row].id;
    const std::size_t length = options_.lists->RowsOf(id).size();
    float* vector = vectors_.row(entry);
    weights_[entry] = options_.lists->WeightOf(length);
    if (length == 0) {
      std::fill_n(vector, options_.layout.wire_floats(), 0.0F);
      continue;
    }
    for (std::size_t k = 0; k < options_.layout.wire_floats(); ++k) vector[k] *= weights_[entry];
  }
}

void BatchFeature::Take(std::size_t first, std::size_t last, const float* entry_gradients,
                        std::size_t entry_stride) {
  for (std::size_t entry = first; entry < last; ++entry) {
    const float* gradient = entry_gradients + entry * entry_stride;
    float* scaled = gradients_.row(entry);
    for (std::size_t k = 0; k < options_.layout.wire_floats(); ++k) {
      scaled[k] = weights_[entry] * gradient[k];
    }
  }
}

void BatchFeature::Collect(const TableBatch& rows, const FeatureLinks& links,
                           std::span<const std::uint32_t> places, float* gradients,
                           OwnPartials& into) {
  sums_.clear();
  nodes_.clear();
  node_ends_.clear();
  for (const std::uint32_t row : places) {
    const std::uint32_t begin = row == 0 ? 0 : links.row_ends[row - 1];
    std::span<const std::uint32_t> left =
        std::span(links.entries).subspan(begin, links.row_ends[row] - begin);
    float* sum = gradients + rows.rows()[row].first_part * options_.layout.gradient_stride();
    for (std::size_t subtree = 0; !left.empty(); ++subtree) {
      const std::uint32_t end = links.subtree_ends[subtree];
      if (left.front() >= end) continue;
      const auto here =
          left.back() < end
              ? left.size()
              : static_cast<std::size_t>(std::ranges::lower_bound(left, end) - left.begin());
      sums_.push_back({left.first(here), subtrees_[subtree].leaves, sum});
      nodes_.push_back({subtrees_[subtree].node, sum});
      sum += options_.layout.gradient_stride();
      left = left.subspan(here);
    }
    node_ends_.push_back(nodes_.size());
  }
  kernels_.sum_entries({.leaves = links.leaves.data(),
                        .gradients = gradients_.row(0),
                        .stride = gradients_.stride(),
                        .padded_dim = options_.layout.padded_dim()},
                       sums_, leaves_.data() + FloatsBeforeLine(leaves_));
  std::size_t first = 0;
  for (std::size_t k = 0; k < places.size(); ++k) {
    const std::span<TreePart> of_row = std::span(nodes_).subspan(first, node_ends_[k] - first);
    first = node_ends_[k];
    const std::size_t count = of_row.size() > 1 ? tree_.Reduce(of_row) : 1;
    for (const auto& [node, gradient] : of_row.first(count)) {
      into.ids.push_back(rows.rows()[places[k]].id);
      into.parts.push_back({node, gradient});
    }
  }
}

}  // namespace cf

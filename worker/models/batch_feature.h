#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/features/feature_lists.h"
#include "common/kernels/kernels.h"
#include "common/model/layout.h"
#include "worker/minibatch.h"

namespace cf {

/// One feature of a model on its way through minibatches: rows of its table become the vector of an
/// entry, a weighted sum, and the gradient of that vector becomes theirs (docs/arithmetic.md).
///
/// Owner:   StepFeatures.
/// Threads: the seat's compute thread.
/// Bounds:  one gradient.
class BatchFeature {
 public:
  /// All are borrowed.
  BatchFeature(const FeatureLists& lists, const RowLayout& layout, const KernelSet& kernels);

  FeatureSide side() const { return lists_.side(); }

  /// Touches what the next entry has: a user or an item,
  void AddEntry(RowId id, std::uint32_t partition, IdIndex& index, TableBatch& rows,
                FeatureLinks& links) const;
  /// or a sample. Requires: it is in the data set.
  void AddSample(RowId user, RowId item, std::uint32_t partition, IdIndex& index, TableBatch& rows,
                 FeatureLinks& links) const;

  /// Writes the entry's vector and bias, of zeros where it has no rows. `part_rows` is by part.
  void Compose(const FeatureLinks& links, std::size_t entry, const float* const* part_rows,
               float* composed) const;

  /// Adds to the gradients of parts what those of the entries `first` to `last` - 1 give them, in
  /// their order. `gradients` is by part. Requires: all entries of a partition, once.
  void Spread(const FeatureLinks& links, std::size_t first, std::size_t last,
              const float* entry_gradients, std::size_t entry_stride, float* gradients);

 private:
  const FeatureLists& lists_;
  const RowLayout& layout_;
  const KernelSet& kernels_;
  std::vector<float> scaled_;  // One gradient.
};

}  // namespace cf

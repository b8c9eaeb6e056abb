#include "worker/models/batch_items.h"

#include <algorithm>

#include "common/base/check.h"
#include "common/math/math.h"
#include "common/math/random.h"
#include "worker/samples.h"

namespace cf {

BatchItems::BatchItems(const Dataset& data, const DataSplit& split, Partitioning partitioning)
    : data_(data), split_(split), partitioning_(partitioning), counts_(data.items(), 0) {
  Check(split.whole(), "the items of all ranks' samples");
  items_.reserve(std::max(split.training_count(), split.validation_count()));
}

void BatchItems::TakeEpoch(std::uint64_t seed, std::uint64_t epoch) {
  Take(Samples::kTraining);
  std::uint64_t first = 0;
  for (std::uint32_t p = 0; p < ends_.size(); ++p) {
    Shuffle(std::span(items_).subspan(first, ends_[p] - first), seed, epoch, p);
    first = ends_[p];
  }
}

void BatchItems::Take(Samples samples) {
  const bool validation = samples == Samples::kValidation;
  const std::span<const std::uint64_t> offsets = data_.user_offsets();
  const std::span<const RowId> items = data_.item_column();
  items_.clear();
  ends_.clear();
  for (std::uint32_t p = 0; p < partitioning_.count(); ++p) {
    const std::uint32_t users = partitioning_.RowsIn(PartitionId{p}, data_.users());
    SamplesPass pass(data_);
    for (std::uint32_t slot = 0; slot < users; ++slot) {
      const RowId id = partitioning_.IdAt(PartitionId{p}, slot);
      pass.ComesTo(id);
      const std::size_t user = Index(id);
      for (std::uint64_t s = offsets[user]; s < offsets[user + 1]; ++s) {
        if (split_.is_validation(s) == validation)
          items_.push_back(static_cast<std::uint32_t>(items[s]));
      }
    }
    ends_.push_back(items_.size());
  }
}

void BatchItems::Collect(std::uint64_t t, std::uint64_t batches, Candidates& candidates) {
  candidates.items.clear();
  candidates.counts.clear();
  std::uint64_t first = 0;
  for (const std::uint64_t end : ends_) {
    const SampleRange range = SamplesOfBatch(end - first, t, batches);
    for (std::uint64_t k = first + range.first; k < first + range.last; ++k) {
      if (counts_[items_[k]]++ == 0) candidates.items.push_back(RowId{items_[k]});
    }
    first = end;
  }
  std::ranges::sort(candidates.items);
  for (const RowId item : candidates.items) {
    candidates.counts.push_back(counts_[Index(item)]);
    counts_[Index(item)] = 0;
  }
}

std::vector<float> NegativeLogShares(const Dataset& data, const DataSplit& split) {
  Check(split.whole(), "the samples of all users are counted");
  std::vector<std::uint64_t> counts(data.items(), 0);
  for (std::uint64_t s = 0; s < data.samples(); ++s) {
    if (!split.is_validation(s)) ++counts[Index(data.item_column()[s])];
  }
  data.GiveBackPages();
  const auto samples = static_cast<double>(split.training_count());
  std::vector<float> shares;
  shares.reserve(counts.size());
  for (const std::uint64_t count : counts) {
    const auto seen = static_cast<double>(std::max<std::uint64_t>(count, 1));
    shares.push_back(static_cast<float>(-math::Log(seen / samples)));
  }
  return shares;
}

}  // namespace cf

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/dataset/writer.h"

namespace cf {

/// What is written of samples, as columns.
struct SampleColumns {
  std::vector<std::uint32_t> items;
  std::vector<float> ratings;
  std::vector<std::int64_t> timestamps;  ///< Empty if the data set has none.
  std::vector<std::uint8_t> validation;  ///< Whether given for that; empty if none is.

  void Resize(std::size_t samples, const DatasetWriterOptions& options);
};

/// The samples of a range of users: gathered in the order of appending, then sorted by (user, item)
/// and merged where a pair is repeated.
///
/// Owner:   one thread of a SampleSorter, which uses it for range after range.
/// Threads: not thread-safe.
/// Bounds:  about 70 bytes for each sample of the largest range.
class UserRangeSamples {
 public:
  /// The options outlive it.
  explicit UserRangeSamples(const DatasetWriterOptions& options) : options_(options) {}

  /// Begins a range of users, of each of whom as many samples will be added as `counts` says.
  void Begin(std::span<const std::uint64_t> counts);

  /// Adds the samples [first, last) of a chunk, whose users are `first_user` and up.
  void Add(const SampleChunk& chunk, std::size_t first, std::size_t last, std::uint32_t first_user);

  /// Sorts what was added and makes one sample of each pair; `summary` counts what remains and what
  /// is dropped. Requires: every item is below `items`.
  void SortAndMerge(std::uint32_t items, WriteSummary* summary);

  const SampleColumns& sorted() const { return sorted_; }

 private:
  void Sort(std::uint32_t items);
  void Merge(WriteSummary* summary);

  const DatasetWriterOptions& options_;
  std::vector<std::uint64_t> ends_;  // By user; while dealing, where its next sample goes.
  std::vector<std::uint32_t> users_;
  SampleColumns added_;
  std::size_t added_count_ = 0;
  SampleColumns sorted_;
  bool repeated_ = false;  // Whether any pair is.
  std::vector<std::uint64_t> keys_;
  std::vector<std::uint64_t> scratch_;
  std::vector<std::uint32_t> last_item_;  // By user, while dealing.
};

}  // namespace cf

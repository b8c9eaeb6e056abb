#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/dataset/writer.h"

namespace cf {

/// The id of a code that no sample has.
inline constexpr std::uint32_t kUnused = std::numeric_limits<std::uint32_t>::max();

/// The dense ids of users or of items: which code has an id, and which id a code has (kUnused for
/// those without samples).
struct DenseIds {
  std::vector<std::uint32_t> code_of_id;
  std::vector<std::uint32_t> id_of_code;

  std::uint32_t size() const { return static_cast<std::uint32_t>(code_of_id.size()); }
};

/// How often each user and item occurs, once for each pair.
struct Frequencies {
  std::vector<std::uint64_t> users;
  std::vector<std::uint64_t> items;
};

/// Sorts what was appended to a DatasetWriter, a range of users at a time: Count, Relabel, Write,
/// in this order.
///
/// Owner:   one call of DatasetWriter::Finish; the options and chunks outlive it.
/// Threads: not thread-safe; each call runs `options.threads` of its own.
/// Bounds:  beside the chunks a few numbers for each user and item, one chunk and one range of
///          samples for each thread, and a number for each range in each chunk.
/// Invariants: within a chunk samples stand by range, and within a range in the order of appending.
class SampleSorter {
 public:
  SampleSorter(const DatasetWriterOptions& options, std::span<SampleChunk> chunks,
               std::size_t users, std::size_t items);

  /// Counts by code, before anything is merged: a repeated pair counts once whatever becomes of it.
  Frequencies Count();

  /// Replaces the codes in the chunks by ids.
  void Relabel(const DenseIds& users, const DenseIds& items);

  /// Merges duplicates and writes the columns of samples into `folder`, of which items,
  /// ratings and timestamps are still to be synced. Requires: `user_offsets` follow from Count.
  absl::StatusOr<WriteSummary> Write(const std::string& folder,
                                     std::span<const std::uint64_t> user_offsets);

 private:
  /// Users from first up to last, and how many samples were appended for them.
  struct UserRange {
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    std::uint64_t samples = 0;
  };

  void Progress(const char* doing, std::uint64_t done) const;
  void CutIntoRanges();

  /// Sorts a chunk by range; `scratch` keeps memory from chunk to chunk.
  void DealToRanges(std::size_t task, SampleChunk* scratch);

  /// Where each range starts in a chunk, and where the last one ends.
  std::span<std::uint32_t> StartsOf(std::size_t chunk) {
    return std::span(starts_).subspan(chunk * (ranges_.size() + 1), ranges_.size() + 1);
  }

  /// Calls visit(chunk, first, last) for the samples of a range, in the order of appending.
  template <class Visit>
  void ForEachSlice(std::size_t range, const Visit& visit) {
    for (std::size_t chunk = 0; chunk < chunks_.size(); ++chunk) {
      const std::span<const std::uint32_t> starts = StartsOf(chunk).subspan(range, 2);
      if (starts[0] < starts[1]) visit(chunks_[chunk], starts[0], starts[1]);
    }
  }

  std::span<const std::uint64_t> CountsOf(const UserRange& range) const {
    return std::span(appended_).subspan(range.first, range.last - range.first);
  }

  const DatasetWriterOptions& options_;
  const std::span<SampleChunk> chunks_;
  std::size_t items_;
  std::vector<std::uint64_t> appended_;  ///< Samples appended, by user.
  std::uint64_t samples_ = 0;
  std::vector<UserRange> ranges_;
  std::vector<std::uint16_t> range_of_user_;
  std::vector<std::uint32_t> starts_;  ///< By chunk, then by range.
};

}  // namespace cf

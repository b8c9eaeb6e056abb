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

/// The dense ids of users or of items: which code has an id, how often it occurs, and which id a code
/// has (kUnused for those without samples).
struct DenseIds {
  std::vector<std::uint32_t> code_of_id;
  std::vector<std::uint64_t> frequency_of_id;
  std::vector<std::uint32_t> id_of_code;

  std::uint32_t size() const { return static_cast<std::uint32_t>(code_of_id.size()); }
};

/// What was written of the samples.
struct WrittenSamples {
  WriteSummary summary = {};  ///< Without statistics.
  ValueCounts ratings = {};
  TimeRange timestamps = {};

  void Add(const WrittenSamples& others);
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
///          samples for each thread, and a few numbers for each range in each chunk or for every
///          16 samples of it.
/// Invariants: a chunk's slices are by range, and those of a range in the order of appending.
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
  absl::StatusOr<WrittenSamples> Write(const std::string& folder,
                                       std::span<const std::uint64_t> user_offsets);

 private:
  /// Users from first up to last, and how many samples were appended for them.
  struct UserRange {
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    std::uint64_t samples = 0;
  };

  /// Samples of one range that stand side by side in a chunk: from first up to last.
  struct Slice {
    std::uint32_t range = 0;
    std::uint32_t first = 0;
    std::uint32_t last = 0;
  };

  void Progress(const char* doing, std::uint64_t done) const;
  void CutIntoRanges();

  /// Memory that a thread keeps from chunk to chunk.
  struct Scratch {
    std::vector<Slice> slices;
    std::vector<std::uint32_t> places;
    SampleChunk dealt;
  };

  /// Cuts a chunk into slices by range. Where that makes too many, as of a file that is not sorted by
  /// user, the samples are dealt to their ranges first.
  void CutIntoSlices(std::size_t task, Scratch* scratch);

  /// Finds the slices of a chunk as it stands; false where they are more than so many.
  bool FindSlices(const SampleChunk& chunk, std::size_t slices_max, std::vector<Slice>* slices);

  /// Sorts a chunk by range, keeping the order within one, and leaves its slices in the scratch.
  void DealToRanges(SampleChunk* chunk, Scratch* scratch);

  /// Where each range starts in the slices of a chunk, and where the last one ends.
  std::span<std::uint32_t> StartsOf(std::size_t chunk) {
    return std::span(starts_).subspan(chunk * (ranges_.size() + 1), ranges_.size() + 1);
  }

  /// Calls visit(chunk, first, last) for the samples of a range, in the order of appending.
  template <class Visit>
  void ForEachSlice(std::size_t range, const Visit& visit) {
    for (std::size_t chunk = 0; chunk < chunks_.size(); ++chunk) {
      const std::span<const std::uint32_t> starts = StartsOf(chunk).subspan(range, 2);
      for (std::uint32_t place = starts[0]; place < starts[1]; ++place) {
        const Slice& slice = slices_[chunk][place];
        visit(chunks_[chunk], slice.first, slice.last);
      }
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
  std::vector<std::vector<Slice>> slices_;  ///< By chunk.
  std::vector<std::uint32_t> starts_;       ///< By chunk, then by range.
};

}  // namespace cf

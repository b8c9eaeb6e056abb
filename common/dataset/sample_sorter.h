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
/// Owner:   one call of DatasetWriter::Finish; the options and blocks outlive it.
/// Threads: not thread-safe; each call runs `options.threads` of its own.
/// Bounds:  beside the blocks a few numbers for each user and item, and one range of samples for
///          each thread.
class SampleSorter {
 public:
  SampleSorter(const DatasetWriterOptions& options, std::span<SampleBlock> blocks,
               std::size_t users, std::size_t items);

  /// Counts by code, before anything is merged: a repeated pair counts once whatever becomes of it.
  Frequencies Count();

  /// Replaces the codes in the blocks by ids.
  void Relabel(const DenseIds& users, const DenseIds& items);

  /// Merges duplicates and writes the columns of samples into `folder`, synced. Requires:
  /// `user_offsets` follow from Count.
  absl::StatusOr<WriteSummary> Write(const std::string& folder,
                                     std::span<const std::uint64_t> user_offsets);

 private:
  void Progress(const char* doing, std::uint64_t done) const;

  const DatasetWriterOptions& options_;
  const std::span<SampleBlock> blocks_;
  const std::size_t items_;
  std::vector<std::uint64_t> appended_;  ///< Samples appended, by user.
  std::uint64_t samples_ = 0;
};

}  // namespace cf

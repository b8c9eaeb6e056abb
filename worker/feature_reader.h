#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <absl/status/status.h>

#include "common/base/ids.h"
#include "common/features/feature_lists.h"
#include "common/kernels/kernels.h"
#include "common/model/layout.h"
#include "worker/row_reader.h"

namespace cf {

/// Adds what features give the users or items of a factorisation to their rows, between steps. The
/// bits are those that a step composes.
///
/// Owner:   Evaluator.
/// Threads: the seat's compute thread.
/// Bounds:  two chunks as large as the rows it adds to, and kRowsMax rows of a feature.
class FeatureReader {
 public:
  static constexpr std::uint32_t kRowsMax = 1024;  ///< Of a feature's table that one turn brings.

  struct Options {
    std::span<const FeatureLists> features;  ///< Borrowed, as are the others.
    TableId first_table{};                   ///< That of the first feature; the others follow.
    const KernelSet* kernels = nullptr;
  };

  explicit FeatureReader(Options options) : options_(options) {}

  /// How many turns of the exchange Add takes.
  static std::uint64_t TurnsOf(std::span<const FeatureLists> features, FeatureSide side);

  /// Adds to rows.row(k) what the features of `side` give ids[k]; `layout` is that of the rows. The
  /// exchange's error if a peer is lost. Requires: rows.rows() == ids.size().
  absl::Status Add(FeatureSide side, std::span<const RowId> ids, const RowLayout& layout,
                   RowReader& reader, RowCopies& rows);

 private:
  absl::Status Sum(const FeatureLists& lists, TableId table, std::span<const RowId> ids,
                   const RowLayout& layout, RowReader& reader);

  const Options options_;

  // Scratch.
  RowCopies sums_;
  RowCopies read_;
  std::vector<RowId> wanted_;
  std::vector<std::uint32_t> place_;  // By row of a chunk: 1 + its place in wanted_, or 0.
  std::vector<std::size_t> next_;     // By id: the first of its rows that has not been added.
};

}  // namespace cf

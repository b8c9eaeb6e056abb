#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "common/kernels/kernels.h"

namespace cf {

/// Which entries have each of some rows in their lists: those of row r are `entries[k]` for k from
/// ends[r - 1] (0 for the first row) to ends[r] - 1, ascending.
struct RowEntries {
  std::span<const std::uint32_t> ends;
  const std::uint32_t* entries = nullptr;
};

/// The gradients of entries: entry e's starts at `gradients + e * stride`, `padded_dim` floats of the
/// vector and then the bias. Entries are under leaves of the tree over partitions.
struct EntryGradients {
  const std::uint8_t* leaves = nullptr;  ///< By entry, never falling within a sum.
  const float* gradients = nullptr;
  std::size_t stride = 0;
  std::size_t padded_dim = 0;

  static constexpr std::uint32_t kLeavesMax = 16;
  static constexpr std::size_t kColumns = std::size_t{4} * kLanes;  ///< That are summed at once.
  /// What sums need of working memory, in floats.
  static constexpr std::size_t kScratchFloats = kLeavesMax * (kColumns + 1);
};

/// What a row gets of the entries that have it, under one node of the tree.
struct EntrySum {
  std::span<const std::uint32_t> entries;  ///< Ascending; at least one.
  /// A power of two, at most kLeavesMax: the entries' leaves are below it.
  std::uint32_t leaf_count = 1;
  float* sum = nullptr;  ///< `padded_dim` floats and the bias are written.
};

/// The kernels of vectors that are sums over lists of rows (docs/arithmetic.md, Features), for one
/// instruction set. They go by row and not by list: a row is read and its gradient is written once,
/// whoever has it. Sums begin with -0, to which adding anything is to copy it. Constant; any thread.
/// No function allocates. Pointers need no alignment.
struct ListSumKernels {
  /// Sets sums[k] to -0 for k < n, of working memory that is to be summed in.
  void (*clear)(std::size_t n, float* sums);

  /// Adds row after row to the sums of its entries. `rows[r]` points at the `padded_dim` floats of
  /// the vector and the bias; entry e's sum, of the same form, starts at `sums + e * stride`.
  void (*add_rows)(const RowEntries& lists, const float* const* rows, std::size_t padded_dim,
                   std::size_t stride, float* sums);

  /// Adds up each of `sums`: under each leaf the entries in their order, then along the tree, where
  /// what is absent passes through. `scratch`: kScratchFloats, cleared; so they are left.
  void (*sum_entries)(const EntryGradients& from, std::span<const EntrySum> sums, float* scratch);
};

/// Those of the instruction set of `kernels`.
const ListSumKernels& ListSumKernelsOf(const KernelSet& kernels);

}  // namespace cf

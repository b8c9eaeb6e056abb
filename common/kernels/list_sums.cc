// Compiled once for each instruction set, as kernels.cc is.
#define HWY_BASELINE_TARGETS HWY_AVX2
#define HWY_DISABLED_TARGETS (HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/kernels/list_sums.cc"
#include "common/kernels/list_sums.h"

#include <algorithm>

#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace cf::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::CappedTag<float, kLanes>;
constexpr std::size_t kWidth = hn::MaxLanes(Floats());
constexpr std::size_t kRegisters = kLanes / kWidth;  // That make the 16 lanes: one or two.

// Rows this many turns ahead are fetched into the first cache.
constexpr std::size_t kAhead = 4;

// Columns of a row that stay in registers while its entries are gone through.
constexpr std::size_t kColumns = EntryGradients::kColumns;

void Clear(std::size_t n, float* sums) {
  std::fill_n(sums, n, -0.0F);
}

// Of `kLines` times 16 columns from `first` on, and of the bias behind the vector where it is due.
template <std::size_t kLines, bool kBias>
HWY_INLINE void AddColumns(const RowEntries& lists, const float* const* HWY_RESTRICT rows,
                           std::size_t first, std::size_t padded_dim, std::size_t stride,
                           float* HWY_RESTRICT sums) {
  const Floats d;
  constexpr std::size_t kVectors = kLines * kRegisters;
  const std::uint32_t* HWY_RESTRICT entries = lists.entries;
  const std::size_t bias_at = padded_dim - first;
  sums += first;
  for (std::size_t r = 0; r < lists.ends.size(); ++r) {
    if (r + kAhead < lists.ends.size()) {
      for (std::size_t k = 0; k < kLines; ++k)
        __builtin_prefetch(rows[r + kAhead] + first + k * kLanes);
      if constexpr (kBias) __builtin_prefetch(rows[r + kAhead] + padded_dim);
    }
    const std::uint32_t end = lists.ends[r];
    const float* HWY_RESTRICT row = rows[r];
    hn::Vec<Floats> columns[std::max<std::size_t>(kVectors, 1)];
    for (std::size_t v = 0; v < kVectors; ++v) columns[v] = hn::LoadU(d, row + first + v * kWidth);
    const float bias = kBias ? row[padded_dim] : 0.0F;
    for (const std::uint32_t* const last = lists.entries + end; entries != last; ++entries) {
      float* HWY_RESTRICT sum = sums + *entries * stride;
      for (std::size_t v = 0; v < kVectors; ++v) {
        float* at = sum + v * kWidth;
        hn::StoreU(hn::Add(hn::LoadU(d, at), columns[v]), d, at);
      }
      if constexpr (kBias) sum[bias_at] += bias;
    }
  }
}

void AddRows(const RowEntries& lists, const float* const* rows, std::size_t padded_dim,
             std::size_t stride, float* sums) {
  std::size_t first = 0;
  for (; first + kColumns < padded_dim; first += kColumns) {
    AddColumns<kColumns / kLanes, false>(lists, rows, first, padded_dim, stride, sums);
  }
  switch ((padded_dim - first) / kLanes) {
    case 0:
      return AddColumns<0, true>(lists, rows, first, padded_dim, stride, sums);
    case 1:
      return AddColumns<1, true>(lists, rows, first, padded_dim, stride, sums);
    case 2:
      return AddColumns<2, true>(lists, rows, first, padded_dim, stride, sums);
    case 3:
      return AddColumns<3, true>(lists, rows, first, padded_dim, stride, sums);
    default:
      return AddColumns<4, true>(lists, rows, first, padded_dim, stride, sums);
  }
}

// The sum of kLeaves leaves, `apart` floats each, along the tree. They are cleared.
template <std::uint32_t kLeaves>
HWY_INLINE hn::Vec<Floats> TakeLeaves(float* HWY_RESTRICT leaves, std::size_t apart) {
  const Floats d;
  if constexpr (kLeaves == 1) {
    const auto leaf = hn::LoadU(d, leaves);
    hn::StoreU(hn::Set(d, -0.0F), d, leaves);
    return leaf;
  } else {
    const auto left = TakeLeaves<kLeaves / 2>(leaves, apart);
    return hn::Add(left, TakeLeaves<kLeaves / 2>(leaves + kLeaves / 2 * apart, apart));
  }
}

// The same of 16 biases side by side: lanes 1, 2, 4 and 8 apart.
template <class D = Floats>
HWY_INLINE float TakeBiases(float* HWY_RESTRICT biases) {
  const D d;
  const hn::FixedTag<float, 8> eight;
  const hn::FixedTag<float, 4> four;
  const auto pairs = [d, biases](std::size_t k) {
    auto lanes = hn::LoadU(d, biases + k);
    hn::StoreU(hn::Set(d, -0.0F), d, biases + k);
    lanes = hn::Add(lanes, hn::Shuffle2301(lanes));
    return hn::Add(lanes, hn::Shuffle1032(lanes));
  };
  const auto join = [four](auto lanes) {
    return hn::GetLane(hn::Add(hn::LowerHalf(four, lanes), hn::UpperHalf(four, lanes)));
  };
  if constexpr (hn::MaxLanes(D()) == kLanes) {
    const auto lanes = pairs(0);
    return join(hn::LowerHalf(eight, lanes)) + join(hn::UpperHalf(eight, lanes));
  } else {
    return join(pairs(0)) + join(pairs(kWidth));
  }
}

// The sum of as many leaves as there are, and of 16 columns.
HWY_INLINE hn::Vec<Floats> TakeLeaves(std::uint32_t leaf_count, float* HWY_RESTRICT leaves,
                                      std::size_t apart) {
  switch (leaf_count) {
    case 2:
      return TakeLeaves<2>(leaves, apart);
    case 4:
      return TakeLeaves<4>(leaves, apart);
    case 8:
      return TakeLeaves<8>(leaves, apart);
    default:
      return TakeLeaves<EntryGradients::kLeavesMax>(leaves, apart);
  }
}

// Of `kLines` times 16 columns from `first` on, and of the bias behind the vector where it is due.
template <std::size_t kLines, bool kBias>
class ColumnSums {
 public:
  ColumnSums(const EntryGradients& from, std::size_t first, float* scratch)
      : gradients_(from.gradients + first),
        leaves_(from.leaves),
        stride_(from.stride),
        first_(first),
        bias_at_(from.padded_dim - first),
        scratch_(scratch),
        biases_(scratch + EntryGradients::kColumns * EntryGradients::kLeavesMax) {}

  HWY_INLINE void Sum(const EntrySum& of) const {
    // Of two entries it does not matter whether they are under one leaf.
    if (of.entries.size() <= 2 || of.leaf_count == 1) return SumInOrder(of);
    SumLeaves(of);
  }

 private:
  static constexpr std::size_t kVectors = kLines * kRegisters;
  static constexpr std::size_t kApart = kLines * kLanes;

  HWY_INLINE void SumInOrder(const EntrySum& of) const {
    const Floats d;
    hn::Vec<Floats> columns[std::max<std::size_t>(kVectors, 1)];
    for (auto& column : columns) column = hn::Set(d, -0.0F);
    float bias = -0.0F;
    for (const std::uint32_t entry : of.entries) {
      const float* HWY_RESTRICT gradient = gradients_ + entry * stride_;
      for (std::size_t v = 0; v < kVectors; ++v) {
        columns[v] = hn::Add(columns[v], hn::LoadU(d, gradient + v * kWidth));
      }
      if constexpr (kBias) bias += gradient[bias_at_];
    }
    float* HWY_RESTRICT to = of.sum + first_;
    for (std::size_t v = 0; v < kVectors; ++v) hn::StoreU(columns[v], d, to + v * kWidth);
    if constexpr (kBias) to[bias_at_] = bias;
  }

  HWY_INLINE void SumLeaves(const EntrySum& of) const {
    const Floats d;
    float* HWY_RESTRICT scratch = scratch_;
    float* HWY_RESTRICT biases = biases_;
    for (const std::uint32_t entry : of.entries) {
      const float* HWY_RESTRICT gradient = gradients_ + entry * stride_;
      const std::size_t leaf = leaves_[entry];
      float* HWY_RESTRICT columns = scratch + leaf * kApart;
      for (std::size_t v = 0; v < kVectors; ++v) {
        const auto before = hn::LoadU(d, columns + v * kWidth);
        hn::StoreU(hn::Add(before, hn::LoadU(d, gradient + v * kWidth)), d, columns + v * kWidth);
      }
      if constexpr (kBias) biases[leaf] += gradient[bias_at_];
    }
    float* HWY_RESTRICT to = of.sum + first_;
    for (std::size_t v = 0; v < kVectors; ++v) {
      hn::StoreU(TakeLeaves(of.leaf_count, scratch + v * kWidth, kApart), d, to + v * kWidth);
    }
    if constexpr (kBias) to[bias_at_] = TakeBiases(biases);
  }

  const float* const HWY_RESTRICT gradients_;
  const std::uint8_t* const HWY_RESTRICT leaves_;
  const std::size_t stride_;
  const std::size_t first_;
  const std::size_t bias_at_;
  float* const scratch_;
  float* const biases_;
};

template <std::size_t kLines, bool kBias>
HWY_INLINE void SumColumns(const EntryGradients& from, std::span<const EntrySum> sums,
                           std::size_t first, float* scratch) {
  const ColumnSums<kLines, kBias> columns(from, first, scratch);
  for (const EntrySum& of : sums) columns.Sum(of);
}

void SumEntries(const EntryGradients& from, std::span<const EntrySum> sums, float* scratch) {
  std::size_t first = 0;
  for (; first + kColumns < from.padded_dim; first += kColumns) {
    SumColumns<kColumns / kLanes, false>(from, sums, first, scratch);
  }
  switch ((from.padded_dim - first) / kLanes) {
    case 0:
      return SumColumns<0, true>(from, sums, first, scratch);
    case 1:
      return SumColumns<1, true>(from, sums, first, scratch);
    case 2:
      return SumColumns<2, true>(from, sums, first, scratch);
    case 3:
      return SumColumns<3, true>(from, sums, first, scratch);
    default:
      return SumColumns<4, true>(from, sums, first, scratch);
  }
}

}  // namespace

constexpr ListSumKernels kListSumKernels = {
    .clear = Clear,
    .add_rows = AddRows,
    .sum_entries = SumEntries,
};

}  // namespace cf::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cf {

const ListSumKernels& ListSumKernelsOf(const KernelSet& kernels) {
  return kernels.target == KernelTarget::kAvx512 ? N_AVX3::kListSumKernels
                                                 : N_AVX2::kListSumKernels;
}

}  // namespace cf
#endif

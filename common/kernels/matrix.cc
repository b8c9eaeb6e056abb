// Compiled once for each instruction set, as kernels.cc is.
#define HWY_BASELINE_TARGETS HWY_AVX2
#define HWY_DISABLED_TARGETS (HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/kernels/matrix.cc"
#include "common/kernels/matrix.h"

#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace cf::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::CappedTag<float, kLanes>;
using Vector = hn::Vec<Floats>;
constexpr std::size_t kWidth = hn::MaxLanes(Floats());

// A tile of the product is kept in registers: of the 16 of AVX2 12 are sums, of the 32 of AVX-512
// 16. More than the 8 or 10 multiply-adds that the processor has under way at once, so that no sum
// waits for itself.
constexpr std::size_t kTileRows = kWidth == kLanes ? 8 : 6;
constexpr std::size_t kTileVectors = 2;

template <std::size_t kRows, std::size_t kVectors>
HWY_INLINE void ProductTile(const MatrixProduct& p, std::size_t row, std::size_t column) {
  const Floats d;
  Vector sum[kRows][kVectors];
  float* c = p.c + row * p.c_stride + column;
#pragma GCC unroll 8
  for (std::size_t r = 0; r < kRows; ++r) {
    const float* from = p.start != nullptr ? p.start + column : c + r * p.c_stride;
#pragma GCC unroll 2
    for (std::size_t v = 0; v < kVectors; ++v) sum[r][v] = hn::LoadU(d, from + v * kWidth);
  }
  const float* a = p.a + row * p.a_row;
  const float* b = p.b + column;
  const std::size_t a_row = p.a_row;
  for (std::size_t k = 0; k < p.steps; ++k) {
    Vector right[kVectors];
#pragma GCC unroll 2
    for (std::size_t v = 0; v < kVectors; ++v) right[v] = hn::LoadU(d, b + v * kWidth);
#pragma GCC unroll 8
    for (std::size_t r = 0; r < kRows; ++r) {
      const Vector left = hn::Set(d, a[r * a_row]);
#pragma GCC unroll 2
      for (std::size_t v = 0; v < kVectors; ++v) {
        sum[r][v] = hn::MulAdd(left, right[v], sum[r][v]);
      }
    }
    a += p.a_step;
    b += p.b_stride;
  }
#pragma GCC unroll 8
  for (std::size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (std::size_t v = 0; v < kVectors; ++v) {
      hn::StoreU(sum[r][v], d, c + r * p.c_stride + v * kWidth);
    }
  }
}

// All rows of one or two registers' columns: b's columns stay in the first cache meanwhile.
template <std::size_t kVectors>
HWY_INLINE void ProductColumns(const MatrixProduct& p, std::size_t column) {
  std::size_t row = 0;
  for (; row + kTileRows <= p.rows; row += kTileRows) {
    ProductTile<kTileRows, kVectors>(p, row, column);
  }
  if (row + 4 <= p.rows) {
    ProductTile<4, kVectors>(p, row, column);
    row += 4;
  }
  if (row + 2 <= p.rows) {
    ProductTile<2, kVectors>(p, row, column);
    row += 2;
  }
  if (row < p.rows) ProductTile<1, kVectors>(p, row, column);
}

void Product(const MatrixProduct& p) {
  std::size_t column = 0;
  for (; column + kTileVectors * kWidth <= p.columns; column += kTileVectors * kWidth) {
    ProductColumns<kTileVectors>(p, column);
  }
  // Of AVX-512 half a tile may be left.
  for (; column < p.columns; column += kWidth) ProductColumns<1>(p, column);
}

void SumRows(const float* HWY_RESTRICT rows, std::size_t stride, std::size_t n_rows, std::size_t n,
             float* HWY_RESTRICT sum) {
  const Floats d;
  for (std::size_t k = 0; k < n; k += kWidth) {
    Vector total = hn::LoadU(d, sum + k);
    for (std::size_t r = 0; r < n_rows; ++r) {
      total = hn::Add(total, hn::LoadU(d, rows + r * stride + k));
    }
    hn::StoreU(total, d, sum + k);
  }
}

void Activate(bool relu, const float* HWY_RESTRICT mask, std::size_t n, float* HWY_RESTRICT y) {
  const Floats d;
  for (std::size_t k = 0; k < n; k += kWidth) {
    Vector value = hn::LoadU(d, y + k);
    if (relu) value = hn::IfThenZeroElse(hn::Le(value, hn::Zero(d)), value);
    if (mask != nullptr) value = hn::Mul(value, hn::LoadU(d, mask + k));
    hn::StoreU(value, d, y + k);
  }
}

void ActivateBackward(bool relu, const float* HWY_RESTRICT mask, const float* HWY_RESTRICT y,
                      std::size_t n, float* HWY_RESTRICT slope) {
  const Floats d;
  for (std::size_t k = 0; k < n; k += kWidth) {
    Vector value = hn::LoadU(d, slope + k);
    if (mask != nullptr) value = hn::Mul(value, hn::LoadU(d, mask + k));
    if (relu) value = hn::IfThenZeroElse(hn::Eq(hn::LoadU(d, y + k), hn::Zero(d)), value);
    hn::StoreU(value, d, slope + k);
  }
}

void AddAny(float* HWY_RESTRICT a, const float* HWY_RESTRICT b, std::size_t n) {
  const Floats d;
  std::size_t k = 0;
  for (; k + kWidth <= n; k += kWidth) {
    hn::StoreU(hn::Add(hn::LoadU(d, a + k), hn::LoadU(d, b + k)), d, a + k);
  }
  for (; k < n; ++k) a[k] += b[k];
}

}  // namespace

constexpr MatrixKernels kMatrixKernels = {
    .product = Product,
    .sum_rows = SumRows,
    .activate = Activate,
    .activate_backward = ActivateBackward,
    .add = AddAny,
};

}  // namespace cf::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cf {

const MatrixKernels& MatrixKernelsOf(const KernelSet& kernels) {
  return kernels.target == KernelTarget::kAvx512 ? N_AVX3::kMatrixKernels : N_AVX2::kMatrixKernels;
}

}  // namespace cf
#endif

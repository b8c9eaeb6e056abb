// Compiled once for each instruction set, as kernels.cc is.
#define HWY_BASELINE_TARGETS HWY_AVX2
#define HWY_DISABLED_TARGETS (HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/kernels/matrix.cc"
#include "common/kernels/matrix.h"

#include <cstdint>
#include <type_traits>

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
template <std::size_t kRows>
using Rows = std::integral_constant<std::size_t, kRows>;

template <std::size_t kRows, std::size_t kVectors>
using Tile = Vector[kRows][kVectors];

// Adds the products of `steps` columns of a, from `a` on, and rows of b, from `b` on.
template <std::size_t kRows, std::size_t kVectors>
HWY_INLINE void AddProducts(const float* a, std::size_t a_row, std::size_t a_step, const float* b,
                            std::size_t b_stride, std::size_t steps, Tile<kRows, kVectors>& sum) {
  const Floats d;
  for (std::size_t k = 0; k < steps; ++k) {
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
    a += a_step;
    b += b_stride;
  }
}

// Calls `each(r, v)` for every register of a tile.
template <std::size_t kRows, std::size_t kVectors, class Each>
HWY_INLINE void ForTile(Each each) {
#pragma GCC unroll 8
  for (std::size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (std::size_t v = 0; v < kVectors; ++v) each(r, v);
  }
}

template <std::size_t kRows, std::size_t kVectors>
HWY_INLINE void ProductTile(const MatrixProduct& p, std::size_t row, std::size_t column) {
  const Floats d;
  Tile<kRows, kVectors> sum;
  float* c = p.c + row * p.c_stride + column;
  ForTile<kRows, kVectors>([&](std::size_t r, std::size_t v) {
    const float* from = p.start != nullptr ? p.start + column : c + r * p.c_stride;
    sum[r][v] = hn::LoadU(d, from + v * kWidth);
  });
  AddProducts<kRows, kVectors>(p.a + row * p.a_row, p.a_row, p.a_step, p.b + column, p.b_stride,
                               p.steps, sum);
  ForTile<kRows, kVectors>([&](std::size_t r, std::size_t v) {
    hn::StoreU(sum[r][v], d, c + r * p.c_stride + v * kWidth);
  });
}

// Where kPartial, the tile's last register has columns that are not there.
template <std::size_t kRows, std::size_t kVectors, bool kPartial>
HWY_INLINE void GradientTile(const GradientProduct& p, std::size_t row, std::size_t column) {
  const Floats d;
  const auto present = hn::FirstN(d, p.columns - column - (kVectors - 1) * kWidth);
  const auto load = [&](const float* from, std::size_t v) {
    if (kPartial && v + 1 == kVectors) return hn::MaskedLoad(present, d, from + v * kWidth);
    return hn::LoadU(d, from + v * kWidth);
  };
  for (const GradientRun& run : p.runs) {
    Tile<kRows, kVectors> sum;
    float* c = p.c + run.top * p.level_stride + row * p.c_stride + column;
    ForTile<kRows, kVectors>([&](std::size_t r, std::size_t v) {
      sum[r][v] = run.starts ? hn::Zero(d) : load(c + r * p.c_stride, v);
    });
    AddProducts<kRows, kVectors>(p.a + row * p.a_row + run.first * p.a_step, p.a_row, p.a_step,
                                 p.b + run.first * p.b_stride + column, p.b_stride,
                                 run.last - run.first, sum);
    for (std::uint32_t merge = 0; merge < run.merges; ++merge) {
      c -= p.level_stride;
      ForTile<kRows, kVectors>([&](std::size_t r, std::size_t v) {
        sum[r][v] = hn::Add(load(c + r * p.c_stride, v), sum[r][v]);
      });
    }
    ForTile<kRows, kVectors>([&](std::size_t r, std::size_t v) {
      float* to = c + r * p.c_stride + v * kWidth;
      if (kPartial && v + 1 == kVectors) {
        hn::BlendedStore(sum[r][v], present, d, to);
      } else {
        hn::StoreU(sum[r][v], d, to);
      }
    });
  }
}

// Calls `tile` with the number of rows, as a constant, and the first row of each tile.
template <class TileOf>
HWY_INLINE void ForTileRows(std::size_t rows, TileOf tile) {
  std::size_t row = 0;
  for (; row + kTileRows <= rows; row += kTileRows) tile(Rows<kTileRows>(), row);
  if (row + 4 <= rows) {
    tile(Rows<4>(), row);
    row += 4;
  }
  if (row + 2 <= rows) {
    tile(Rows<2>(), row);
    row += 2;
  }
  if (row < rows) tile(Rows<1>(), row);
}

// All rows of one or two registers' columns: b's columns stay in the first cache meanwhile.
template <std::size_t kVectors>
HWY_INLINE void ProductColumns(const MatrixProduct& p, std::size_t column) {
  ForTileRows(p.rows, [&](auto rows, std::size_t row) {
    ProductTile<rows.value, kVectors>(p, row, column);
  });
}

template <std::size_t kVectors, bool kPartial>
HWY_INLINE void GradientColumns(const GradientProduct& p, std::size_t column) {
  ForTileRows(p.rows, [&](auto rows, std::size_t row) {
    GradientTile<rows.value, kVectors, kPartial>(p, row, column);
  });
}

void Product(const MatrixProduct& p) {
  std::size_t column = 0;
  for (; column + kTileVectors * kWidth <= p.columns; column += kTileVectors * kWidth) {
    ProductColumns<kTileVectors>(p, column);
  }
  // With AVX-512 a row may end in half a tile.
  for (; column < p.columns; column += kWidth) ProductColumns<1>(p, column);
}

void Gradient(const GradientProduct& p) {
  std::size_t column = 0;
  for (; column + kTileVectors * kWidth <= p.columns; column += kTileVectors * kWidth) {
    GradientColumns<kTileVectors, false>(p, column);
  }
  if (column + kWidth <= p.columns) {
    GradientColumns<1, false>(p, column);
    column += kWidth;
  }
  if (column < p.columns) GradientColumns<1, true>(p, column);
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
    .gradient = Gradient,
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

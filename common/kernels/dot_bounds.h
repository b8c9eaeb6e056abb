#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "common/kernels/kernels.h"

namespace cf {

/// Rows that are looked at together. Their vectors are bytes, interleaved: of every four columns the
/// four bytes of each row, row after row, so that a block of n columns has n lines of 16 bytes.
inline constexpr std::size_t kBoundRows = kLanes;

/// What is known of each row of a block beside its bytes. Element k of row r's vector is
/// scale[r] (byte - kByteZero), up to what `residual` is the length of.
struct alignas(64) RowBounds {
  static constexpr std::int32_t kByteZero = 128;
  using Figures = std::array<float, kBoundRows>;
  Figures scale;
  Figures bias;      ///< What is added to the dot product. Minus infinity: the row is never above.
  Figures residual;  ///< The length of what the bytes leave out of the vector.
  Figures norm;      ///< The length of the vector.
};

/// A vector that rows are multiplied by, as bytes too: element k is scale * codes[k], up to what the
/// bytes leave out. Borrowed.
struct BoundQuery {
  /// Largest magnitude of a code: two products with bytes then fit 16 bits.
  static constexpr std::int32_t kCodeMax = 63;
  const std::int8_t* codes = nullptr;
  std::size_t columns = 0;  ///< A multiple of four.
  std::int32_t offset = 0;  ///< -kByteZero times the sum of the codes.
  float scale = 0;
  float by_residual = 0;  ///< What a row's residual may add for each unit,
  float by_norm = 0;      ///< and its norm.
  float limit = 0;
};

/// Sets bit r of masks[b] where row r of block b may be above the limit, as far as
///
///     scale dot + bias + by_residual residual + by_norm norm
///
/// says, and where that is no number. The sums of bytes are exact, so that every instruction set sets
/// the same bits. Block b's bytes begin at `bytes + b * columns * kBoundRows`, 64 bytes aligned.
using RowsAboveKernel = void (*)(const BoundQuery& query, const std::uint8_t* bytes,
                                 const RowBounds* rows, std::size_t blocks, std::uint16_t* masks);

/// That of the instruction set of `kernels`; any thread, nothing is allocated. AVX-512 without the
/// instructions for sums of bytes (VNNI) has AVX2's.
RowsAboveKernel RowsAboveKernelOf(const KernelSet& kernels);

}  // namespace cf

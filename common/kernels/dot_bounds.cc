#include "common/kernels/dot_bounds.h"

#include <cstring>
#include <immintrin.h>

// By hand and not by Highway, whose targets (version 1.0) do not name VNNI alone.
#define CF_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))

namespace cf {
namespace {

constexpr std::size_t kColumns = 4;  // That one instruction sums.
constexpr std::size_t kLine = kColumns * kBoundRows;

// Blocks whose sums are in registers together: enough that an addition need not wait for the last.
constexpr std::size_t kTogether = 8;

// Four codes of the query.
std::int32_t CodesAt(const BoundQuery& query, std::size_t k) {
  std::int32_t codes = 0;
  std::memcpy(&codes, query.codes + k, sizeof codes);
  return codes;
}

template <std::size_t kBlocks>
CF_VNNI void AboveOf(const BoundQuery& query, const std::uint8_t* bytes, const RowBounds* rows,
                     std::uint16_t* masks) {
  __m512i sums[kBlocks];
  for (__m512i& sum : sums) sum = _mm512_set1_epi32(query.offset);
  for (std::size_t k = 0; k < query.columns; k += kColumns) {
    const __m512i codes = _mm512_set1_epi32(CodesAt(query, k));
#pragma GCC unroll 8
    for (std::size_t b = 0; b < kBlocks; ++b) {
      const std::uint8_t* line = bytes + (b * query.columns + k) * kBoundRows;
      sums[b] = _mm512_dpbusd_epi32(sums[b], _mm512_load_si512(line), codes);
    }
  }
  for (std::size_t b = 0; b < kBlocks; ++b) {
    const RowBounds& row = rows[b];
    // Of all lanes; g++ 12 warns of its own header where no mask is named.
    const __m512 whole = _mm512_maskz_cvtepi32_ps(__mmask16{0xffff}, sums[b]);
    const __m512 dot = _mm512_mul_ps(whole, _mm512_set1_ps(query.scale));
    __m512 bound =
        _mm512_fmadd_ps(dot, _mm512_load_ps(row.scale.data()), _mm512_load_ps(row.bias.data()));
    bound = _mm512_fmadd_ps(_mm512_set1_ps(query.by_residual), _mm512_load_ps(row.residual.data()),
                            bound);
    bound = _mm512_fmadd_ps(_mm512_set1_ps(query.by_norm), _mm512_load_ps(row.norm.data()), bound);
    masks[b] = _mm512_cmp_ps_mask(bound, _mm512_set1_ps(query.limit), _CMP_NLE_UQ);
  }
}

void AboveVnni(const BoundQuery& query, const std::uint8_t* bytes, const RowBounds* rows,
               std::size_t blocks, std::uint16_t* masks) {
  std::size_t b = 0;
  for (; b + kTogether <= blocks; b += kTogether) {
    AboveOf<kTogether>(query, bytes + b * query.columns * kBoundRows, rows + b, masks + b);
  }
  for (; b < blocks; ++b) {
    AboveOf<1>(query, bytes + b * query.columns * kBoundRows, rows + b, masks + b);
  }
}

// Eight rows of a block, from its row number `first` on.
unsigned AboveOfEight(const BoundQuery& query, const std::uint8_t* bytes, const RowBounds& row,
                      std::size_t first) {
  __m256i sum = _mm256_set1_epi32(query.offset);
  for (std::size_t k = 0; k < query.columns; k += kColumns) {
    const auto* eight = reinterpret_cast<const __m256i*>(bytes + k * kBoundRows + first * kColumns);
    const __m256i codes = _mm256_set1_epi32(CodesAt(query, k));
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_load_si256(eight), codes);
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
  const __m256 dot = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), _mm256_set1_ps(query.scale));
  __m256 bound = _mm256_fmadd_ps(dot, _mm256_load_ps(row.scale.data() + first),
                                 _mm256_load_ps(row.bias.data() + first));
  bound = _mm256_fmadd_ps(_mm256_set1_ps(query.by_residual),
                          _mm256_load_ps(row.residual.data() + first), bound);
  bound = _mm256_fmadd_ps(_mm256_set1_ps(query.by_norm), _mm256_load_ps(row.norm.data() + first),
                          bound);
  return static_cast<unsigned>(
      _mm256_movemask_ps(_mm256_cmp_ps(bound, _mm256_set1_ps(query.limit), _CMP_NLE_UQ)));
}

void AboveAvx2(const BoundQuery& query, const std::uint8_t* bytes, const RowBounds* rows,
               std::size_t blocks, std::uint16_t* masks) {
  for (std::size_t b = 0; b < blocks; ++b) {
    const std::uint8_t* block = bytes + b * query.columns * kBoundRows;
    const unsigned low = AboveOfEight(query, block, rows[b], 0);
    const unsigned high = AboveOfEight(query, block, rows[b], kBoundRows / 2);
    masks[b] = static_cast<std::uint16_t>(low | (high << (kBoundRows / 2)));
  }
}

static_assert(kLine == sizeof(__m512i));

}  // namespace

RowsAboveKernel RowsAboveKernelOf(const KernelSet& kernels) {
  const bool vnni =
      kernels.target == KernelTarget::kAvx512 && __builtin_cpu_supports("avx512vnni") != 0;
  return vnni ? AboveVnni : AboveAvx2;
}

}  // namespace cf

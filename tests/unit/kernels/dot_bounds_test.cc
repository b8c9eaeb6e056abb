#include "common/kernels/dot_bounds.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "tests/unit/kernels/kernels_fixture.h"

namespace cf::dot_bounds_test {
namespace {

constexpr std::size_t kBlocks = 11;  // More than are taken together, and some that are left.

struct alignas(64) Line {
  std::uint8_t bytes[64] = {};
};

/// Bytes and codes over their whole ranges, the ends often.
class DotBoundsTest : public KernelsTest {
 protected:
  std::int64_t Between(std::int64_t least, std::int64_t most) {
    const std::uint64_t draw = random_.Below(drawn_++, 8);
    if (draw < 2) return draw == 0 ? least : most;
    const auto choices = static_cast<std::uint64_t>(most - least + 1);
    return least + static_cast<std::int64_t>(random_.Below(drawn_++, choices));
  }
  float Float() { return 2 * random_.UniformFloat(drawn_++) - 1; }

 private:
  CounterRandom random_{5, Purpose::kSynth};
  std::uint64_t drawn_ = 0;
};

/// As the header says it, one row at a time.
bool SlowAbove(const BoundQuery& query, const std::uint8_t* block, const RowBounds& rows,
               std::size_t r) {
  std::int32_t sum = query.offset;
  for (std::size_t k = 0; k < query.columns; ++k) {
    sum += query.codes[k] * std::int32_t{block[k / 4 * 4 * kBoundRows + r * 4 + k % 4]};
  }
  float bound = std::fma(static_cast<float>(sum) * query.scale, rows.scale[r], rows.bias[r]);
  bound = std::fma(query.by_residual, rows.residual[r], bound);
  bound = std::fma(query.by_norm, rows.norm[r], bound);
  return !(bound <= query.limit);
}

TEST_P(DotBoundsTest, RowsAreAboveByTheBoundThatTheHeaderSays) {
  const RowsAboveKernel kernel = RowsAboveKernelOf(*kernels_);
  int above = 0;
  int below = 0;
  for (const std::size_t columns : kSizes) {
    std::vector<Line> bytes(kBlocks * columns / 4 + 1);
    for (Line& line : bytes) {
      for (std::uint8_t& byte : line.bytes) byte = static_cast<std::uint8_t>(Between(0, 255));
    }
    std::vector<RowBounds> rows(kBlocks);
    for (RowBounds& row : rows) {
      for (std::size_t r = 0; r < kBoundRows; ++r) {
        row.scale[r] = Float() / 100;
        row.bias[r] = Float();
        row.residual[r] = std::abs(Float());
        row.norm[r] = std::abs(Float());
      }
    }
    rows[1].bias[2] = -std::numeric_limits<float>::infinity();
    rows[1].bias[3] = std::numeric_limits<float>::infinity();
    rows[2].norm[15] = std::nanf("");
    std::vector<std::int8_t> codes(columns + 1);
    std::int32_t sum = 0;
    for (std::size_t k = 0; k < columns; ++k) {
      codes[k] = static_cast<std::int8_t>(Between(-BoundQuery::kCodeMax, BoundQuery::kCodeMax));
      sum += codes[k];
    }
    BoundQuery query = {.codes = codes.data(),
                        .columns = columns,
                        .offset = -RowBounds::kByteZero * sum,
                        .scale = 0.01F,
                        .by_residual = 0.5F,
                        .by_norm = 0.25F};
    for (const float limit : {-1.0F, 0.5F, 2.0F}) {
      query.limit = limit;
      std::vector<std::uint16_t> masks(kBlocks + 1, 7777);
      kernel(query, bytes.front().bytes, rows.data(), kBlocks, masks.data());
      for (std::size_t row = 0; row < kBlocks * kBoundRows; ++row) {
        const std::size_t b = row / kBoundRows;
        const std::size_t r = row % kBoundRows;
        const bool expected =
            SlowAbove(query, bytes.front().bytes + b * columns * kBoundRows, rows[b], r);
        EXPECT_EQ((masks[b] >> r & 1) != 0, expected) << columns << " columns, row " << row;
        ++(expected ? above : below);
      }
      EXPECT_EQ(masks[1] >> 2 & 3, 2);
      EXPECT_EQ(masks[2] >> 15 & 1, 1);
      EXPECT_EQ(masks[kBlocks], 7777);
    }
  }
  EXPECT_GT(above, 100);
  EXPECT_GT(below, 100);
}

INSTANTIATE_TEST_SUITE_P(Targets, DotBoundsTest, kKernelTargets, NameOfKernelTarget);

}  // namespace
}  // namespace cf::dot_bounds_test

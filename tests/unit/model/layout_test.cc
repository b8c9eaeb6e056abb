#include "common/model/layout.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

namespace cf::layout_test {
namespace {

TEST(RowLayout, SizesOfARow) {
  const RowLayout layout({.name = "users", .rows = 1, .dim = 20, .biases = true, .moments = 2});
  EXPECT_EQ(layout.padded_dim(), 32U);
  EXPECT_EQ(layout.stride(), 32U + 16 + 2 * 32);
  EXPECT_EQ(layout.gradient_stride(), 48U);
  EXPECT_EQ(layout.wire_floats(), 33U);
  EXPECT_EQ(layout.record_floats(), 63U);
}

TEST(RowLayout, OfBiasesAlone) {
  const RowLayout layout({.name = "users", .rows = 1, .dim = 0, .biases = true, .moments = 2});
  EXPECT_EQ(layout.stride(), 16U);
  EXPECT_EQ(layout.wire_floats(), 1U);
  EXPECT_EQ(layout.record_floats(), 3U);
}

TEST(RowLayout, TheLastStepIsBehindEverythingElseAndKeepsItsBits) {
  const TableShape shape = {
      .name = "t", .rows = 1, .dim = 2, .biases = true, .moments = 2, .last_step = true};
  const RowLayout layout(shape);
  EXPECT_EQ(layout.record_floats(), 10U);
  EXPECT_EQ(layout.last_step_at(), 19U);
  // 0x7f800001 would be a float that signals; processors make another of it.
  for (const std::uint32_t step : {0U, 1U, 0x7f800001U, 0xffffffffU}) {
    std::vector<float> row(layout.stride());
    std::memcpy(row.data() + layout.last_step_at(), &step, sizeof step);
    std::vector<float> record(layout.record_floats());
    layout.ToRecord(row.data(), record.data());
    EXPECT_EQ(std::memcmp(&record.back(), &step, sizeof step), 0);
    std::vector<float> again(layout.stride());
    layout.FromRecord(record.data(), again.data());
    EXPECT_EQ(std::memcmp(again.data(), row.data(), layout.stride() * sizeof(float)), 0);
  }
}

TEST(RowLayout, RecordsComeBackAndTheRestIsZero) {
  for (const std::uint32_t dim : {0U, 1U, 15U, 16U, 17U, 64U}) {
    for (const bool biases : {false, true}) {
      for (const std::uint32_t moments : {0U, 1U, 2U}) {
        const RowLayout layout(
            {.name = "t", .rows = 1, .dim = dim, .biases = biases, .moments = moments});
        std::vector<float> record(layout.record_floats());
        std::iota(record.begin(), record.end(), 1.0F);
        std::vector<float> row(layout.stride(), 77.0F);
        layout.FromRecord(record.data(), row.data());
        const auto values = std::ranges::count_if(row, [](float value) { return value != 0; });
        EXPECT_EQ(static_cast<std::size_t>(values), record.size());
        std::vector<float> again(record.size());
        layout.ToRecord(row.data(), again.data());
        EXPECT_EQ(again, record) << dim << biases << moments;
      }
    }
  }
}

// The order in a record, and where the kernels look for it, are parts of two contracts.
TEST(RowLayout, PutsEachWeightWhereTheKernelsLookForIt) {
  const RowLayout layout({.name = "t", .rows = 1, .dim = 2, .biases = true, .moments = 2});
  const std::vector<float> record = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  std::vector<float> row(layout.stride());
  layout.FromRecord(record.data(), row.data());
  EXPECT_EQ(row[0], 1);
  EXPECT_EQ(row[16], 3) << "the bias";
  EXPECT_EQ(row[17], 6) << "the bias of moment 1";
  EXPECT_EQ(row[18], 9) << "the bias of moment 2";
  EXPECT_EQ(row[32], 4) << "moment 1";
  EXPECT_EQ(row[48], 7) << "moment 2";
}

}  // namespace
}  // namespace cf::layout_test

#include "common/rows/parcel.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cf::parcel_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<RowLayout> kLayouts = {
    RowLayout({.name = "users", .rows = 100, .dim = 3, .biases = true, .moments = 2}),
    RowLayout({.name = "items", .rows = 50, .dim = 0, .biases = true, .moments = 2})};

ParcelShape MakeShape() {
  ParcelShape shape{.from_seat = 2, .to_seat = 5, .turn = 77};
  shape.tables.push_back({.partials = 3, .wanted = 2});  // An odd number of nodes: padded.
  shape.tables.push_back({.rows = 4});
  return shape;
}

Parcel MakeParcel() {
  const ParcelShape shape = MakeShape();
  Buffer payload(PayloadBytes(shape, kLayouts));
  Parcel parcel = ShapeParcel(shape, kLayouts, payload.bytes());
  parcel.payload = std::move(payload);
  std::memset(parcel.payload.data(), 0, parcel.payload.size());
  Parcel::Table& users = parcel.tables[0];
  std::ranges::copy(std::vector{RowId{1}, RowId{1}, RowId{9}}, users.partial_ids.begin());
  std::ranges::copy(std::vector<TreeNode>{16, 18, 17}, users.partial_nodes.begin());
  std::iota(users.gradients.begin(), users.gradients.end(), 1.0F);
  std::ranges::copy(std::vector{RowId{4}, RowId{6}}, users.wanted.begin());
  std::iota(parcel.tables[1].rows.begin(), parcel.tables[1].rows.end(), 500.0F);
  return parcel;
}

TEST(Parcel, HasTheShapeOfItsHeader) {
  const Parcel parcel = MakeParcel();
  // 3 ids, 3 nodes padded to 8 bytes, 3 gradients of 17 floats, 2 ids; 4 rows of 1 float.
  EXPECT_EQ(parcel.payload.size(), 12U + 8 + 3 * 17 * 4 + 8 + 4 * 4);
  EXPECT_EQ(parcel.tables[0].gradients.size(), 51U);
  EXPECT_EQ(parcel.tables[1].rows.size(), 4U);
  EXPECT_EQ(ShapeOf(parcel, kLayouts), MakeShape());
}

TEST(Parcel, ArrivesAsItWasSent) {
  Parcel sent = MakeParcel();
  const std::string control = EncodeHeader(ShapeOf(sent, kLayouts));
  const std::vector<float> gradients(sent.tables[0].gradients.begin(),
                                     sent.tables[0].gradients.end());
  const absl::StatusOr<Parcel> parcel = ParseParcel(control, std::move(sent.payload), kLayouts);
  ASSERT_TRUE(parcel.ok()) << parcel.status();
  EXPECT_EQ(parcel->from_seat, 2U);
  EXPECT_EQ(parcel->to_seat, 5U);
  EXPECT_EQ(parcel->turn, 77U);
  EXPECT_THAT(parcel->tables[0].partial_ids, ElementsAre(RowId{1}, RowId{1}, RowId{9}));
  EXPECT_THAT(parcel->tables[0].partial_nodes, ElementsAre(16, 18, 17));
  EXPECT_THAT(parcel->tables[0].wanted, ElementsAre(RowId{4}, RowId{6}));
  EXPECT_TRUE(std::ranges::equal(parcel->tables[0].gradients, gradients));
  EXPECT_THAT(parcel->tables[1].rows, ElementsAre(500, 501, 502, 503));
  EXPECT_TRUE(parcel->tables[1].wanted.empty());
}

TEST(Parcel, RefusesAHeaderThatDoesNotParse) {
  const auto parcel = ParseParcel("\xff\xff", Buffer(4), kLayouts);
  EXPECT_EQ(parcel.status().code(), absl::StatusCode::kDataLoss);
}

TEST(Parcel, RefusesAnotherNumberOfTables) {
  ParcelShape shape = MakeShape();
  shape.tables.emplace_back();
  const auto parcel = ParseParcel(EncodeHeader(shape), Buffer(4), kLayouts);
  EXPECT_EQ(parcel.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(parcel.status().message()), HasSubstr("3 tables where the model has 2"));
}

TEST(Parcel, RefusesAPayloadOfAnotherLength) {
  Parcel sent = MakeParcel();
  const std::string control = EncodeHeader(ShapeOf(sent, kLayouts));
  for (const std::size_t size : {std::size_t{0}, sent.payload.size() - 1}) {
    const auto parcel = ParseParcel(control, Buffer(size), kLayouts);
    EXPECT_EQ(parcel.status().code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(parcel.status().message()), HasSubstr("where its header says 248"));
  }
}

// Counts whose bytes would wrap around 32 bits, and nearly 64, must not look small.
TEST(Parcel, RefusesCountsBeyondAnyPayload) {
  ParcelShape shape = MakeShape();
  shape.tables[0] = {.partials = ~0U, .wanted = ~0U, .rows = ~0U};
  const auto parcel = ParseParcel(EncodeHeader(shape), Buffer(248), kLayouts);
  EXPECT_EQ(parcel.status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace cf::parcel_test

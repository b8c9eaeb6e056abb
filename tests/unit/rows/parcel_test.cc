#include "common/rows/parcel.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cf {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<RowLayout> kLayouts = {
    RowLayout({.name = "users", .rows = 100, .dim = 3, .biases = true, .slots = 2}),
    RowLayout({.name = "items", .rows = 50, .dim = 0, .biases = true, .slots = 2})};

ParcelHeader MakeHeader() {
  ParcelHeader header;
  header.set_from_seat(2);
  header.set_to_seat(5);
  header.set_turn(77);
  TableCounts& users = *header.add_tables();
  users.set_partials(3);  // An odd number of nodes, so that they are padded.
  users.set_wanted(2);
  TableCounts& items = *header.add_tables();
  items.set_rows(4);
  return header;
}

Parcel MakeParcel() {
  const ParcelHeader header = MakeHeader();
  Parcel parcel = ShapeParcel(header, kLayouts, Buffer(PayloadBytes(header, kLayouts)));
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
  EXPECT_EQ(HeaderOf(parcel, kLayouts).SerializeAsString(), MakeHeader().SerializeAsString());
}

TEST(Parcel, ArrivesAsItWasSent) {
  Parcel sent = MakeParcel();
  const std::string control = HeaderOf(sent, kLayouts).SerializeAsString();
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
  ParcelHeader header = MakeHeader();
  header.add_tables();
  const auto parcel = ParseParcel(header.SerializeAsString(), Buffer(4), kLayouts);
  EXPECT_EQ(parcel.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(parcel.status().message()), HasSubstr("3 tables where the model has 2"));
}

TEST(Parcel, RefusesAPayloadOfAnotherLength) {
  Parcel sent = MakeParcel();
  const std::string control = HeaderOf(sent, kLayouts).SerializeAsString();
  for (const std::size_t size : {std::size_t{0}, sent.payload.size() - 1}) {
    const auto parcel = ParseParcel(control, Buffer(size), kLayouts);
    EXPECT_EQ(parcel.status().code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(parcel.status().message()), HasSubstr("where its header says 248"));
  }
}

// Counts whose bytes would wrap around 32 bits, and nearly 64, must not look small.
TEST(Parcel, RefusesCountsBeyondAnyPayload) {
  ParcelHeader header = MakeHeader();
  header.mutable_tables(0)->set_partials(~0U);
  header.mutable_tables(0)->set_wanted(~0U);
  header.mutable_tables(0)->set_rows(~0U);
  const auto parcel = ParseParcel(header.SerializeAsString(), Buffer(248), kLayouts);
  EXPECT_EQ(parcel.status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace cf

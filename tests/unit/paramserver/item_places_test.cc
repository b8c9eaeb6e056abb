#include "paramserver/item_places.h"

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/paramserver/local_rows.h"

namespace cf::item_places_test {
namespace {

using ::testing::HasSubstr;

constexpr ItemPlaces::Clock::time_point kNoDeadline = ItemPlaces::Clock::time_point::max();
constexpr ItemPlaces::Clock::time_point kAtOnce = ItemPlaces::Clock::time_point::min();

class ItemPlacesTest : public ::testing::Test {
 protected:
  /// As many partitions as seats, or twice as many.
  explicit ItemPlacesTest(std::uint32_t partitions = 2) : partitions_(partitions) {
    local_.Initialize();
  }

  std::unique_ptr<ItemPlaces> MakePlaces(const std::vector<std::uint32_t>& seats) {
    return std::make_unique<ItemPlaces>(
        ItemPlaces::Options{.seats = seats,
                            .store = &local_.store(),
                            .exchange = &local_.exchange(),
                            .items = tables_[Index(kItems)],
                            .schedule = BlockSchedule(partitions_, 1, 20)});
  }
  std::vector<std::uint64_t> All(std::uint64_t sub_epoch) const {
    return std::vector<std::uint64_t>(partitions_, sub_epoch);
  }
  float* HomeOf(std::uint32_t q) {
    float* const rows = local_.store().PinPartition(kItems, PartitionId{q}).value();
    local_.store().ReleasePartition(kItems, PartitionId{q});
    return rows;
  }
  std::vector<std::vector<float>> ItemRecords() {
    std::vector<std::vector<float>> records;
    for (std::uint32_t id = 0; id < tables_[Index(kItems)].shape.rows; ++id) {
      records.push_back(local_.Record(kItems, RowId{id}));
    }
    return records;
  }
  static absl::StatusOr<std::optional<float*>> Now(ItemPlaces& places, std::uint32_t q,
                                                   std::uint64_t sub_epoch) {
    return places.Items(PartitionId{q}, sub_epoch, kAtOnce);
  }

  const std::uint32_t partitions_;
  const std::vector<TableSpec> tables_ = {MakeTable("users", 9, 3, 0), MakeTable("items", 7, 3, 0)};
  LocalRows local_{{.partitions = partitions_, .seats = 2, .tables = tables_}};
};

class FourPartitions : public ItemPlacesTest {
 protected:
  FourPartitions() : ItemPlacesTest(4) {}
};

TEST_F(ItemPlacesTest, ItemsComeHomeAsTheyLeftWhereNobodyChangedThem) {
  for (const PartitionId partition : {PartitionId{0}, PartitionId{1}}) {
    local_.store().MarkWritten(partition);
    local_.store().Commit(partition);
  }
  const std::vector<std::vector<float>> before = ItemRecords();
  const auto first = MakePlaces({0});
  const auto second = MakePlaces({1});
  {
    // Each waits for the other's.
    const std::jthread other([&] { EXPECT_EQ(second->Leave(All(1)), absl::OkStatus()); });
    EXPECT_EQ(first->Leave(All(1)), absl::OkStatus());
  }
  ASSERT_TRUE(Now(*first, 1, 1).value().has_value());
  ASSERT_TRUE(Now(*second, 0, 1).value().has_value());
  ASSERT_TRUE(first->PassItems(PartitionId{1}, 1).ok());  // Home, in sub-epoch 2.
  ASSERT_TRUE(second->PassItems(PartitionId{0}, 1).ok());
  ASSERT_TRUE(first->ComeHome(All(2)).ok());
  ASSERT_TRUE(second->ComeHome(All(2)).ok());
  EXPECT_EQ(ItemRecords(), before);
  for (const std::uint32_t p : {0U, 1U}) {
    EXPECT_EQ(local_.store().ChangedRows(PartitionId{p}), 0U);
  }
}

// Goal: what has changed is known at home, wherever it changed.
TEST_F(ItemPlacesTest, ChangesTravelWithTheItems) {
  for (const PartitionId partition : {PartitionId{0}, PartitionId{1}}) {
    local_.store().MarkWritten(partition);
    local_.store().Commit(partition);
  }
  const auto first = MakePlaces({0});
  const auto second = MakePlaces({1});
  {
    const std::jthread other([&] { EXPECT_EQ(second->Leave(All(1)), absl::OkStatus()); });
    EXPECT_EQ(first->Leave(All(1)), absl::OkStatus());
  }
  float* const rows = **Now(*first, 1, 1);
  const std::size_t stride = RowLayout(tables_[Index(kItems)].shape).stride();
  rows[2 * stride] = 42;
  first->ChangedBits(PartitionId{1})[0] = 1U << 2;
  {
    const std::jthread other([&] { EXPECT_EQ(second->ComeHome(All(1)), absl::OkStatus()); });
    EXPECT_EQ(first->ComeHome(All(1)), absl::OkStatus());
  }
  EXPECT_EQ(local_.store().ChangedRows(PartitionId{0}), 0U);
  EXPECT_EQ(local_.store().ChangedRows(PartitionId{1}), 1U);
  EXPECT_EQ(local_.Record(kItems, Partitioning(2).IdAt(PartitionId{1}, 2))[0], 42.0F);
}

// Goal: one rank keeps its items where they are.
TEST_F(ItemPlacesTest, WithinARankItemsStayWhereTheyAre) {
  const auto places = MakePlaces({0, 1});
  ASSERT_TRUE(places->Leave(All(0)).ok());
  EXPECT_EQ(**Now(*places, 1, 0), HomeOf(1));
  EXPECT_FALSE(Now(*places, 1, 1)->has_value()) << "partition 1 has not worked on it";
  std::optional<float*> rows;
  {
    const std::jthread waiter([&] { rows = *places->Items(PartitionId{1}, 1, kNoDeadline); });
    ASSERT_TRUE(places->PassItems(PartitionId{1}, 0).ok());
  }
  EXPECT_EQ(rows, HomeOf(1));
  EXPECT_TRUE(places->Leave(All(1)).ok()) << "they are away already";
  EXPECT_TRUE(Now(*places, 1, 1)->has_value());
  ASSERT_TRUE(places->ComeHome({{1, 1}}).ok());
}

// Goal: what comes from elsewhere is where items were that left, and only more than that beside it.
// Method: two ranks of two partitions; the lower one is slow.
TEST_F(FourPartitions, WhatComesTakesThePlaceOfWhatLeft) {
  const auto lower = MakePlaces({0});
  const auto upper = MakePlaces({1});
  ASSERT_TRUE(lower->Leave(All(0)).ok());
  ASSERT_TRUE(upper->Leave(All(0)).ok());
  const std::vector<std::vector<float>> before = ItemRecords();
  // From user partition 2 to the lower rank's 1.
  ASSERT_TRUE(upper->PassItems(PartitionId{2}, 0).ok());
  float* const beside = *lower->Items(PartitionId{2}, 1, kNoDeadline).value();
  EXPECT_NE(beside, HomeOf(0));
  EXPECT_NE(beside, HomeOf(1)) << "both are taken";
  // From 0 to the upper rank's 3.
  ASSERT_TRUE(lower->PassItems(PartitionId{0}, 0).ok());
  // From 3 to 2, and from there to 1.
  ASSERT_TRUE(upper->PassItems(PartitionId{3}, 0).ok());
  ASSERT_TRUE(upper->PassItems(PartitionId{3}, 1).ok());
  EXPECT_EQ(*lower->Items(PartitionId{3}, 2, kNoDeadline).value(), HomeOf(0));
  const std::vector<std::uint64_t> next = {1, 0, 2, 1};
  {
    const std::jthread other([&] { EXPECT_EQ(upper->ComeHome(next), absl::OkStatus()); });
    EXPECT_EQ(lower->ComeHome(next), absl::OkStatus());
  }
  EXPECT_EQ(ItemRecords(), before);
}

// Goal: a thread that waits for what comes hears that another has taken it in.
TEST_F(FourPartitions, WhoeverTakesWhatCameTellsTheOther) {
  const auto lower = MakePlaces({0});
  const auto upper = MakePlaces({1});
  ASSERT_TRUE(lower->Leave(All(0)).ok());
  ASSERT_TRUE(upper->Leave(All(0)).ok());
  {
    const std::jthread waiter(
        [&] { EXPECT_TRUE(lower->Items(PartitionId{2}, 1, kNoDeadline).value().has_value()); });
    ASSERT_TRUE(upper->PassItems(PartitionId{2}, 0).ok());
    ASSERT_TRUE(lower->PassItems(PartitionId{0}, 0).ok());
  }
  local_.exchange().Close(absl::UnavailableError("rank 1 was lost"));
  EXPECT_EQ(lower->Items(PartitionId{3}, 2, kNoDeadline).status(),
            absl::UnavailableError("rank 1 was lost"));
  EXPECT_EQ(upper->Items(PartitionId{3}, 1, kNoDeadline).status(),
            absl::UnavailableError("rank 1 was lost"))
      << "within the rank, too";
}

// Goal: items can leave from, and come home to, user partitions that are not equally far.
TEST_F(FourPartitions, LeaveForWhereTheyAreDue) {
  const auto lower = MakePlaces({0});
  const auto upper = MakePlaces({1});
  const std::vector<std::vector<float>> before = ItemRecords();
  const std::vector<std::uint64_t> next = {5, 4, 6, 5};
  const auto both = [&](const std::function<absl::Status(ItemPlaces&)>& move) {
    const std::jthread other([&] { EXPECT_EQ(move(*upper), absl::OkStatus()); });
    EXPECT_EQ(move(*lower), absl::OkStatus());
  };
  both([&](ItemPlaces& places) { return places.Leave(next); });
  // As in the test above, a round later.
  EXPECT_TRUE(Now(*lower, 1, 4)->has_value());
  EXPECT_TRUE(Now(*lower, 2, 5)->has_value());
  EXPECT_TRUE(Now(*lower, 3, 6)->has_value());
  EXPECT_TRUE(Now(*upper, 0, 5)->has_value());
  both([&](ItemPlaces& places) { return places.ComeHome(next); });
  EXPECT_EQ(ItemRecords(), before);
}

// A peer of another build, or a stranger's bytes: nothing is read beyond what came.
TEST_F(FourPartitions, RefusesAnItemPartitionOfAnotherLength) {
  const auto lower = MakePlaces({0});
  ASSERT_TRUE(lower->Leave(All(0)).ok());
  const std::size_t bytes = ItemPlaces::TransferBytes(tables_[Index(kItems)], 2);
  Parcel sent = local_.exchange().MakeTransfer(
      {.from_seat = 1, .to_seat = 0, .number = kPartitionsMax + 2}, bytes - 64);
  local_.exchange().SendTransfer(std::move(sent));
  const absl::Status refused = lower->Items(PartitionId{2}, 1, kNoDeadline).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("item partition 2 came with"));
}

TEST_F(FourPartitions, RefusesAnItemPartitionThatIsNotToCome) {
  const auto lower = MakePlaces({0});
  ASSERT_TRUE(lower->Leave(All(0)).ok());
  const auto refuses = [&](std::uint64_t number) {
    local_.exchange().SendTransfer(
        local_.exchange().MakeTransfer({.from_seat = 1, .to_seat = 0, .number = number}, 64));
    const absl::Status refused = lower->Items(PartitionId{2}, 1, kNoDeadline).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss) << number;
    EXPECT_THAT(std::string(refused.message()), HasSubstr("where it is not to come from there"));
  };
  refuses(kPartitionsMax + 1);      // It is here.
  refuses(2 * kPartitionsMax + 2);  // It comes from seat 0 itself then.
  refuses(kPartitionsMax + 4);      // There is no such partition.
}

}  // namespace
}  // namespace cf::item_places_test

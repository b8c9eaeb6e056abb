#include "common/rows/mailbox.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cf {
namespace {

using ::testing::HasSubstr;

Parcel From(std::uint32_t seat, std::uint64_t turn) {
  Parcel parcel;
  parcel.from_seat = seat;
  parcel.turn = turn;
  return parcel;
}

void ExpectDataLoss(const absl::Status& status, const std::string& message) {
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(message));
}

TEST(Mailbox, GivesParcelsInTheOrderOfTheSeats) {
  Mailbox mailbox(4, 1);
  std::vector<Parcel> parcels;
  for (std::uint64_t turn = 0; turn < 3; ++turn) {
    for (const std::uint32_t seat : {3U, 0U, 2U}) mailbox.Deliver(From(seat, turn));
    ASSERT_TRUE(mailbox.Await(turn, parcels).ok());
    ASSERT_EQ(parcels.size(), 3U);
    EXPECT_EQ(parcels[0].from_seat, 0U);
    EXPECT_EQ(parcels[1].from_seat, 2U);
    EXPECT_EQ(parcels[2].from_seat, 3U);
  }
}

TEST(Mailbox, WaitsForEverySource) {
  Mailbox mailbox(3, 3);
  const std::jthread sender([&] {
    for (const std::uint32_t seat : {2U, 1U, 0U}) mailbox.Deliver(From(seat, 7));
  });
  std::vector<Parcel> parcels;
  ASSERT_TRUE(mailbox.Await(7, parcels).ok());
  EXPECT_EQ(parcels.size(), 3U);
}

TEST(Mailbox, ASeatWithoutOthersNeverWaits) {
  Mailbox mailbox(1, 0);
  std::vector<Parcel> parcels(2);
  EXPECT_TRUE(mailbox.Await(7, parcels).ok());
  EXPECT_TRUE(parcels.empty());
}

TEST(Mailbox, ClosingWakesWhoeverWaitsAndTheFirstReasonCounts) {
  Mailbox mailbox(2, 0);
  absl::Status result;
  {
    const std::jthread waiter([&] {
      std::vector<Parcel> parcels;
      result = mailbox.Await(0, parcels);
    });
    mailbox.Close(absl::UnavailableError("rank 1 was lost"));
    mailbox.Close(absl::InternalError("later"));
  }
  EXPECT_EQ(result, absl::UnavailableError("rank 1 was lost"));
  std::vector<Parcel> parcels;
  EXPECT_EQ(mailbox.Await(0, parcels), absl::UnavailableError("rank 1 was lost"));
}

TEST(Mailbox, RefusesASecondParcelOfOneSource) {
  Mailbox mailbox(3, 0);
  mailbox.Deliver(From(1, 0));
  mailbox.Deliver(From(1, 1));
  std::vector<Parcel> parcels;
  ExpectDataLoss(mailbox.Await(0, parcels), "an unexpected parcel from seat 1");
}

TEST(Mailbox, RefusesASeatThatIsNotThere) {
  Mailbox mailbox(3, 0);
  mailbox.Deliver(From(3, 0));
  std::vector<Parcel> parcels;
  ExpectDataLoss(mailbox.Await(0, parcels), "an unexpected parcel from seat 3");
}

// Counted as a source, it would let the receiver go on without one of the others.
TEST(Mailbox, RefusesTheReceiversOwnSeat) {
  Mailbox mailbox(3, 0);
  mailbox.Deliver(From(0, 0));
  mailbox.Deliver(From(1, 0));
  std::vector<Parcel> parcels;
  ExpectDataLoss(mailbox.Await(0, parcels), "an unexpected parcel from seat 0");
}

TEST(Mailbox, RefusesAnotherTurn) {
  Mailbox mailbox(2, 0);
  mailbox.Deliver(From(1, 4));
  std::vector<Parcel> parcels;
  ExpectDataLoss(mailbox.Await(3, parcels), "a parcel of turn 4 from seat 1 where turn 3 is due");
}

}  // namespace
}  // namespace cf

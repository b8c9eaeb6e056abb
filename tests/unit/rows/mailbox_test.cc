#include "common/rows/mailbox.h"

#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/activity.h"

namespace cf::mailbox_test {
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
  Mailbox mailbox({.seats = 4, .absent = 1});
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
  Mailbox mailbox({.seats = 3, .absent = 3});
  const std::jthread sender([&] {
    for (const std::uint32_t seat : {2U, 1U, 0U}) mailbox.Deliver(From(seat, 7));
  });
  std::vector<Parcel> parcels;
  ASSERT_TRUE(mailbox.Await(7, parcels).ok());
  EXPECT_EQ(parcels.size(), 3U);
}

TEST(Mailbox, HoldsSeveralTurnsOfASource) {
  Mailbox mailbox({.seats = 2, .absent = 0, .depth = 3});
  std::vector<Parcel> parcels;
  for (std::uint64_t turn = 0; turn < 2; ++turn) mailbox.Deliver(From(1, turn));
  for (std::uint64_t turn = 0; turn < 10; ++turn) {
    mailbox.Deliver(From(1, turn + 2));
    ASSERT_TRUE(mailbox.Await(turn, parcels).ok());
    ASSERT_EQ(parcels.size(), 1U);
    EXPECT_EQ(parcels[0].turn, turn);
  }
  mailbox.Deliver(From(1, 12));
  mailbox.Deliver(From(1, 13));
  ExpectDataLoss(mailbox.Await(10, parcels), "an unexpected parcel from seat 1");
}

// The fast source's parcels of later turns must not be taken for the slow one's.
TEST(Mailbox, WaitsForTheSlowestOfSeveralTurns) {
  Mailbox mailbox({.seats = 3, .absent = 3, .depth = 4});
  for (std::uint64_t turn = 0; turn < 4; ++turn) {
    for (const std::uint32_t seat : {0U, 1U}) mailbox.Deliver(From(seat, turn));
  }
  const std::jthread sender([&] {
    for (std::uint64_t turn = 0; turn < 4; ++turn) mailbox.Deliver(From(2, turn));
  });
  std::vector<Parcel> parcels;
  for (std::uint64_t turn = 0; turn < 4; ++turn) {
    ASSERT_TRUE(mailbox.Await(turn, parcels).ok());
    ASSERT_EQ(parcels.size(), 3U);
    for (const Parcel& parcel : parcels) EXPECT_EQ(parcel.turn, turn);
  }
}

TEST(Mailbox, IsReadyWhenAwaitWouldNotWait) {
  Mailbox mailbox({.seats = 2, .absent = 2, .depth = 2});
  mailbox.Deliver(From(0, 1));
  mailbox.Deliver(From(0, 2));
  EXPECT_FALSE(mailbox.IsReady());
  mailbox.Deliver(From(1, 1));
  EXPECT_TRUE(mailbox.IsReady());
  std::vector<Parcel> parcels;
  ASSERT_TRUE(mailbox.Await(1, parcels).ok());
  EXPECT_FALSE(mailbox.IsReady());
  mailbox.Close(absl::UnavailableError("rank 1 was lost"));
  EXPECT_TRUE(mailbox.IsReady());
}

TEST(Mailbox, GivesWhateverHasCome) {
  Mailbox mailbox({.seats = 3, .absent = 3, .depth = 2});
  EXPECT_FALSE(mailbox.TakeAny()->has_value());
  mailbox.Deliver(From(2, 8));
  mailbox.Deliver(From(2, 5));
  EXPECT_EQ(mailbox.TakeAny().value()->turn, 8U);
  // Nobody else is waited for where one has come.
  EXPECT_EQ(mailbox.AwaitAny(0)->turn, 5U);
  const std::jthread sender([&] { mailbox.Deliver(From(1, 9)); });
  EXPECT_EQ(mailbox.AwaitAny(0)->from_seat, 1U);
  EXPECT_FALSE(mailbox.TakeAny()->has_value());
  mailbox.Close(absl::UnavailableError("rank 1 was lost"));
  EXPECT_EQ(mailbox.TakeAny().status(), absl::UnavailableError("rank 1 was lost"));
  EXPECT_EQ(mailbox.AwaitAny(0).status(), absl::UnavailableError("rank 1 was lost"));
}

// Threads that share what comes look for it themselves, and may be woken for another reason.
TEST(Mailbox, TellsThatSomethingHasCome) {
  constexpr Doorbell::Clock::time_point kNoDeadline = Doorbell::kNoDeadline;
  Mailbox mailbox({.seats = 2, .absent = 2, .depth = 2});
  std::uint32_t seen = mailbox.arrivals();
  {
    const std::jthread sender([&] { mailbox.Deliver(From(1, 9)); });
    while (mailbox.arrivals() == seen) {
      ASSERT_TRUE(mailbox.AwaitArrivals(1, seen, kNoDeadline).ok());
    }
  }
  EXPECT_TRUE(mailbox.TakeAny()->has_value());
  seen = mailbox.arrivals();
  {
    const std::jthread other([&] { mailbox.Wake(); });
    while (mailbox.arrivals() == seen) {
      ASSERT_TRUE(mailbox.AwaitArrivals(1, seen, kNoDeadline).ok());
    }
  }
  EXPECT_FALSE(mailbox.TakeAny()->has_value());
  EXPECT_TRUE(
      mailbox.AwaitArrivals(1, mailbox.arrivals(), Doorbell::Clock::time_point::min()).ok());
  mailbox.Close(absl::UnavailableError("rank 1 was lost"));
  EXPECT_EQ(mailbox.AwaitArrivals(1, mailbox.arrivals(), kNoDeadline),
            absl::UnavailableError("rank 1 was lost"));
}

TEST(Mailbox, ASeatWithoutOthersNeverWaits) {
  Mailbox mailbox({.seats = 1, .absent = 0});
  std::vector<Parcel> parcels(2);
  EXPECT_TRUE(mailbox.Await(7, parcels).ok());
  EXPECT_TRUE(parcels.empty());
}

TEST(Mailbox, ClosingWakesWhoeverWaitsAndTheFirstReasonCounts) {
  Mailbox mailbox({.seats = 2, .absent = 0});
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

// Goal: who watches sees for whom a seat waits, and that it does not any more once the parcel is
// there, even before the seat has taken it.
TEST(Mailbox, TellsForWhomItsSeatWaits) {
  const std::vector<int> ranks = {4, 5, 6};
  Mailbox mailbox({.seats = 3, .absent = 3, .depth = 2, .ranks = ranks});
  mailbox.Deliver(From(0, 7));
  Activity activity;
  std::jthread seat([&] {
    const Activity::Here here(&activity, Work::kTraining);
    std::vector<Parcel> parcels;
    EXPECT_TRUE(mailbox.Await(7, parcels).ok());
    EXPECT_TRUE(mailbox.AwaitAny(2).ok());
  });
  const auto waits_for = [&activity](int rank) {
    const Activity::State state = activity.Look();
    return state.waits && state.waits_for == rank && state.work == Work::kTraining;
  };
  while (!waits_for(5)) std::this_thread::yield();
  mailbox.Deliver(From(2, 7));
  EXPECT_TRUE(activity.Look().waits) << "one parcel is missing";
  mailbox.Deliver(From(1, 7));
  while (!waits_for(6)) std::this_thread::yield();
  mailbox.Deliver(From(2, 8));
  seat.join();
  EXPECT_EQ(activity.Look().work, Work::kNothing);
}

// A seat of BLOCKS waits for one other; what that one sent before it was lost no longer counts.
TEST(Mailbox, ClosingEndsTheWaitForOneSource) {
  Mailbox mailbox({.seats = 3, .absent = 3, .depth = 2});
  mailbox.Deliver(From(2, 8));
  mailbox.Close(absl::UnavailableError("rank 1 was lost"));
  EXPECT_EQ(mailbox.AwaitAny(2).status(), absl::UnavailableError("rank 1 was lost"));
}

TEST(Mailbox, RefusesASecondParcelOfOneSource) {
  Mailbox mailbox({.seats = 3, .absent = 0});
  mailbox.Deliver(From(1, 0));
  mailbox.Deliver(From(1, 1));
  std::vector<Parcel> parcels;
  ExpectDataLoss(mailbox.Await(0, parcels), "an unexpected parcel from seat 1");
}

TEST(Mailbox, RefusesASeatThatIsNotThere) {
  Mailbox mailbox({.seats = 3, .absent = 0});
  mailbox.Deliver(From(3, 0));
  std::vector<Parcel> parcels;
  ExpectDataLoss(mailbox.Await(0, parcels), "an unexpected parcel from seat 3");
}

// Counted as a source, it would let the receiver go on without one of the others.
TEST(Mailbox, RefusesTheReceiversOwnSeat) {
  Mailbox mailbox({.seats = 3, .absent = 0});
  mailbox.Deliver(From(0, 0));
  mailbox.Deliver(From(1, 0));
  std::vector<Parcel> parcels;
  ExpectDataLoss(mailbox.Await(0, parcels), "an unexpected parcel from seat 0");
}

TEST(Mailbox, RefusesAnotherTurn) {
  Mailbox mailbox({.seats = 2, .absent = 0});
  mailbox.Deliver(From(1, 4));
  std::vector<Parcel> parcels;
  ExpectDataLoss(mailbox.Await(3, parcels), "a parcel of turn 4 from seat 1 where turn 3 is due");
}

}  // namespace
}  // namespace cf::mailbox_test

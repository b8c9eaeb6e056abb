#include "coordinator/control_link.h"

#include <thread>

#include <gtest/gtest.h>

#include "common/base/activity.h"

namespace cf::control_link_test {
namespace {

Envelope MessageOf(std::uint64_t sequence) {
  Envelope envelope;
  envelope.mutable_reply()->set_sequence(sequence);
  return envelope;
}

TEST(ControlLink, KeepsEachRanksMessagesApartAndInOrder) {
  ControlLink link(3);
  ASSERT_TRUE(link.Deliver(1, MessageOf(10)).ok());
  ASSERT_TRUE(link.Deliver(2, MessageOf(20)).ok());
  ASSERT_TRUE(link.Deliver(1, MessageOf(11)).ok());
  EXPECT_EQ(link.Await(2)->reply().sequence(), 20U);
  EXPECT_EQ(link.Await(1)->reply().sequence(), 10U);
  EXPECT_EQ(link.Await(1)->reply().sequence(), 11U);
}

TEST(ControlLink, WaitsForTheRankThatWasAskedFor) {
  ControlLink link(3);
  const std::jthread sender([&] {
    ASSERT_TRUE(link.Deliver(1, MessageOf(10)).ok());
    ASSERT_TRUE(link.Deliver(2, MessageOf(20)).ok());
  });
  EXPECT_EQ(link.Await(2)->reply().sequence(), 20U);
}

// The last command of a coordinator that then leaves must still be read.
TEST(ControlLink, WhatHasArrivedIsReadBeforeTheError) {
  ControlLink link(2);
  ASSERT_TRUE(link.Deliver(1, MessageOf(10)).ok());
  link.Close(absl::UnavailableError("rank 1 was lost"));
  link.Close(absl::InternalError("later"));
  EXPECT_EQ(link.Await(1)->reply().sequence(), 10U);
  EXPECT_EQ(link.Await(1).status(), absl::UnavailableError("rank 1 was lost"));
}

TEST(ControlLink, ClosingWakesWhoeverWaits) {
  ControlLink link(2);
  absl::Status result;
  {
    const std::jthread waiter([&] { result = link.Await(1).status(); });
    link.Close(absl::UnavailableError("rank 1 was lost"));
  }
  EXPECT_EQ(result, absl::UnavailableError("rank 1 was lost"));
}

TEST(ControlLink, TellsForWhomTheThreadWaits) {
  ControlLink link(3);
  ASSERT_TRUE(link.Deliver(2, MessageOf(1)).ok());
  ASSERT_TRUE(link.Await(2).ok());
  Activity activity;
  std::jthread waiter([&] {
    const Activity::Here here(&activity, Work::kLeading);
    EXPECT_EQ(link.Await(2)->reply().sequence(), 2U);
  });
  while (!activity.Look().waits) std::this_thread::yield();
  EXPECT_EQ(activity.Look().waits_for, 2);
  ASSERT_TRUE(link.Deliver(1, MessageOf(2)).ok());
  EXPECT_TRUE(activity.Look().waits) << "for another rank";
  ASSERT_TRUE(link.Deliver(2, MessageOf(2)).ok());
  waiter.join();
}

TEST(ControlLink, AMessageThatDoesNotParseIsAnError) {
  Message message;
  message.control = "\xff\xff";
  EXPECT_EQ(ParseControl(2, message).status(),
            absl::DataLossError("rank 2 sent a control message that does not parse"));
}

// A rank that is told nothing and talks on fills no memory.
TEST(ControlLink, HasRoomForAsManyMessagesAsTheProtocolAllows) {
  ControlLink link(3);
  for (std::uint64_t sequence = 1; sequence <= ControlLink::kWaitingMax; ++sequence) {
    ASSERT_TRUE(link.Deliver(1, MessageOf(sequence)).ok());
  }
  EXPECT_EQ(link.Deliver(1, MessageOf(3)).code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(link.Deliver(2, MessageOf(1)).ok()) << "another rank has room of its own";
  ASSERT_TRUE(link.Await(1).ok());
  EXPECT_TRUE(link.Deliver(1, MessageOf(3)).ok());
}

}  // namespace
}  // namespace cf::control_link_test

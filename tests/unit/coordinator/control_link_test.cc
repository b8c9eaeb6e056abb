#include "coordinator/control_link.h"

#include <thread>

#include <gtest/gtest.h>

namespace cf {
namespace {

Message MessageOf(std::uint64_t sequence) {
  Envelope envelope;
  envelope.mutable_reply()->set_sequence(sequence);
  Message message;
  message.control = envelope.SerializeAsString();
  return message;
}

TEST(ControlLink, KeepsEachRanksMessagesApartAndInOrder) {
  ControlLink link(3);
  link.Deliver(1, MessageOf(10));
  link.Deliver(2, MessageOf(20));
  link.Deliver(1, MessageOf(11));
  EXPECT_EQ(link.Await(2)->reply().sequence(), 20U);
  EXPECT_EQ(link.Await(1)->reply().sequence(), 10U);
  EXPECT_EQ(link.Await(1)->reply().sequence(), 11U);
}

TEST(ControlLink, WaitsForTheRankThatWasAskedFor) {
  ControlLink link(3);
  const std::jthread sender([&] {
    link.Deliver(1, MessageOf(10));
    link.Deliver(2, MessageOf(20));
  });
  EXPECT_EQ(link.Await(2)->reply().sequence(), 20U);
}

// The last command of a coordinator that then leaves must still be read.
TEST(ControlLink, WhatHasArrivedIsReadBeforeTheError) {
  ControlLink link(2);
  link.Deliver(1, MessageOf(10));
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

TEST(ControlLink, AMessageThatDoesNotParseClosesTheLink) {
  ControlLink link(3);
  Message message;
  message.control = "\xff\xff";
  link.Deliver(2, message);
  EXPECT_EQ(link.Await(1).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace cf

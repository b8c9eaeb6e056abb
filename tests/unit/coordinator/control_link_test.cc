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

TEST(ControlLink, AMessageThatDoesNotParseIsAnError) {
  ControlLink link(3);
  Message message;
  message.control = "\xff\xff";
  EXPECT_EQ(link.Deliver(2, message).code(), absl::StatusCode::kDataLoss);
}

// Goal: the rank that was lost is named, and not the one that noticed first and left.
TEST(ControlLink, AMemberThatHasLostARankSaysWhich) {
  ControlLink link(3);
  Envelope envelope;
  envelope.mutable_reply()->set_code(static_cast<int>(absl::StatusCode::kUnavailable));
  envelope.mutable_reply()->set_message("rank 2 on n2 was lost: it was silent for 5000 ms");
  envelope.mutable_reply()->set_lost_host("n2");
  Message message;
  message.control = envelope.SerializeAsString();
  const absl::Status delivered = link.Deliver(1, message);
  EXPECT_EQ(delivered.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(delivered.message(), "rank 2 on n2 was lost: it was silent for 5000 ms");
  EXPECT_EQ(LostHost(delivered), "n2");
  EXPECT_EQ(LostHost(absl::UnavailableError("rank 2 died")), "");
}

}  // namespace
}  // namespace cf

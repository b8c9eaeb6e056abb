#include "common/rows/exchange.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cf::exchange_test {
namespace {

using ::testing::HasSubstr;

const std::vector<RowLayout> kLayouts = {
    RowLayout({.name = "users", .rows = 100, .dim = 3, .biases = true, .moments = 0})};

Placement TwoThreadsAndAnotherRank() {
  return Placement::Make({.partitions = 4, .threads = {2, 1}, .servers = 0}).value();
}

ParcelShape Shape(std::uint32_t from, std::uint32_t to, std::uint64_t turn) {
  return {.from_seat = from, .to_seat = to, .turn = turn, .tables = {{.wanted = 1}}};
}

/// What the mesh would bring.
Message MessageOf(FrameKind kind, const ParcelShape& shape) {
  Message message;
  message.kind = kind;
  message.control = EncodeHeader(shape);
  message.payload = Buffer(PayloadBytes(shape, kLayouts));
  return message;
}

TEST(Exchange, KnowsWhichSeatsAreHere) {
  const Placement placement = TwoThreadsAndAnotherRank();
  const Exchange first(placement, 0, kLayouts, nullptr);
  EXPECT_TRUE(first.IsWorkerHere(0));
  EXPECT_TRUE(first.IsServerHere(1));
  EXPECT_FALSE(first.IsWorkerHere(2));
  EXPECT_FALSE(first.IsServerHere(2));
}

TEST(Exchange, HandsParcelsOverWithinTheProcess) {
  const Placement placement =
      Placement::Make({.partitions = 4, .threads = {2}, .servers = 0}).value();
  Exchange exchange(placement, 0, kLayouts, nullptr);
  Parcel push = exchange.MakePush(Shape(0, 1, 3));
  push.tables[0].wanted[0] = RowId{42};
  const std::byte* const bytes = push.payload.data();
  exchange.SendPush(std::move(push));
  std::vector<Parcel> arrived;
  ASSERT_TRUE(exchange.PushesTo(1).Await(3, arrived).ok());
  ASSERT_EQ(arrived.size(), 1U);
  EXPECT_EQ(arrived[0].tables[0].wanted[0], RowId{42});
  EXPECT_EQ(arrived[0].payload.data(), bytes) << "moved, not copied";

  exchange.SendRows(exchange.MakeRows(Shape(1, 0, 3)));
  ASSERT_TRUE(exchange.RowsTo(0).Await(3, arrived).ok());
}

TEST(Exchange, UsesPayloadsAgain) {
  const Placement placement =
      Placement::Make({.partitions = 4, .threads = {2}, .servers = 0}).value();
  Exchange exchange(placement, 0, kLayouts, nullptr);
  Parcel parcel = exchange.MakePush(Shape(0, 1, 3));
  const std::byte* const bytes = parcel.payload.data();
  exchange.Recycle(std::move(parcel));
  EXPECT_EQ(exchange.MakePush(Shape(1, 0, 4)).payload.data(), bytes);
}

TEST(Exchange, HandsTransfersOverInTheOrderOfTheirSender) {
  const Placement placement =
      Placement::Make({.partitions = 4, .threads = {2}, .servers = 0}).value();
  Exchange exchange(placement, 0, kLayouts, nullptr);
  for (const std::uint64_t number : {5U, 9U}) {
    Parcel transfer = exchange.MakeTransfer({.from_seat = 0, .to_seat = 1, .number = number}, 100);
    transfer.bytes[99] = static_cast<std::byte>(number);
    exchange.SendTransfer(std::move(transfer));
  }
  for (const std::uint64_t number : {5U, 9U}) {
    absl::StatusOr<Parcel> transfer = exchange.AwaitTransfer(1, 0);
    ASSERT_TRUE(transfer.ok()) << transfer.status();
    EXPECT_EQ(transfer->turn, number);
    ASSERT_EQ(transfer->bytes.size(), 100U);
    EXPECT_EQ(transfer->bytes[99], static_cast<std::byte>(number));
    exchange.Recycle(*std::move(transfer));
  }
  EXPECT_EQ(exchange.stats()[static_cast<std::size_t>(Channel::kCall)].messages, 2U);
  EXPECT_EQ(exchange.stats()[static_cast<std::size_t>(Channel::kCall)].bytes, 200U);
}

TEST(Exchange, TellsAThreadThatItemsArePassedOn) {
  const Placement placement =
      Placement::Make({.partitions = 4, .threads = {2}, .servers = 0}).value();
  Exchange exchange(placement, 0, kLayouts, nullptr);
  const PartitionId p{2};
  const std::uint32_t seen = exchange.PassedOn(p);
  {
    const std::jthread other([&] { exchange.PassOn(p); });
    while (exchange.PassedOn(p) == seen) {
      ASSERT_TRUE(exchange.AwaitPassed(p, seen, Doorbell::kNoDeadline).ok());
    }
  }
  EXPECT_EQ(exchange.PassedOn(PartitionId{1}), seen) << "another partition's";
  EXPECT_TRUE(
      exchange.AwaitPassed(p, exchange.PassedOn(p), Doorbell::Clock::time_point::min()).ok());
  exchange.Close(absl::UnavailableError("rank 1 was lost"));
  exchange.Close(absl::UnavailableError("and so was rank 2"));
  EXPECT_EQ(exchange.AwaitPassed(p, exchange.PassedOn(p), Doorbell::kNoDeadline),
            absl::UnavailableError("rank 1 was lost"));
}

TEST(Exchange, DeliversTransfersThatTheMeshBrings) {
  const Placement placement = TwoThreadsAndAnotherRank();
  Exchange exchange(placement, 0, kLayouts, nullptr);
  Message message;
  message.kind = FrameKind::kTransfer;
  message.control = EncodeHeader({.from_seat = 2, .to_seat = 1, .turn = 7});
  message.payload = Buffer(33);
  exchange.Receive(1, std::move(message));
  const absl::StatusOr<std::optional<Parcel>> transfer = exchange.TakeTransfer(1);
  ASSERT_TRUE(transfer.ok()) << transfer.status();
  ASSERT_TRUE(transfer->has_value());
  EXPECT_EQ((*transfer)->turn, 7U);
  EXPECT_EQ((*transfer)->bytes.size(), 33U);
}

TEST(Exchange, DeliversWhatTheMeshBrings) {
  const Placement placement = TwoThreadsAndAnotherRank();
  Exchange exchange(placement, 0, kLayouts, nullptr);
  exchange.SendPush(exchange.MakePush(Shape(0, 1, 9)));
  exchange.Receive(1, MessageOf(FrameKind::kPush, Shape(2, 1, 9)));
  std::vector<Parcel> arrived;
  ASSERT_TRUE(exchange.PushesTo(1).Await(9, arrived).ok());
  ASSERT_EQ(arrived.size(), 2U);
  EXPECT_EQ(arrived[1].from_seat, 2U);
}

/// A message that a sound peer would not send closes every mailbox.
void ExpectRefused(Message message, const std::string& why) {
  const Placement placement = TwoThreadsAndAnotherRank();
  Exchange exchange(placement, 0, kLayouts, nullptr);
  exchange.Receive(1, std::move(message));
  std::vector<Parcel> arrived;
  for (Mailbox* mailbox : {&exchange.PushesTo(0), &exchange.RowsTo(1)}) {
    const absl::Status status = mailbox->Await(0, arrived);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(why));
  }
}

TEST(Exchange, RefusesAParcelForASeatElsewhere) {
  ExpectRefused(MessageOf(FrameKind::kPush, Shape(0, 2, 0)), "a seat that is not here");
  ExpectRefused(MessageOf(FrameKind::kRows, Shape(0, 3, 0)), "a seat that is not here");
}

TEST(Exchange, RefusesAParcelOfASeatThatTheSenderDoesNotHave) {
  ExpectRefused(MessageOf(FrameKind::kPush, Shape(1, 0, 0)), "a seat that it does not have");
  ExpectRefused(MessageOf(FrameKind::kRows, Shape(9, 0, 0)), "a seat that it does not have");
}

TEST(Exchange, RefusesAParcelWhoseLengthsDoNotFit) {
  Message message = MessageOf(FrameKind::kRows, Shape(2, 0, 0));
  message.payload.Resize(message.payload.size() - 1);
  ExpectRefused(std::move(message), "where its header says");
}

}  // namespace
}  // namespace cf::exchange_test

// The exchange of two ranks of one host, both in this process.
#include "common/rows/shared_channel.h"

#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/check.h"
#include "common/rows/exchange.h"

namespace cf::shared_channel_test {
namespace {

const std::vector<RowLayout> kLayouts = {
    RowLayout({.name = "users", .rows = 100, .dim = 3, .biases = true, .moments = 0})};

std::uint64_t MessagesOver(const Exchange& exchange, Channel channel) {
  return exchange.stats()[static_cast<std::size_t>(channel)].messages;
}

class TwoRanks {
 public:
  explicit TwoRanks(const ExchangeOptions& options = {})
      : placement_(Placement::Make({.partitions = 4, .threads = {1, 1}, .servers = 0}).value()) {
    const JobKey key = *MakeJobKey();
    std::vector<Listener> listeners;
    std::vector<Endpoint> endpoints;
    for (int rank = 0; rank < 2; ++rank) {
      listeners.push_back(*Listener::Open("127.0.0.1"));
      endpoints.push_back(listeners.back().endpoint());
    }
    std::vector<std::jthread> threads;
    for (std::size_t rank = 0; rank < 2; ++rank) {
      threads.emplace_back([&, rank] {
        Mesh::Handlers handlers;
        handlers.on_message = [this, rank](int from, Message message) {
          exchanges_[rank]->Receive(from, std::move(message));
        };
        handlers.on_lost = [this, rank](int, const absl::Status& why) {
          exchanges_[rank]->Close(why);
        };
        meshes_[rank] = *Mesh::Connect(
            std::move(listeners[rank]),
            {.rank = static_cast<int>(rank), .endpoints = endpoints, .key = key, .generation = 1},
            std::move(handlers));
      });
    }
    threads.clear();
    for (std::size_t rank = 0; rank < 2; ++rank) {
      exchanges_[rank] = std::make_unique<Exchange>(placement_, static_cast<int>(rank), kLayouts,
                                                    meshes_[rank].get(), options);
    }
  }
  ~TwoRanks() {
    std::jthread other([this] { meshes_[1]->Close(); });
    meshes_[0]->Close();
  }

  Exchange& operator[](std::size_t rank) { return *exchanges_[rank]; }

  /// Sends pushes from seat 0 to seat 1 and takes them, until one went over `channel`.
  void PushUntil(Channel channel) {
    while (MessagesOver((*this)[0], channel) == 0) Push(turn_++);
  }
  /// The push carries its turn in each of its 50 ids.
  void Push(std::uint64_t turn) {
    Send(turn);
    Take(turn);
  }
  void Send(std::uint64_t turn) {
    Parcel parcel = (*this)[0].MakePush(
        {.from_seat = 0, .to_seat = 1, .turn = turn, .tables = {{.wanted = 50}}});
    for (RowId& id : parcel.tables[0].wanted) id = RowId{static_cast<std::uint32_t>(turn)};
    (*this)[0].SendPush(std::move(parcel));
  }
  void Take(std::uint64_t turn) {
    std::vector<Parcel> arrived;
    ASSERT_EQ((*this)[1].PushesTo(1).Await(turn, arrived), absl::OkStatus());
    ASSERT_EQ(arrived.size(), 1U);
    Parcel& parcel = arrived.front();
    EXPECT_EQ(parcel.turn, turn);
    ASSERT_EQ(parcel.tables[0].wanted.size(), 50U);
    for (const RowId id : parcel.tables[0].wanted) EXPECT_EQ(Index(id), turn);
    (*this)[1].Recycle(std::move(parcel));
  }
  std::uint64_t turn() const { return turn_; }

 private:
  const Placement placement_;
  std::array<std::unique_ptr<Exchange>, 2> exchanges_;
  std::array<std::unique_ptr<Mesh>, 2> meshes_;  // Whose handlers use the exchanges.
  std::uint64_t turn_ = 0;
};

void OfferBoth(TwoRanks& ranks) {
  ranks[0].OfferSharedMemory();
  ranks[1].OfferSharedMemory();
}

TEST(SharedChannel, TakesOverFromTcpOnceItIsThere) {
  TwoRanks ranks;
  ranks.Push(1000);
  EXPECT_EQ(MessagesOver(ranks[0], Channel::kTcp), 1U);
  EXPECT_EQ(MessagesOver(ranks[0], Channel::kSharedMemory), 0U);
  OfferBoth(ranks);
  ranks.PushUntil(Channel::kSharedMemory);
  const std::uint64_t over_tcp = MessagesOver(ranks[0], Channel::kTcp);
  for (std::uint64_t turn = 0; turn < 1000; ++turn) ranks.Push(ranks.turn() + turn);
  EXPECT_EQ(MessagesOver(ranks[0], Channel::kTcp), over_tcp);
}

TEST(SharedChannel, IsNotUsedWhereOneSideIsToldNotTo) {
  TwoRanks ranks({.shared_memory = false});
  OfferBoth(ranks);
  for (std::uint64_t turn = 0; turn < 100; ++turn) ranks.Push(turn);
  EXPECT_EQ(MessagesOver(ranks[0], Channel::kSharedMemory), 0U);
}

// A parcel for which the ring has no room goes by TCP, and may overtake those before it.
TEST(SharedChannel, WhatDoesNotFitGoesByTcpAndArrivesInItsOrder) {
  TwoRanks ranks({.depth = 40, .ring_bytes = 4096});
  OfferBoth(ranks);
  ranks.PushUntil(Channel::kSharedMemory);
  const std::uint64_t first = ranks.turn();
  const std::uint64_t over_tcp = MessagesOver(ranks[0], Channel::kTcp);
  for (std::uint64_t turn = 0; turn < 40; ++turn) ranks.Send(first + turn);
  EXPECT_GT(MessagesOver(ranks[0], Channel::kTcp), over_tcp);
  for (std::uint64_t turn = 0; turn < 40; ++turn) ranks.Take(first + turn);
}

TEST(SharedChannel, TransfersTravelInPlace) {
  TwoRanks ranks;
  OfferBoth(ranks);
  ranks.PushUntil(Channel::kSharedMemory);
  for (std::uint64_t number = 0; number < 50; ++number) {
    const Exchange::TransferName name{.from_seat = 0, .to_seat = 1, .number = 1000 * number};
    // The last is larger than any ring.
    const std::size_t bytes = number == 49 ? SharedChannel::kRingBytes : 1'000'000;
    Parcel transfer = ranks[0].MakeTransfer(name, bytes);
    std::memset(transfer.bytes.data(), static_cast<int>(number), transfer.bytes.size());
    ranks[0].SendTransfer(std::move(transfer));
    absl::StatusOr<Parcel> taken = ranks[1].AwaitTransfer(name.to_seat, name.from_seat);
    ASSERT_TRUE(taken.ok()) << taken.status();
    EXPECT_EQ(taken->turn, name.number);
    ASSERT_EQ(taken->bytes.size(), bytes);
    EXPECT_EQ(taken->bytes[bytes - 1], static_cast<std::byte>(number));
    ranks[1].Recycle(*std::move(taken));
  }
}

TEST(SharedChannel, ClosingWakesWhoeverWaits) {
  TwoRanks ranks;
  OfferBoth(ranks);
  ranks.PushUntil(Channel::kSharedMemory);
  std::jthread waiter([&] {
    std::vector<Parcel> parcels;
    EXPECT_EQ(ranks[1].PushesTo(1).Await(ranks.turn(), parcels),
              absl::UnavailableError("rank 0 was lost"));
  });
  ranks[1].Close(absl::UnavailableError("rank 0 was lost"));
}

}  // namespace
}  // namespace cf::shared_channel_test

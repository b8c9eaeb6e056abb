#include "common/rpc/mesh.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <numeric>
#include <random>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/check.h"
#include "tests/unit/rpc/raw_peer.h"

namespace cf::mesh_test {
namespace {

using std::chrono::milliseconds;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint64_t kGeneration = 7;
constexpr std::chrono::seconds kPatience{30};

/// What the handlers of one mesh saw.
class Record {
 public:
  Mesh::Handlers Handlers() {
    return {
        .on_message =
            [this](int from, Message message) {
              Add([&] { messages_[from].push_back(std::move(message)); });
            },
        .on_lost = [this](int peer,
                          const absl::Status& why) { Add([&] { lost_[peer].push_back(why); }); },
        .on_log = [this](const std::string& line) { Add([&] { log_.push_back(line); }); },
        .on_left = [this](int peer) { Add([&] { ++left_[peer]; }); }};
  }

  /// Waits until `holds` (called under the lock) does; whether it did.
  template <class Predicate>
  bool WaitFor(Predicate holds) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, holds);
  }
  bool WaitForMessages(int from, std::size_t count) {
    return WaitFor([&] { return messages_[from].size() >= count; });
  }
  bool WaitForLoss(int peer) {
    return WaitFor([&] { return !lost_[peer].empty(); });
  }
  bool WaitForLog(std::size_t lines) {
    return WaitFor([&] { return log_.size() >= lines; });
  }
  bool WaitUntilLeft(int peer) {
    return WaitFor([&] { return left_[peer] > 0; });
  }

  // To be read by the test once nothing changes any more, or what it waited for has come.
  std::vector<Message>& messages(int from) { return Locked(messages_[from]); }
  std::vector<absl::Status>& lost(int peer) { return Locked(lost_[peer]); }
  std::vector<std::string> log() {
    const std::lock_guard lock(mutex_);
    return log_;
  }
  int left(int peer) { return Locked(left_[peer]); }

 private:
  template <class Change>
  void Add(Change change) {
    {
      const std::lock_guard lock(mutex_);
      change();
    }
    changed_.notify_all();
  }
  template <class T>
  T& Locked(T& value) {
    const std::lock_guard lock(mutex_);
    return value;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<int, std::vector<Message>> messages_;
  std::map<int, std::vector<absl::Status>> lost_;
  std::map<int, int> left_;
  std::vector<std::string> log_;
};

Message Text(const std::string& control, std::size_t payload_bytes = 0) {
  Message message{.control = control, .payload = Buffer(payload_bytes)};
  if (payload_bytes > 0) std::memset(message.payload.data(), control[0], payload_bytes);
  return message;
}

/// Some ranks of one job in this process, the others left to raw peers.
class TestCluster {
 public:
  struct Options {
    int size = 2;
    int raw = 0;  ///< The last ranks, played by the test.
    milliseconds timeout = std::chrono::seconds(20);
    std::size_t queued_bytes_max = std::size_t{64} << 20;
  };

  explicit TestCluster(const Options& options)
      : options_(options), records_(static_cast<std::size_t>(options.size)) {
    std::vector<Listener> listeners;
    for (int rank = 0; rank < options.size; ++rank) {
      listeners.push_back(*Listener::Open("127.0.0.1"));
      endpoints_.push_back(listeners.back().endpoint());
    }
    const int meshes = options.size - options.raw;
    meshes_.resize(static_cast<std::size_t>(meshes));
    std::vector<std::thread> threads;
    for (int rank = 0; rank < meshes; ++rank) {
      threads.emplace_back([&, rank] {
        auto mesh = Mesh::Connect(std::move(listeners[static_cast<std::size_t>(rank)]),
                                  OptionsOf(rank), record(rank).Handlers());
        Check(mesh.ok(), "the mesh comes up");
        meshes_[static_cast<std::size_t>(rank)] = *std::move(mesh);
      });
    }
    for (int rank = meshes; rank < options.size; ++rank) {
      for (int to = 0; to < meshes; ++to) {
        raw_.push_back(RawPeer(endpoints_[static_cast<std::size_t>(to)]));
        Check(raw_.back().ShakeHands(key_, kGeneration, rank, to), "the mesh welcomes a raw peer");
      }
    }
    for (std::thread& thread : threads) thread.join();
  }
  ~TestCluster() {
    raw_.clear();
    std::vector<std::thread> threads;
    for (auto& mesh : meshes_) threads.emplace_back([&mesh] { mesh.reset(); });
    for (std::thread& thread : threads) thread.join();
  }

  Mesh::Options OptionsOf(int rank) const {
    return {.rank = rank,
            .endpoints = endpoints_,
            .key = key_,
            .generation = kGeneration,
            .timeout = options_.timeout,
            .limits = {.control_bytes_max = 1 << 16, .payload_bytes_max = 4 << 20},
            .queued_bytes_max = options_.queued_bytes_max};
  }
  Mesh& mesh(int rank) { return *meshes_[static_cast<std::size_t>(rank)]; }
  Record& record(int rank) { return records_[static_cast<std::size_t>(rank)]; }
  const Endpoint& endpoint(int rank) const { return endpoints_[static_cast<std::size_t>(rank)]; }
  const JobKey& key() const { return key_; }
  /// The raw peer's connection with mesh `to`, where there is one raw peer.
  RawPeer& raw(int to = 0) { return raw_[static_cast<std::size_t>(to)]; }

  /// Whether ranks a and b still hear each other.
  bool Talk(int a, int b) {
    const std::size_t heard_a = record(a).messages(b).size();
    const std::size_t heard_b = record(b).messages(a).size();
    mesh(a).Send(b, Text("ping", 1000));
    mesh(b).Send(a, Text("pong", 1000));
    return record(a).WaitForMessages(b, heard_a + 1) && record(b).WaitForMessages(a, heard_b + 1);
  }

 private:
  const Options options_;
  const JobKey key_ = *MakeJobKey();
  std::vector<Endpoint> endpoints_;
  std::vector<Record> records_;
  std::vector<std::unique_ptr<Mesh>> meshes_;
  std::vector<RawPeer> raw_;
};

FrameHeader HeaderOf(const std::string& control, FrameKind kind = FrameKind::kControl) {
  return {.kind = kind,
          .generation = kGeneration,
          .control_bytes = static_cast<std::uint32_t>(control.size())};
}

// --- Ranks among themselves ----------------------------------------------------------------------

TEST(Mesh, OneRankNeedsNothing) {
  auto mesh = Mesh::Connect(*Listener::Open("127.0.0.1"), {.endpoints = {{"127.0.0.1", 1}}}, {});
  ASSERT_TRUE(mesh.ok()) << mesh.status();
  EXPECT_EQ((*mesh)->size(), 1);
  (*mesh)->Close();
}

// Goal: between every pair, messages of all sizes arrive whole and in order, whatever the others
// do. Method: four ranks send to all others at once, sizes from a fixed seed, content from the
// number.
TEST(Mesh, FourRanksExchangeInOrder) {
  constexpr int kRanks = 4;
  constexpr std::uint64_t kMessages = 100;
  const auto payload_of = [](int from, int to, std::uint64_t k) {
    // Every twentieth is 1 MiB long; the sizes of the others, and all contents, differ.
    const auto seed =
        static_cast<std::uint32_t>(1000 * from + 100 * to) + 7919U * static_cast<std::uint32_t>(k);
    std::vector<std::uint32_t> words(k % 20 == 0 ? 1U << 18 : seed * 2654435761U % 10'000U);
    std::iota(words.begin(), words.end(), seed * 2246822519U);
    return words;
  };
  TestCluster cluster({.size = kRanks, .queued_bytes_max = 2 << 20});
  std::vector<std::thread> threads;
  for (int from = 0; from < kRanks; ++from) {
    threads.emplace_back([&, from] {
      Mesh& mesh = cluster.mesh(from);
      for (std::uint64_t k = 0; k < kMessages; ++k) {
        for (int to = 0; to < kRanks; ++to) {
          if (to == from) continue;
          const auto words = payload_of(from, to, k);
          Buffer payload = mesh.pool().Take(4 * words.size());
          std::ranges::copy(words, payload.As<std::uint32_t>().begin());
          mesh.Send(to, {.kind = FrameKind::kPush,
                         .request_id = k,
                         .control = std::to_string(k),
                         .payload = std::move(payload)});
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int to = 0; to < kRanks; ++to) {
    for (int from = 0; from < kRanks; ++from) {
      if (to == from) continue;
      ASSERT_TRUE(cluster.record(to).WaitForMessages(from, kMessages));
      const auto& messages = cluster.record(to).messages(from);
      ASSERT_EQ(messages.size(), kMessages);
      for (std::uint64_t k = 0; k < kMessages; ++k) {
        ASSERT_EQ(messages[k].request_id, k);
        ASSERT_EQ(messages[k].kind, FrameKind::kPush);
        ASSERT_EQ(messages[k].control, std::to_string(k));
        ASSERT_TRUE(
            std::ranges::equal(messages[k].payload.As<std::uint32_t>(), payload_of(from, to, k)));
      }
    }
  }
  EXPECT_GE(cluster.mesh(0).stats(1).messages_received, kMessages);
  EXPECT_GT(cluster.mesh(0).stats(1).bytes_received, kMessages * kFrameHeaderBytes);
}

// Goal: a close loses nothing that was sent before it, and is not taken for a loss.
TEST(Mesh, CloseFlushesAndIsNoLoss) {
  TestCluster cluster({.size = 3});
  constexpr std::size_t kMessages = 50;
  for (std::size_t k = 0; k < kMessages; ++k) {
    cluster.mesh(0).Send(1, Text("last words", 1 << 20));
  }
  cluster.mesh(0).Close();
  ASSERT_TRUE(cluster.record(1).WaitUntilLeft(0));
  ASSERT_TRUE(cluster.record(2).WaitUntilLeft(0));
  EXPECT_THAT(cluster.record(1).messages(0), SizeIs(kMessages));
  cluster.mesh(1).Send(0, Text("too late"));  // Dropped, and no harm done.
  EXPECT_TRUE(cluster.Talk(1, 2));
  EXPECT_THAT(cluster.record(1).lost(0), IsEmpty());
  EXPECT_THAT(cluster.record(2).lost(0), IsEmpty());
  EXPECT_THAT(cluster.record(0).lost(1), IsEmpty());
  EXPECT_EQ(cluster.record(1).left(0), 1);
}

TEST(Mesh, AnswersFromHandlersPassTheQueueLimit) {
  std::array<std::unique_ptr<Mesh>, 2> meshes;
  std::vector<Listener> listeners;
  std::vector<Endpoint> endpoints;
  for (int rank = 0; rank < 2; ++rank) {
    listeners.push_back(*Listener::Open("127.0.0.1"));
    endpoints.push_back(listeners.back().endpoint());
  }
  constexpr std::uint64_t kRequests = 100;
  std::promise<void> all_answered;
  std::atomic<std::uint64_t> answers{0};
  std::promise<Mesh*> server;
  std::shared_future<Mesh*> server_ready = server.get_future().share();
  const auto options = [&](int rank) {
    return Mesh::Options{
        .rank = rank, .endpoints = endpoints, .generation = kGeneration, .queued_bytes_max = 1000};
  };
  std::thread other([&] {
    meshes[1] =
        *Mesh::Connect(std::move(listeners[1]), options(1), {.on_message = [&](int, Message) {
                         if (++answers == kRequests) all_answered.set_value();
                       }});
  });
  meshes[0] = *Mesh::Connect(std::move(listeners[0]), options(0),
                             {.on_message = [&](int from, Message request) {
                               server_ready.get()->Send(from, std::move(request));
                             }});
  server.set_value(meshes[0].get());
  other.join();
  for (std::uint64_t k = 0; k < kRequests; ++k) meshes[1]->Send(0, Text("echo", 100'000));
  EXPECT_EQ(all_answered.get_future().wait_for(kPatience), std::future_status::ready);
  meshes[1]->Close();
}

TEST(Mesh, ConnectNamesWhoIsMissing) {
  Listener here = *Listener::Open("127.0.0.1");
  const Listener nobody = *Listener::Open("127.0.0.1");
  // The shorter of both limits is what counts, and what is said.
  const Mesh::Options options{.rank = 0,
                              .endpoints = {here.endpoint(), nobody.endpoint()},
                              .timeout = kPatience,
                              .connect_timeout = milliseconds(100)};
  std::string lost;
  Mesh::Handlers handlers;
  handlers.on_lost = [&lost](int peer, const absl::Status& why) {
    lost = absl::StrCat("rank ", peer, ": ", why.message());
  };
  const auto mesh = Mesh::Connect(std::move(here), options, std::move(handlers));
  EXPECT_EQ(lost, "rank 1: it did not connect within 100 ms");
  EXPECT_EQ(mesh.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(mesh.status().message()), HasSubstr("for rank 1 at 127.0.0.1:"));
}

/// Connects rank 1 to a rank 0 with other options; rank 1's status.
absl::Status ConnectOddRank(const std::function<void(Mesh::Options&)>& make_odd) {
  Listener zero = *Listener::Open("127.0.0.1");
  Listener one = *Listener::Open("127.0.0.1");
  const Mesh::Options options{.rank = 0,
                              .endpoints = {zero.endpoint(), one.endpoint()},
                              .key = *MakeJobKey(),
                              .generation = kGeneration,
                              .timeout = milliseconds(500)};
  std::thread honest([&] {
    EXPECT_EQ(Mesh::Connect(std::move(zero), options, {}).status().code(),
              absl::StatusCode::kDeadlineExceeded);
  });
  Mesh::Options odd = options;
  odd.rank = 1;
  odd.timeout = kPatience;
  make_odd(odd);
  absl::Status status = Mesh::Connect(std::move(one), odd, {}).status();
  honest.join();
  return status;
}

TEST(Mesh, WrongKeyFailsAtOnce) {
  const auto status = ConnectOddRank([](Mesh::Options& o) { o.key = *MakeJobKey(); });
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
}

TEST(Mesh, WrongGenerationFailsAtOnce) {
  const auto status = ConnectOddRank([](Mesh::Options& o) { ++o.generation; });
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("generation 7, not 8"));
}

TEST(Mesh, AnotherProtectionFailsAtOnce) {
  const auto status =
      ConnectOddRank([](Mesh::Options& o) { o.protection = FrameProtection::kChecksummed; });
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("protects frames by tags, not by checksums"));
}

// --- Strangers: each is dropped with one line, and the mesh goes on ------------------------------

class Strangers : public ::testing::Test {
 protected:
  void ExpectDropped(RawPeer& stranger, const std::string& why) {
    EXPECT_TRUE(stranger.HungUp());
    ASSERT_TRUE(cluster_.record(0).WaitForLog(1));
    EXPECT_THAT(cluster_.record(0).log(), SizeIs(1));
    EXPECT_THAT(cluster_.record(0).log()[0], HasSubstr(why));
    EXPECT_TRUE(cluster_.Talk(0, 1));
    EXPECT_THAT(cluster_.record(0).lost(1), IsEmpty());
  }

  explicit Strangers(milliseconds timeout = std::chrono::seconds(20))
      : cluster_({.size = 2, .timeout = timeout}) {}

  TestCluster cluster_;
};

TEST_F(Strangers, RandomBytes) {
  RawPeer stranger(cluster_.endpoint(0));
  std::mt19937 random(1);
  std::vector<std::byte> rubbish(10'000);
  for (std::byte& b : rubbish) b = static_cast<std::byte>(random());
  stranger.Write(rubbish);
  ExpectDropped(stranger, "not a hello");
}

TEST_F(Strangers, WrongKey) {
  RawPeer stranger(cluster_.endpoint(0));
  EXPECT_FALSE(stranger.ShakeHands(*MakeJobKey(), kGeneration, 1, 0));
  ExpectDropped(stranger, "does not know the job's key");
}

TEST_F(Strangers, WrongGeneration) {
  RawPeer stranger(cluster_.endpoint(0));
  EXPECT_FALSE(stranger.ShakeHands(cluster_.key(), kGeneration + 1, 1, 0));
  ExpectDropped(stranger, "it is of generation 8, not 7");
}

TEST_F(Strangers, RankOutOfRange) {
  RawPeer stranger(cluster_.endpoint(0));
  EXPECT_FALSE(stranger.ShakeHands(cluster_.key(), kGeneration, 0xffffff, 0));
  ExpectDropped(stranger, "it says that it is rank 16777215");
}

TEST_F(Strangers, RankThatIsConnectedAlready) {
  RawPeer stranger(cluster_.endpoint(0));
  EXPECT_FALSE(stranger.ShakeHands(cluster_.key(), kGeneration, 1, 0));
  ExpectDropped(stranger, "rank 1 is connected already");
}

class SilentStrangers : public Strangers {
 protected:
  SilentStrangers() : Strangers(std::chrono::seconds(2)) {}
};

TEST_F(SilentStrangers, AreDropped) {
  RawPeer stranger(cluster_.endpoint(0));
  ExpectDropped(stranger, "shaking hands");
}

TEST_F(Strangers, TooManyAtOnce) {
  std::vector<RawPeer> strangers;
  for (std::size_t k = 0; k < Mesh::kStrangersMax + 1; ++k) {
    strangers.emplace_back(cluster_.endpoint(0));
  }
  ASSERT_TRUE(cluster_.record(0).WaitForLog(1));
  EXPECT_THAT(cluster_.record(0).log(), Contains(HasSubstr("too many")));
  EXPECT_TRUE(cluster_.Talk(0, 1));
  // Once they are gone, the log says so, but does not grow with their number.
  for (RawPeer& stranger : strangers) stranger.Close();
  ASSERT_TRUE(cluster_.record(0).WaitForLog(20));
  EXPECT_TRUE(cluster_.Talk(0, 1));
  EXPECT_THAT(cluster_.record(0).log(), SizeIs(20));
}

// --- Peers that break the protocol: lost, once, while the others go on ---------------------------

class BadPeer : public ::testing::Test {
 protected:
  static constexpr int kBad = 2;

  void ExpectLost(absl::StatusCode code, const std::string& why) {
    ASSERT_TRUE(cluster_.record(0).WaitForLoss(kBad));
    const absl::Status lost = cluster_.record(0).lost(kBad)[0];
    EXPECT_EQ(lost.code(), code) << lost;
    EXPECT_THAT(std::string(lost.message()), HasSubstr(why));
    cluster_.mesh(0).Send(kBad, Text("anyone there?"));  // Dropped.
    EXPECT_TRUE(cluster_.Talk(0, 1));
    EXPECT_THAT(cluster_.record(0).lost(kBad), SizeIs(1));
    EXPECT_THAT(cluster_.record(0).messages(kBad), IsEmpty());
    EXPECT_THAT(cluster_.record(0).lost(1), IsEmpty());
    EXPECT_THAT(cluster_.record(1).lost(0), IsEmpty());
  }

  explicit BadPeer(milliseconds timeout = std::chrono::seconds(20))
      : cluster_(
            {.size = 3, .raw = 1, .timeout = timeout, .queued_bytes_max = std::size_t{1} << 20}) {}

  TestCluster cluster_;
};

TEST_F(BadPeer, Dies) {
  cluster_.raw().Close();
  ExpectLost(absl::StatusCode::kUnavailable, "reading");
}

// It does not say goodbye, and nobody waits for that.
TEST_F(BadPeer, IsAbandoned) {
  cluster_.mesh(0).Abandon(kBad);
  ExpectLost(absl::StatusCode::kUnavailable, "others have lost it");
  EXPECT_TRUE(cluster_.raw().HungUp());
}

class StalledPeer : public BadPeer {
 protected:
  StalledPeer() : BadPeer(std::chrono::seconds(2)) {}
};

TEST_F(StalledPeer, FallsSilent) {
  ExpectLost(absl::StatusCode::kDeadlineExceeded, "it was silent for 2000 ms");
}

TEST_F(BadPeer, SendsAnotherBody) {
  ASSERT_TRUE(cluster_.raw().WriteFrame(HeaderOf("correct"), "correct", std::string::npos,
                                        kFrameHeaderBytes));
  ExpectLost(absl::StatusCode::kDataLoss, "a frame's body does not match its tag");
}

TEST_F(BadPeer, SendsAnOversizedLength) {
  FrameHeader header = HeaderOf("");
  header.payload_bytes = 0xffffffff;
  ASSERT_TRUE(cluster_.raw().WriteFrame(header, ""));
  ExpectLost(absl::StatusCode::kResourceExhausted, "a payload of 4294967295 bytes");
}

TEST_F(BadPeer, SendsRandomBytes) {
  std::vector<std::byte> rubbish(1000, std::byte{0x5a});
  ASSERT_TRUE(cluster_.raw().Write(rubbish));
  ExpectLost(absl::StatusCode::kDataLoss, "not a frame");
}

TEST_F(BadPeer, SendsAnotherGeneration) {
  FrameHeader header = HeaderOf("");
  header.generation = kGeneration - 1;
  ASSERT_TRUE(cluster_.raw().WriteFrame(header, ""));
  ExpectLost(absl::StatusCode::kFailedPrecondition, "generation 6, not 7");
}

TEST_F(BadPeer, TruncatesAFrame) {
  ASSERT_TRUE(cluster_.raw().WriteFrame(HeaderOf("whole"), "whole", kFrameHeaderBytes + 3));
  cluster_.raw().Close();
  ExpectLost(absl::StatusCode::kUnavailable, "the connection was closed");
}

TEST_F(BadPeer, WelcomesUsAgain) {
  ASSERT_TRUE(cluster_.raw().WriteFrame(HeaderOf("", FrameKind::kWelcome), ""));
  ExpectLost(absl::StatusCode::kDataLoss, "kind 1 out of place");
}

// Goal: a peer that lives but reads nothing makes its producer wait, then fail, by the deadline.
// Method: a raw peer sends heartbeats and never reads; the producer sends more than can be queued.
TEST_F(StalledPeer, ReadsNothing) {
  std::atomic<bool> done{false};
  std::thread heart([&] {
    std::mutex mutex;
    std::condition_variable never;
    while (!done && cluster_.raw().WriteFrame(HeaderOf("", FrameKind::kHeartbeat), "")) {
      std::unique_lock lock(mutex);
      never.wait_for(lock, milliseconds(100));
    }
  });
  const auto start = std::chrono::steady_clock::now();
  for (int k = 0; k < 100; ++k) cluster_.mesh(0).Send(kBad, Text("x", 1 << 20));
  const auto waited = std::chrono::steady_clock::now() - start;
  EXPECT_GT(waited, milliseconds(1000));
  EXPECT_LT(waited, kPatience);
  ASSERT_NO_FATAL_FAILURE(ExpectLost(absl::StatusCode::kDeadlineExceeded, "it "));
  EXPECT_THAT(std::string(cluster_.record(0).lost(kBad)[0].message()), HasSubstr("read"));
  done = true;
  heart.join();
}

// Goal: heartbeats keep an idle connection alive for longer than the timeout.
TEST(Mesh, IdleConnectionsLive) {
  TestCluster cluster({.size = 2, .timeout = std::chrono::seconds(1)});
  // Heartbeats are the only frames here; five of them span more than the timeout.
  std::mutex mutex;
  std::condition_variable never;
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (cluster.mesh(0).stats(1).messages_received < 8) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::unique_lock lock(mutex);
    never.wait_for(lock, milliseconds(10));
  }
  EXPECT_THAT(cluster.record(0).lost(1), IsEmpty());
  EXPECT_THAT(cluster.record(1).lost(0), IsEmpty());
  EXPECT_TRUE(cluster.Talk(0, 1));
}

TEST(Listener, RefusesWhatIsNoAddress) {
  EXPECT_EQ(Listener::Open("localhost").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(Listener::Open("192.0.2.1").ok());
}

}  // namespace
}  // namespace cf::mesh_test

// Goal: whoever reaches a rank's port without the job's key is dropped with one line, and the job
// never notices. Method: while a real job trains, call every rank with a wrong key, a frame of an
// impossible length, rubbish, and the silence of one who hangs up.

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <netinet/in.h>
#include <poll.h>
#include <random>
#include <span>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/rpc/frame_seal.h"
#include "common/rpc/handshake.h"
#include "tests/support/cluster.h"

namespace cf::strangers_test {
namespace {

constexpr int kRanks = 3;
constexpr int kAnswerMilliseconds = 10000;

/// A connection of somebody who is no rank of the job.
///
/// Owner: the test. Threads: one. Bounds: waits kAnswerMilliseconds for anything.
class Stranger {
 public:
  explicit Stranger(std::uint16_t port)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  ~Stranger() { ::close(socket_); }
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;

  void Say(std::span<const std::byte> bytes) {
    // It may hang up while we speak.
    ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }

  /// Fills `bytes` with what it says; false where it hung up or said nothing.
  bool Hear(std::span<std::byte> bytes) {
    while (!bytes.empty()) {
      if (!Wait()) return false;
      const ssize_t count = ::recv(socket_, bytes.data(), bytes.size(), 0);
      if (count <= 0) return false;
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
    return true;
  }

  /// Whether it has hung up, without another word.
  bool IsDropped() {
    std::byte byte;
    return Wait() && ::recv(socket_, &byte, 1, 0) <= 0;
  }

 private:
  bool Wait() {
    pollfd heard = {.fd = socket_, .events = POLLIN, .revents = 0};
    return ::poll(&heard, 1, kAnswerMilliseconds) == 1;
  }

  int socket_;
};

// Speaks the protocol to the letter, with a key of its own.
void CallWithAWrongKey(std::uint16_t port, int rank) {
  Stranger stranger(port);
  const HelloBytes hello = EncodeHello(MakeHello(1, kRanks - 1, rank).value());
  stranger.Say(hello);
  std::array<std::byte, kHelloBytes + kProofBytes> answer;
  ASSERT_TRUE(stranger.Hear(answer));
  HelloBytes their_hello;
  std::copy_n(answer.begin(), kHelloBytes, their_hello.begin());
  const JobKey key = MakeJobKey().value();
  stranger.Say(Prove(key, HandshakeRole::kDialer, hello, their_hello));
  EXPECT_TRUE(stranger.IsDropped());
}

void CallWithAnOversizedFrame(std::uint16_t port) {
  Stranger stranger(port);
  FrameSealer sealer(FrameProtection::kAuthenticated, MakeJobKey().value());
  FrameTag none;
  const FrameHeaderBytes header = sealer
                                      .Seal({.kind = FrameKind::kPush,
                                             .generation = 1,
                                             .request_id = 1,
                                             .control_bytes = UINT32_MAX,
                                             .payload_bytes = UINT32_MAX},
                                            {}, {}, none)
                                      .value();
  stranger.Say(header);
  stranger.Say(header);
  EXPECT_TRUE(stranger.IsDropped());
}

void CallWithRubbish(std::uint16_t port) {
  std::mt19937_64 generator(port);
  std::vector<std::byte> rubbish(4096);
  for (std::byte& byte : rubbish) byte = static_cast<std::byte>(generator() & 0xFF);
  Stranger stranger(port);
  stranger.Say(rubbish);
  EXPECT_TRUE(stranger.IsDropped()) << "random bytes of seed " << port;
}

int CountLines(const std::vector<std::string>& lines, const std::string& text) {
  return static_cast<int>(std::count_if(lines.begin(), lines.end(), [&](const std::string& line) {
    return line.find(text) != std::string::npos;
  }));
}

TEST(Strangers, AreDroppedWhileTrainingEndsWithTheSameBits) {
  const TestCluster cluster;
  JobOptions options = {.launcher = Launcher::kAlone,
                        .run = "undisturbed",
                        .set = {"train.epochs=12", "early_stopping.patience=0"}};
  const std::string digest = cluster.Train(options);

  options.launcher = Launcher::kMpirun;
  options.ranks = kRanks;
  options.run = "visited";
  const std::unique_ptr<ClusterJob> job = cluster.Start(options);
  ASSERT_TRUE(job->WaitForLog("Epoch 1/")) << job->Wait().errors;
  for (int rank = 0; rank < kRanks; ++rank) {
    const std::vector<std::uint16_t> ports = ListeningPorts(job->FindRank(rank));
    ASSERT_EQ(ports.size(), 1U) << "rank " << rank << " listens for the other ranks only";
    // The last rank is called by nobody, so it ends the greeting at once.
    if (rank < kRanks - 1) CallWithAWrongKey(ports.front(), rank);
    CallWithAnOversizedFrame(ports.front());
    CallWithRubbish(ports.front());
    const Stranger silent(ports.front());
  }
  ASSERT_GT(job->FindRank(0), 0) << "the job ended before its time";

  const Process::Result result = job->Wait();
  EXPECT_EQ(result.exit_code, 0) << result.errors;
  EXPECT_EQ(cluster.Digest(options.run), digest);
  const std::vector<std::string> log = LinesOf(cluster.Path("visited/log.txt"));
  EXPECT_EQ(CountLines(log, "dropped a connection from 127.0.0.1:"), 4);
  EXPECT_EQ(CountLines(log, "it does not know the job's key"), 1);
  for (const std::string rank : {"rank 1: ", "rank 2: "}) {
    EXPECT_THAT(result.errors, ::testing::HasSubstr(rank + "dropped a connection from 127.0.0.1:"));
  }
  EXPECT_TRUE(job->WaitUntilNoneIsLeft());
}

}  // namespace
}  // namespace cf::strangers_test

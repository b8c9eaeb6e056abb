// Goal: whatever somebody on the way between two ranks does to their frames, no message is taken
// that was not sent, none twice, none out of its place: the sender is lost instead. Method: two
// meshes whose one connection goes through a proxy, which reads the frames' lengths, as anybody
// can, and hands other bytes on.

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/check.h"
#include "common/rpc/frame_seal.h"
#include "common/rpc/mesh.h"
#include "common/rpc/shared_region.h"
#include "tests/unit/rpc/raw_peer.h"

namespace cf::frame_proxy_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Frames = std::vector<std::string>;
/// What to send in place of the dialer's message number `k`: frames, or anything.
using Meddle = std::function<Frames(std::size_t k, const std::string& frame)>;

/// One who sits on the way from a dialing rank to a listening one, hands everything on, and meddles
/// with the messages (frames from kControl on) that the dialer sends.
///
/// Owner:   a test.
/// Threads: two of its own, one for each direction; `meddle` is called on the dialer's.
/// Bounds:  one connection. It ends when either side hangs up, or Meddle returns a last empty text.
class FrameProxy {
 public:
  FrameProxy(const Endpoint& target, Meddle meddle)
      : listener_(*Listener::Open("127.0.0.1")),
        endpoint_(listener_.endpoint()),
        door_(listener_.Release()),
        meddle_(std::move(meddle)),
        thread_([this, target] { Serve(target); }) {}
  /// Requires: the dialer has dialled, and a mesh is closed.
  ~FrameProxy() { thread_.join(); }
  FrameProxy(const FrameProxy&) = delete;
  FrameProxy& operator=(const FrameProxy&) = delete;

  const Endpoint& endpoint() const { return endpoint_; }

 private:
  static bool Read(int socket, std::string& bytes) {
    return bytes.empty() || ::recv(socket, bytes.data(), bytes.size(), MSG_WAITALL) ==
                                static_cast<ssize_t>(bytes.size());
  }
  static bool Write(int socket, const std::string& bytes) {
    return ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
  }

  void Serve(const Endpoint& target) {
    const UniqueFd dialer(::accept4(door_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const RawPeer listener(target);
    std::thread back([&] {
      std::string bytes(1 << 16, '\0');
      ssize_t got = 0;
      while ((got = ::recv(listener.descriptor(), bytes.data(), bytes.size(), 0)) > 0 &&
             Write(dialer.get(), bytes.substr(0, static_cast<std::size_t>(got)))) {
      }
      ::shutdown(dialer.get(), SHUT_RDWR);
    });
    HandOn(dialer.get(), listener.descriptor());
    ::shutdown(listener.descriptor(), SHUT_RDWR);
    back.join();
  }

  void HandOn(int from, int to) {
    std::string hello(kHelloBytes, '\0');
    std::string proof(kProofBytes, '\0');
    if (!Read(from, hello) || !Write(to, hello) || !Read(from, proof) || !Write(to, proof)) return;
    const auto said = DecodeHello(std::as_bytes(std::span(hello)).first<kHelloBytes>());
    std::string header(kFrameHeaderBytes, '\0');
    for (std::size_t messages = 0; Read(from, header);) {
      const auto fields = DecodeFrameFields(
          std::as_bytes(std::span(header)).first<kFrameFieldsBytes>(), {}, said->generation);
      Check(fields.ok(), "the lengths of a frame can be read by anybody");
      const std::size_t body = fields->control_bytes + fields->payload_bytes;
      std::string rest(body + (body > 0 ? sizeof(FrameTag) : 0), '\0');
      if (!Read(from, rest)) return;
      const bool message = fields->kind >= FrameKind::kControl;
      for (const std::string& bytes :
           message ? meddle_(messages++, header + rest) : Frames{header + rest}) {
        if (bytes.empty() || !Write(to, bytes)) return;
      }
    }
  }

  Listener listener_;
  const Endpoint endpoint_;
  const UniqueFd door_;
  const Meddle meddle_;
  std::thread thread_;
};

struct JobOptions {
  JobKey key{};
  std::uint64_t generation = 7;
  FrameProtection protection = FrameProtection::kAuthenticated;
};

/// What rank 0 heard of rank 1, which sends it the messages "0", "1", "2", "3" through a proxy.
struct Heard {
  std::vector<std::string> messages{};
  std::optional<absl::Status> lost{};
};

/// Waits until rank 0 has heard all messages or lost rank 1.
Heard SendThrough(const JobOptions& job, const Meddle& meddle) {
  constexpr std::size_t kMessages = 4;
  std::mutex mutex;
  std::condition_variable changed;
  Heard heard;
  std::vector<Listener> listeners;
  for (int rank = 0; rank < 2; ++rank) listeners.push_back(*Listener::Open("127.0.0.1"));
  FrameProxy proxy(listeners[0].endpoint(), meddle);
  Mesh::Options options{.rank = 0,
                        .endpoints = {listeners[0].endpoint(), listeners[1].endpoint()},
                        .key = job.key,
                        .generation = job.generation,
                        .protection = job.protection,
                        .timeout = std::chrono::seconds(20)};
  std::array<std::unique_ptr<Mesh>, 2> meshes;
  std::thread zero([&] {
    meshes[0] = *Mesh::Connect(std::move(listeners[0]), options,
                               {.on_message =
                                    [&](int, Message message) {
                                      const std::lock_guard lock(mutex);
                                      heard.messages.push_back(std::move(message.control));
                                      changed.notify_all();
                                    },
                                .on_lost =
                                    [&](int, const absl::Status& why) {
                                      const std::lock_guard lock(mutex);
                                      heard.lost = why;
                                      changed.notify_all();
                                    }});
  });
  Mesh::Options ones = options;
  ones.rank = 1;
  ones.endpoints[0] = proxy.endpoint();
  meshes[1] = *Mesh::Connect(std::move(listeners[1]), ones, {});
  zero.join();
  for (std::size_t k = 0; k < kMessages; ++k)
    meshes[1]->Send(0, {.request_id = k, .control = std::to_string(k), .payload = Buffer(1000)});
  {
    std::unique_lock lock(mutex);
    EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(30), [&] {
      return heard.lost.has_value() || heard.messages.size() == kMessages;
    }));
  }
  std::thread closing([&] { meshes[1].reset(); });
  meshes[0].reset();
  closing.join();
  return heard;
}

class OnTheWay : public ::testing::TestWithParam<FrameProtection> {
 protected:
  /// Rank 0 must have heard "0" and "1" and then lost rank 1, with such a line.
  void ExpectRefused(const Meddle& meddle, const std::string& why) {
    const Heard heard = SendThrough(job_, meddle);
    EXPECT_THAT(heard.messages, ElementsAre("0", "1"));
    ASSERT_TRUE(heard.lost.has_value());
    EXPECT_THAT(std::string(heard.lost->message()), HasSubstr(why));
  }

  /// The frames as they are sent, but number 2 with this byte of it, from the front or (negative)
  /// from the back, changed.
  static Meddle Flip(int at, int bit = 0) {
    return [at, bit](std::size_t k, std::string frame) {
      const int size = static_cast<int>(frame.size());
      if (k == 2)
        frame[static_cast<std::size_t>(at < 0 ? size + at : at)] ^= static_cast<char>(1 << bit);
      return Frames{frame};
    };
  }

  JobOptions job_{.key = *MakeJobKey(), .protection = GetParam()};
};

TEST_P(OnTheWay, WhatIsHandedOnArrives) {
  const Heard heard =
      SendThrough(job_, [](std::size_t, const std::string& f) { return Frames{f}; });
  EXPECT_THAT(heard.messages, ElementsAre("0", "1", "2", "3"));
  EXPECT_FALSE(heard.lost.has_value());
}

TEST_P(OnTheWay, AFlippedBitIsRefused) {
  ExpectRefused(Flip(16), "a frame's header does not match its tag");     // The request's id.
  ExpectRefused(Flip(31, 3), "a frame's header does not match its tag");  // 2^27 more of payload.
  ExpectRefused(Flip(kFrameHeaderBytes - 1), "a frame's header does not match its tag");
  ExpectRefused(Flip(kFrameHeaderBytes), "a frame's body does not match its tag");
  ExpectRefused(Flip(-17), "a frame's body does not match its tag");
  ExpectRefused(Flip(-1), "a frame's body does not match its tag");
}

TEST_P(OnTheWay, ARepeatedFrameIsRefused) {
  const auto twice = [](std::size_t k, const std::string& frame) {
    return k == 1 ? Frames{frame, frame} : Frames{frame};
  };
  ExpectRefused(twice, "changed, repeated or put in another place");
}

TEST_P(OnTheWay, FramesInAnotherOrderAreRefused) {
  std::string held;
  const auto swap = [&held](std::size_t k, const std::string& frame) {
    if (k == 2) held = frame;
    return k == 2 ? Frames{} : k == 3 ? Frames{frame, held} : Frames{frame};
  };
  ExpectRefused(swap, "changed, repeated or put in another place");
}

TEST_P(OnTheWay, AFrameThatIsLeftOutIsNoticed) {
  const auto leave_out = [](std::size_t k, const std::string& frame) {
    return k == 2 ? Frames{} : Frames{frame};
  };
  ExpectRefused(leave_out, "changed, repeated or put in another place");
}

TEST_P(OnTheWay, AShortFrameIsRefused) {
  const auto cut = [](std::size_t k, const std::string& frame) {
    return Frames{k == 2 ? frame.substr(0, frame.size() - 1) : frame};
  };
  ExpectRefused(cut, "does not match its tag");
  const auto hang_up = [&cut](std::size_t k, const std::string& frame) {
    Frames frames = cut(k, frame);
    if (k == 2) frames.emplace_back();
    return frames;
  };
  ExpectRefused(hang_up, "the connection was closed");
}

// Goal: what was recorded in one connection is good in no other, though the job's key is the same.
TEST_P(OnTheWay, AFrameOfAnotherConnectionOrGenerationIsRefused) {
  for (const std::uint64_t age : {0U, 1U}) {
    Frames recorded;
    JobOptions earlier = job_;
    earlier.generation -= age;
    SendThrough(earlier, [&recorded](std::size_t, const std::string& frame) {
      recorded.push_back(frame);
      return Frames{frame};
    });
    ASSERT_EQ(recorded.size(), 4U);
    const auto put_in = [&recorded](std::size_t k, const std::string& frame) {
      return Frames{k == 2 ? recorded[k] : frame};
    };
    ExpectRefused(put_in, "changed, repeated or put in another place");
  }
}

INSTANTIATE_TEST_SUITE_P(, OnTheWay,
                         ::testing::Values(FrameProtection::kAuthenticated,
                                           FrameProtection::kEncrypted),
                         [](const auto& test) {
                           return test.param == FrameProtection::kEncrypted ? "Encrypted"
                                                                            : "Authenticated";
                         });

// Goal: who reads what passes learns nothing of what encrypted frames carry.
TEST(Encrypted, FramesShowNothing) {
  for (const FrameProtection protection :
       {FrameProtection::kAuthenticated, FrameProtection::kEncrypted}) {
    Frames passed;
    SendThrough({.key = *MakeJobKey(), .protection = protection},
                [&passed](std::size_t, const std::string& frame) {
                  passed.push_back(frame);
                  return Frames{frame};
                });
    ASSERT_EQ(passed.size(), 4U);
    const bool shown = passed[3].substr(kFrameHeaderBytes, 1) == "3" &&
                       passed[2].substr(kFrameHeaderBytes, 1) == "2" &&
                       passed[1].substr(kFrameHeaderBytes, 1) == "1";
    EXPECT_EQ(shown, protection == FrameProtection::kAuthenticated);
  }
}

}  // namespace
}  // namespace cf::frame_proxy_test

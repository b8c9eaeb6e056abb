// Goal: a thousand requests that are wrong in every way that we know end with an answer of 4xx each,
// and meanwhile another client has its right ones. Method: drawn from a fixed seed.

#include <atomic>
#include <functional>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/http/server_fixture.h"

namespace cf::malformed_test {
namespace {

constexpr int kRequests = 1000;

/// Draws requests that are wrong.
class Hostile {
 public:
  explicit Hostile(std::uint64_t seed) : random_(seed) {}

  /// Bytes that no answer but 4xx can follow, provided that nothing more is sent.
  std::string Draw() {
    switch (Below(11)) {
      case 0:  // What begins as no request.
        return Bytes(1 + Below(300)) + "\r\n\r\n";
      case 1:  // Targets that are none.
        return RequestText("GET",
                           "/echo/%" + Pick({"", "4", "zz", "00", "ff", "C0%80", "0a", "7f"}));
      case 2:  // Paths that nobody serves.
        return RequestText("GET", "/" + Letters(1 + Below(40)) + "/" + Letters(Below(10)) + "/x");
      case 3:  // Methods that nobody serves there.
        return RequestText(Pick({"DELETE", "PUT", "PATCH", "OPTIONS", "TRACE", "FOO"}), "/alive");
      case 4:  // Headers that are too long.
        return RequestText("GET", "/alive", "",
                           "X: " + std::string(20'000 + Below(50'000), 'x') + "\r\n");
      case 5:  // Bodies that are too long.
        return RequestText("POST", "/echo", "", "Content-Length: 10000000\r\n") +
               std::string(Below(100'000), 'y');
      case 6:  // Lengths that are none.
        return RequestText(
            "POST", "/echo", "",
            "Content-Length: " +
                Pick({"-1", "abc", "1e9", "99999999999999999999", "0x10", "1 1", ""}) + "\r\n");
      case 7:  // Chunks that are none.
        return RequestText("POST", "/echo", "", "Transfer-Encoding: chunked\r\n") +
               Pick({"zz\r\n", "-1\r\n", "5\r\nabc", "fffffffffffffffffff\r\n", "3\r\nabcX\r\n"});
      case 8:  // Hosts that are not ours, or not one.
        return "GET /alive HTTP/1.1\r\n" +
               Pick({"", "Host: evil.org\r\n", "Host: a\r\nHost: b\r\n",
                     "Host: " + Letters(5000) + "\r\n", "Host: localhost@evil.org\r\n"}) +
               "\r\n";
      case 9:  // Two lengths at once, as requests are smuggled.
        return RequestText("POST", "/echo", "",
                           "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n") +
               "0\r\n\r\nGET /alive HTTP/1.1\r\n\r\n";
      default:  // Lines that are no header.
        return "GET /alive HTTP/1.1\r\nHost: localhost\r\n" +
               Pick({"no colon\r\n", ": x\r\n", "a b: c\r\n", "X: a\x01z\r\n", "X\r\n",
                     "X :y\r\n"}) +
               "\r\n";
    }
  }

  /// The beginning of a request that is sound.
  std::string DrawBeginning() {
    const std::string whole = Below(2) == 0 ? RequestText("GET", "/echo/" + Letters(20))
                                            : RequestText("POST", "/echo", Letters(50));
    return whole.substr(0, 1 + Below(whole.size() - 1));
  }

  std::size_t Below(std::size_t n) { return static_cast<std::size_t>(random_() % n); }

 private:
  std::string Pick(const std::vector<std::string>& texts) { return texts[Below(texts.size())]; }
  std::string Letters(std::size_t n) {
    std::string text(n, 'a');
    for (char& c : text) c = static_cast<char>('a' + Below(26));
    return text;
  }
  // Not a line feed, so that they are one line; the first is no letter.
  std::string Bytes(std::size_t n) {
    std::string text(n, '\0');
    for (char& c : text) {
      do {
        c = static_cast<char>(Below(256));
      } while (c == '\n');
    }
    text[0] = static_cast<char>(Below(32));
    return text;
  }

  std::mt19937_64 random_;
};

using MalformedTest = ServerTest;

void ExpectRefused(HttpClient& client, const std::string& sent) {
  const auto answer = client.Receive();
  ASSERT_TRUE(answer.has_value()) << sent.substr(0, 200);
  EXPECT_GE(answer->status, 400) << sent.substr(0, 200);
  EXPECT_LT(answer->status, 500) << sent.substr(0, 200);
  EXPECT_NE(answer->body.find("error"), std::string::npos);
}

TEST_F(MalformedTest, AThousandWrongRequestsGetTheir4xxAndOthersTheirAnswers) {
  Start({.workers = 2,
         .header_max = std::chrono::milliseconds(500),
         .body_max = std::chrono::milliseconds(500)});
  std::atomic<bool> done = false;
  int served = 0;
  std::jthread other([&] {
    HttpClient client(port());
    while (!done) {
      const std::string text = std::to_string(served++);
      ASSERT_EQ(client.Get("/echo/" + text).body, text);
    }
  });
  Hostile hostile(20261129);
  std::vector<std::pair<std::unique_ptr<HttpClient>, std::string>> slow;
  for (int k = 0; k < kRequests; ++k) {
    auto client = std::make_unique<HttpClient>(port());
    const std::size_t kind = hostile.Below(10);
    if (kind < 3) {  // Falls silent, or hangs up for its part.
      const std::string sent = hostile.DrawBeginning();
      client->Send(sent);
      if (kind < 2) {
        slow.emplace_back(std::move(client), sent);
      } else {
        client->EndSending();
        ExpectRefused(*client, sent);
      }
    } else {
      const std::string sent = hostile.Draw();
      client->Send(sent);
      ExpectRefused(*client, sent);
    }
  }
  for (auto& [client, sent] : slow) ExpectRefused(*client, sent);
  done = true;
  other.join();
  EXPECT_GT(served, 100);
  EXPECT_GT(slow.size(), 100U);
}

TEST_F(MalformedTest, ClientsThatHangUpAtAnyPlaceDisturbNobody) {
  Start({.workers = 2});
  HttpClient other(port());
  Hostile hostile(20261130);
  for (int k = 0; k < 300; ++k) {
    HttpClient client(port());
    client.Send(k % 2 == 0 ? hostile.DrawBeginning() : RequestText("GET", "/echo/gone"));
    if (k % 10 == 0) {
      EXPECT_EQ(other.Get("/echo/a").body, "a");
    }
  }
}

}  // namespace
}  // namespace cf::malformed_test

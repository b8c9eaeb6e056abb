// Goal: the server speaks HTTP/1.1, keeps its limits and ends as it promises. Method: clients that
// write bytes to real sockets on loopback.

#include "common/http/server.h"

#include <atomic>
#include <latch>
#include <sys/resource.h>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/http/server_fixture.h"

namespace cf::server_test {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

class HttpServerTest : public ServerTest {
 protected:
  // The status of the answer to these bytes; 0 where none comes.
  int StatusOf(const std::string& bytes) const {
    HttpClient client(port());
    client.Send(bytes);
    const auto answer = client.Receive();
    return answer.has_value() ? answer->status : 0;
  }
};

TEST_F(HttpServerTest, OneConnectionCarriesManyRequests) {
  Start();
  HttpClient client(port());
  for (const char* text : {"a", "caf%C3%A9", "x%2Fy"}) {
    EXPECT_EQ(client.Get(std::string("/echo/") + text).status, 200);
  }
  EXPECT_EQ(client.Get("/echo/x%2Fy").body, "x/y");
  EXPECT_EQ(client.Post("/echo", std::string(200'000, 'b')).body, std::string(200'000, 'b'));
  EXPECT_EQ(client.Get("/alive").body, "yes");
  EXPECT_EQ(server_->figures().accepted, 1U);
}

TEST_F(HttpServerTest, RequestsSentAtOnceAreAnsweredInOrder) {
  Start({.workers = 3});
  HttpClient client(port());
  std::string all;
  for (int k = 0; k < 50; ++k) all += RequestText("GET", "/echo/" + std::to_string(k));
  client.Send(all);
  for (int k = 0; k < 50; ++k) {
    const auto answer = client.Receive();
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->body, std::to_string(k));
  }
}

TEST_F(HttpServerTest, HeadHasNoBody) {
  Start();
  HttpClient client(port());
  client.Send(RequestText("HEAD", "/echo/abc"));
  const auto head = client.Receive(true);
  ASSERT_TRUE(head.has_value());
  EXPECT_EQ(head->status, 200);
  EXPECT_EQ(head->headers.at("content-length"), "3");
  EXPECT_EQ(client.Get("/echo/def").body, "def");
}

TEST_F(HttpServerTest, BodiesMayComeInChunksOrWhenTheyAreAskedFor) {
  Start();
  HttpClient client(port());
  client.Send(RequestText("POST", "/echo", "", "Transfer-Encoding: chunked\r\n"));
  client.Send("3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n");
  EXPECT_EQ(client.Receive()->body, "abcde");
  client.Send(RequestText("POST", "/echo", "", "Content-Length: 2\r\nExpect: 100-continue\r\n"));
  EXPECT_EQ(client.Receive()->status, 100);
  client.Send("ok");
  EXPECT_EQ(client.Receive()->body, "ok");
}

TEST_F(HttpServerTest, AnswersSayWhetherTheConnectionGoesOn) {
  Start();
  {
    HttpClient client(port());
    client.Send(RequestText("GET", "/echo/a", "", "Connection: close\r\n"));
    EXPECT_EQ(client.Receive()->headers.at("connection"), "close");
    EXPECT_TRUE(client.IsEnded());
  }
  {
    HttpClient client(port());
    client.Send("GET /echo/a HTTP/1.0\r\n\r\n");
    EXPECT_EQ(client.Receive()->headers.at("connection"), "close");
    EXPECT_TRUE(client.IsEnded());
  }
  HttpClient client(port());
  client.Send("GET /echo/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(client.Receive()->headers.at("connection"), "keep-alive");
  EXPECT_EQ(client.Get("/alive").status, 200);
}

TEST_F(HttpServerTest, OnlyOwnHostsAreAnswered) {
  Start({.hosts = {"recs.example.org"}});
  EXPECT_EQ(StatusOf("GET /alive HTTP/1.1\r\nHost: recs.example.org\r\n\r\n"), 200);
  EXPECT_EQ(StatusOf("GET /alive HTTP/1.1\r\nHost: evil.org\r\n\r\n"), 421);
  EXPECT_EQ(StatusOf("GET /alive HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("GET /alive HTTP/1.1\r\nHost: a\r\nHost: localhost\r\n\r\n"), 400);
}

TEST_F(HttpServerTest, WithoutTheTokenNothingIsTold) {
  Start({.token = "s3cret"});
  EXPECT_EQ(StatusOf(RequestText("GET", "/echo/a")), 401);
  EXPECT_EQ(StatusOf(RequestText("GET", "/no/such/path")), 401);
  EXPECT_EQ(StatusOf(RequestText("GET", "/alive")), 200);
  EXPECT_EQ(StatusOf(RequestText("GET", "/echo/a", "", "Authorization: Bearer s3cret\r\n")), 200);
  EXPECT_EQ(StatusOf(RequestText("GET", "/echo/a", "", "Authorization: Bearer s3crex\r\n")), 401);
}

TEST_F(HttpServerTest, SizesAreLimited) {
  Start({.header_bytes_max = 1000, .body_bytes_max = 100});
  EXPECT_EQ(StatusOf(RequestText("GET", "/alive", "", "X: " + std::string(800, 'x') + "\r\n")),
            200);
  EXPECT_EQ(StatusOf(RequestText("GET", "/alive", "", "X: " + std::string(1000, 'x') + "\r\n")),
            431);
  EXPECT_EQ(StatusOf(RequestText("GET", "/" + std::string(100'000, 'x'))), 431);
  EXPECT_EQ(StatusOf(RequestText("POST", "/echo", std::string(100, 'x'))), 200);
  EXPECT_EQ(StatusOf(RequestText("POST", "/echo", std::string(101, 'x'))), 413);
  EXPECT_EQ(StatusOf(RequestText("POST", "/echo", std::string(1'000'000, 'x'))), 413);
  EXPECT_EQ(StatusOf(RequestText("POST", "/echo", "", "Transfer-Encoding: chunked\r\n") + "ff\r\n" +
                     std::string(255, 'x') + "\r\n0\r\n\r\n"),
            413);
}

TEST_F(HttpServerTest, AClientThatTricklesIsToldThatItIsTooSlow) {
  Start({.header_max = milliseconds(200), .body_max = milliseconds(200)});
  HttpClient patient(port());
  EXPECT_EQ(patient.Get("/echo/a").status, 200);
  std::vector<std::jthread> slow;
  for (const std::string& text :
       {RequestText("GET", "/echo/" + std::string(500, 'a')),
        RequestText("POST", "/echo", "", "Content-Length: 5000\r\n") + std::string(5000, 'a')}) {
    slow.emplace_back([this, text] {
      HttpClient client(port(), milliseconds(5));
      for (const char byte : text) {
        client.Send({&byte, 1});
        const auto answer = client.Receive();  // Waits 5 ms.
        if (!answer.has_value()) continue;
        EXPECT_EQ(answer->status, 408);
        return;
      }
      ADD_FAILURE() << "it was never told";
    });
  }
  slow.clear();
  EXPECT_EQ(patient.Get("/echo/b").status, 200);  // It was only idle.
}

TEST_F(HttpServerTest, IdleConnectionsEndInSilence) {
  Start({.header_max = milliseconds(100), .idle_max = milliseconds(100)});
  HttpClient never(port());
  HttpClient once(port());
  EXPECT_EQ(once.Get("/alive").status, 200);
  EXPECT_TRUE(never.IsEnded());
  EXPECT_TRUE(once.IsEnded());
}

TEST_F(HttpServerTest, AHalfClosedClientHasItsAnswer) {
  Start();
  HttpClient whole(port());
  whole.Send(RequestText("GET", "/echo/a"));
  whole.EndSending();
  EXPECT_EQ(whole.Receive()->body, "a");
  HttpClient half(port());
  half.Send("GET /echo/a HTT");
  half.EndSending();
  EXPECT_EQ(half.Receive()->status, 400);
}

/// A route whose requests wait for the test.
struct Gate {
  std::latch entered{1};
  std::latch open{1};
  Route route() {
    return {.method = "GET",
            .pattern = "/gate",
            .handle = [this](std::span<HttpExchange* const> bundle) {
              if (!entered.try_wait()) entered.count_down();
              open.wait();
              bundle[0]->response.body = "open";
            }};
  }
};

TEST_F(HttpServerTest, AFullQueueAsksToComeAgain) {
  Gate gate;
  Router router;
  router.Add(gate.route());
  Start({.workers = 1, .waiting_max = 1}, std::move(router));
  HttpClient first(port());
  first.Send(RequestText("GET", "/gate"));
  gate.entered.wait();
  HttpClient second(port());
  second.Send(RequestText("GET", "/gate"));
  while (server_->figures().waiting == 0) std::this_thread::yield();
  HttpClient third(port());
  const HttpAnswer answer = third.Get("/echo/a");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.headers.at("retry-after"), "1");
  EXPECT_EQ(third.Get("/alive").status, 200);
  gate.open.count_down();
  EXPECT_EQ(first.Receive()->body, "open");
  EXPECT_EQ(second.Receive()->body, "open");
  EXPECT_EQ(third.Get("/echo/a").body, "a");
}

TEST_F(HttpServerTest, AnAnswerThatTakesTooLongIsNotWaitedFor) {
  Gate gate;
  Router router;
  router.Add(gate.route());
  Start({.workers = 1, .answer_max = milliseconds(100)}, std::move(router));
  HttpClient client(port());
  EXPECT_EQ(client.Get("/gate").status, 503);
  gate.open.count_down();
  EXPECT_EQ(client.Get("/alive").body, "yes");
  server_.reset();  // Before the gate goes, whom the worker still knows.
}

TEST_F(HttpServerTest, WhoAsksNothingMakesRoom) {
  Start({.connections_max = 3});
  HttpClient used(port());
  EXPECT_EQ(used.Get("/echo/a").body, "a");
  std::vector<std::unique_ptr<HttpClient>> silent;
  for (int k = 0; k < 20; ++k) {
    silent.push_back(std::make_unique<HttpClient>(port()));
    silent.back()->Send("GET /ec");
  }
  HttpClient late(port());
  EXPECT_EQ(late.Get("/echo/b").body, "b");
  EXPECT_EQ(used.Get("/echo/c").body, "c");
  EXPECT_LE(server_->figures().connections, 4U);
  EXPECT_GE(server_->figures().evicted, 17U);
  EXPECT_TRUE(silent.front()->IsEnded());
}

TEST_F(HttpServerTest, WhoAsksNothingMakesRoomWhereDescriptorsEndBeforeConnectionsDo) {
  rlimit before = {};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit few = before;
  few.rlim_cur = 100;  // 36 connections, and the clients of this process.
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  Start({.connections_max = 100'000});
  std::vector<std::unique_ptr<HttpClient>> silent;
  for (int k = 0; k < 45; ++k) {
    silent.push_back(std::make_unique<HttpClient>(port()));
    silent.back()->Send("GET /ec");
  }
  EXPECT_EQ(HttpClient(port()).Get("/echo/b").body, "b");
  EXPECT_GE(server_->figures().evicted, 9U);
  for (const rlim_t most :
       {rlim_t{50}, rlim_t{3}}) {  // None for clients; none for the server itself.
    few.rlim_cur = most;
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    EXPECT_EQ(HttpServer::Start({}, Router()).status().code(), absl::StatusCode::kInternal);
  }
  EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST_F(HttpServerTest, WhereAllAreBusyTheNextIsTurnedAway) {
  Gate gate;
  Router router;
  router.Add(gate.route());
  Start({.connections_max = 1}, std::move(router));
  HttpClient busy(port());
  busy.Send(RequestText("GET", "/gate"));
  gate.entered.wait();
  HttpClient next(port());
  EXPECT_EQ(next.Receive()->status, 503);
  EXPECT_TRUE(next.IsEnded());
  gate.open.count_down();
  EXPECT_EQ(busy.Receive()->body, "open");
}

TEST_F(HttpServerTest, ADrainAnswersWhatWasAskedAndNoMore) {
  Gate gate;
  Router router;
  router.Add(gate.route());
  Start({}, std::move(router));
  HttpClient idle(port());
  EXPECT_EQ(idle.Get("/alive").status, 200);
  HttpClient busy(port());
  busy.Send(RequestText("GET", "/gate"));
  gate.entered.wait();
  std::atomic<bool> all_answered = false;
  std::jthread drain([&] { all_answered = server_->Drain(std::chrono::seconds(30)); });
  EXPECT_TRUE(idle.IsEnded());
  EXPECT_FALSE(HttpClient(port()).connected());
  gate.open.count_down();
  const auto answer = busy.Receive();
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->body, "open");
  EXPECT_EQ(answer->headers.at("connection"), "close");
  EXPECT_TRUE(busy.IsEnded());
  drain.join();
  EXPECT_TRUE(all_answered);
}

TEST_F(HttpServerTest, ADrainThatTakesTooLongEnds) {
  Gate gate;
  Router router;
  router.Add(gate.route());
  Start({}, std::move(router));
  HttpClient busy(port());
  busy.Send(RequestText("GET", "/gate"));
  gate.entered.wait();
  EXPECT_FALSE(server_->Drain(milliseconds(50)));
  EXPECT_TRUE(busy.IsEnded());
  gate.open.count_down();
  server_.reset();  // Before the gate goes, whom the worker still knows.
}

TEST_F(HttpServerTest, EveryAnswerIsTold) {
  std::vector<AnsweredRequest> told;
  std::vector<std::string> patterns;  // Routes end with the server.
  std::atomic<int> count = 0;
  Start({.on_answered = [&](const AnsweredRequest& request) {
    told.push_back(request);
    patterns.push_back(request.route == nullptr ? "" : request.route->pattern);
    ++count;
  }});
  {
    HttpClient client(port());
    client.Get("/echo/abc?x=1");
    client.Get("/none");
    client.Send("nonsense\r\n\r\n");
    EXPECT_EQ(client.Receive()->status, 400);
  }
  while (count < 3) std::this_thread::yield();
  server_.reset();
  ASSERT_EQ(told.size(), 3U);
  EXPECT_EQ(told[0].remote, "127.0.0.1");
  EXPECT_EQ(told[0].method, "GET");
  EXPECT_EQ(told[0].target, "/echo/abc?x=1");
  EXPECT_EQ(patterns[0], "/echo/{text}");
  EXPECT_EQ(told[0].body_bytes, 3U);
  EXPECT_EQ(told[1].status, 404);
  EXPECT_EQ(told[1].route, nullptr);
  EXPECT_EQ(told[2].status, 400);
  EXPECT_EQ(told[2].target, "");
}

TEST_F(HttpServerTest, APlaceToListenIsHadOrRefused) {
  Start();
  const auto taken = HttpServer::Start({.port = port()}, Router());
  EXPECT_EQ(taken.status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(taken.status().message()), HasSubstr(std::to_string(port())));
  EXPECT_EQ(HttpServer::Start({.address = "here"}, Router()).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace cf::server_test

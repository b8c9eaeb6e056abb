// Goal: cfserve answers what the model says, to anybody who speaks HTTP, from its start to its end.
// Method: trained models of three kinds behind a real process, beside brute force in NumPy and what
// cfsnapshot writes; signals, a swapped link, requests that are wrong.

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/text/csv.h"
#include "tests/support/cluster.h"
#include "tests/support/http_client.h"
#include "tests/support/paths.h"
#include "tests/support/served.h"

namespace cf::serve_test {
namespace {

using ::testing::HasSubstr;

std::string PythonWithNumPy() {
  for (const std::string python : {"/usr/bin/python3", "python3"}) {
    if (std::system((python + " -c 'import numpy' 2>/dev/null").c_str()) == 0) return python;
  }
  return "";
}

/// "ITEM SCORE" of each place of an answer, as the texts are there.
std::vector<std::string> PlacesOf(const std::string& answer) {
  std::vector<std::string> places;
  for (std::size_t at = 0; (at = answer.find("{\"item\":\"", at)) != std::string::npos;) {
    at += sizeof "{\"item\":\"" - 1;
    const std::string item = answer.substr(at, answer.find('"', at) - at);
    const std::size_t score = answer.find("\"score\":", at) + sizeof "\"score\":" - 1;
    places.push_back(item + " " + answer.substr(score, answer.find(',', score) - score));
  }
  return places;
}

/// The same of each user, from what `cfsnapshot recommend --all-users` wrote.
std::map<std::string, std::vector<std::string>> ListsOf(const std::string& path) {
  std::map<std::string, std::vector<std::string>> lists;
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    const std::vector<std::string> fields = ParseCsvLine(line).value();
    lists[fields.at(0)].push_back(fields.at(2) + " " + fields.at(4));
  }
  return lists;
}

struct Kind {
  const char* config;
  int every;  ///< Brute force of a ranker takes a while.
};

class ServedModelTest : public testing::TestWithParam<Kind> {};

TEST_P(ServedModelTest, ListsAreThoseOfBruteForceAndOfCfsnapshot) {
  const std::string python = PythonWithNumPy();
  ASSERT_NE(python, "")
      << "python3-numpy is among the packages that launch/install-dependencies installs";
  const TestCluster cluster;
  cluster.Train({.launcher = Launcher::kAlone,
                 .config = GetParam().config,
                 .run = "run",
                 .set = {"train.epochs=2"}});
  const std::string best = cluster.SnapshotPath("run", "best");
  ASSERT_EQ(
      RunProgram("cfsnapshot", {"export", best, "--format", "npy", "--out", cluster.Path("export")})
          .exit_code,
      0);
  ASSERT_EQ(RunProgram("cfsnapshot",
                       {"recommend", best, "--all-users", "--out", cluster.Path("lists.csv")})
                .exit_code,
            0);
  Served served(best, {"--access-log", "none"});
  Process brute({python, CF_SOURCE_DIR "/tests/cluster/served_lists.py", cluster.Path("export"),
                 std::to_string(served.port()), std::to_string(GetParam().every)});
  const Process::Result result = brute.Wait(std::chrono::seconds(200));
  EXPECT_EQ(result.exit_code, 0) << result.errors;
  HttpClient client(served.port());
  const auto lists = ListsOf(cluster.Path("lists.csv"));
  ASSERT_GT(lists.size(), 100U);
  Served exported(cluster.Path("export"), {"--access-log", "none"});
  HttpClient of_export(exported.port());
  for (const auto& [user, list] : lists) {
    const std::string answer = client.Get("/v1/users/" + user + "/recommendations").body;
    EXPECT_EQ(PlacesOf(answer), list) << user;
    EXPECT_EQ(of_export.Get("/v1/users/" + user + "/recommendations").body, answer);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, ServedModelTest,
                         testing::Values(Kind{"ml_100k_u1_biased_mf", 1}, Kind{"mlp_10", 8},
                                         Kind{"retrieval_two_tower", 4}),
                         [](const auto& kind) { return std::string(kind.param.config); });

class ServeTest : public testing::Test {
 protected:
  ServeTest() {
    cluster_.Train({.launcher = Launcher::kAlone, .run = "one", .set = {"train.epochs=1"}});
    best_ = cluster_.SnapshotPath("one", "best");
  }
  TestCluster cluster_;
  std::string best_;
};

TEST_F(ServeTest, ItIsNoLongerReadyThenAnswersWhatWasAskedThenEnds) {
  Served served(best_, {"--notice-seconds", "60"});
  EXPECT_EQ(HttpClient(served.port()).Get("/readyz").status, 200);
  served.process().Signal(SIGTERM);
  ASSERT_TRUE(Eventually([&] { return HttpClient(served.port()).Get("/readyz").status == 503; }));
  EXPECT_EQ(HttpClient(served.port()).Get("/v1/items?query=a").status, 200);
  served.process().Signal(SIGTERM);  // Waiting is over.
  const Process::Result result = served.process().Wait();
  EXPECT_EQ(result.exit_code, 0) << result.errors;
  EXPECT_THAT(result.output, HasSubstr(" 127.0.0.1 GET /v1/items?query=a 200 "));
}

TEST_F(ServeTest, ASwappedLinkAndASignalBringANewModelAndLoseNoRequest) {
  cluster_.Train({.launcher = Launcher::kAlone, .run = "two", .set = {"train.epochs=2"}});
  const std::string link = cluster_.Path("current");
  const auto point_at = [&](const std::string& run) {
    std::filesystem::create_directory_symlink(cluster_.Path(run), link + ".new");
    std::filesystem::rename(link + ".new", link);
  };
  point_at("one");
  Served served(link + "/snapshots/best", {"--access-log", "none"});
  std::atomic<bool> done = false;
  std::atomic<int> answers = 0;
  std::jthread asker([&] {
    HttpClient client(served.port());
    while (!done) {
      ASSERT_EQ(client.Get("/v1/items?query=a").status, 200);
      ++answers;
    }
  });
  const std::string other = cluster_.Digest("two", "best");
  const std::string first = cluster_.Digest("one", "best");
  ASSERT_NE(other, first);
  const auto serves = [&](const std::string& digest) {
    return HttpClient(served.port()).Get("/v1/items?query=a").body.find(digest) !=
           std::string::npos;
  };
  EXPECT_TRUE(serves(first));
  point_at("two");
  EXPECT_TRUE(Eventually([&] { return serves(other); }));
  point_at("one");
  EXPECT_TRUE(Eventually([&] { return serves(first); }));
  const auto opened = [&] {
    const std::string said = served.process().ErrorsSoFar();
    std::size_t count = 0;
    for (std::size_t at = 0; (at = said.find("now serving", at)) != std::string::npos; ++at)
      ++count;
    return count;
  };
  EXPECT_TRUE(Eventually([&] { return opened() == 2; }));
  served.process().Signal(SIGHUP);
  EXPECT_TRUE(Eventually([&] { return opened() == 3; }));
  std::filesystem::remove(link);
  EXPECT_TRUE(Eventually(
      [&] { return served.process().ErrorsSoFar().find("still serving") != std::string::npos; }));
  EXPECT_TRUE(serves(first));
  done = true;
  asker.join();
  EXPECT_GT(answers, 0);
  served.process().Signal(SIGTERM);
  EXPECT_EQ(served.process().Wait().exit_code, 0);
}

TEST_F(ServeTest, AThousandWrongRequestsGetTheir4xx) {
  Served served(best_, {"--access-log", "none"});
  HttpClient other(served.port());
  const std::string right = other.Get("/v1/users/1/recommendations").body;
  EXPECT_THAT(right, HasSubstr("\"source\":\"model\""));
  const std::vector<std::string> bodies = {
      R"({"users":["1","2"],"k":5,"mask":"all","candidates":["1","2","3"],"exclude":["4"]})",
      R"({"pairs":[{"user":"1","item":"2"},{"user":"3","item":"4"}],"fallback":"popular"})",
      R"({"ratings":[{"item":"1","rating":4.5},{"item":"50","rating":2}],"user":"7","k":5})",
      R"({"ratings":[{"item":"9","rating":3}],"diversity":0.3,"alike_by":"genres","because":3})",
      R"({"users":["5"],"diversity":0.25,"genre_cap":2,"because":1,"mask":"none"})",
      R"({"clicks":["1","50"],"exclude":["2"],"k":3})"};
  const std::vector<std::string> paths = {"/v1/recommendations", "/v1/predict",
                                          "/v1/recommendations", "/v1/recommendations",
                                          "/v1/recommendations", "/v1/recommendations"};
  std::mt19937_64 random(20261129);
  const auto below = [&random](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  int refused = 0;
  for (int tries = 0; refused < 1000; ++tries) {
    ASSERT_LT(tries, 5000);
    std::string request;
    if (below(2) == 0) {
      const std::size_t which = below(bodies.size());
      std::string body = bodies[which];
      for (std::size_t changes = 1 + below(3); changes > 0; --changes) {
        const std::size_t at = below(body.size());
        if (below(2) == 0) {
          body[at] = static_cast<char>(below(256));
        } else {
          body.erase(at, 1 + below(5));
        }
        if (body.empty()) body = "x";
      }
      request = RequestText("POST", paths[which], body);
    } else {
      const std::vector<std::string> names = {"k",         "mask",     "genre", "fallback",
                                              "diversity", "alike_by", "top",   "genre_cap",
                                              "because",   "sort",     ""};
      const std::vector<std::string> values = {"0",      "-1",  "1e9", "x", "nan",
                                               "1e-400", "%20", "%ff", "",  "99999999999"};
      const std::vector<std::string> ends = {"recommendations", "ratings", "similar"};
      request = RequestText("GET", "/v1/users/" + std::to_string(1 + below(900)) + "/" +
                                       ends[below(ends.size())] + "?" + names[below(names.size())] +
                                       "=" + values[below(values.size())]);
    }
    HttpClient client(served.port());
    client.Send(request);
    const auto answer = client.Receive();
    ASSERT_TRUE(answer.has_value()) << request;
    ASSERT_LT(answer->status, 500) << request;
    if (answer->status < 400) continue;  // A change that still makes sense.
    EXPECT_THAT(answer->body, HasSubstr("\"error\":\"")) << request;
    if (++refused % 50 == 0) {
      EXPECT_EQ(other.Get("/v1/users/1/recommendations").body, right);
    }
  }
  served.process().Signal(SIGTERM);
  EXPECT_EQ(served.process().Wait().exit_code, 0);
}

TEST_F(ServeTest, WhatItCannotServeIsSaidInALine) {
  const auto refused = [](std::vector<std::string> arguments, const std::string& reason) {
    const Process::Result result = RunProgram("cfserve", std::move(arguments));
    EXPECT_NE(result.exit_code, 0);
    EXPECT_THAT(result.errors, HasSubstr(reason));
    EXPECT_EQ(std::count(result.errors.begin(), result.errors.end(), '\n'), 1) << result.errors;
  };
  refused({}, "MODEL");
  refused({cluster_.Path("nothing")}, "nothing");
  ASSERT_EQ(RunProgram("cfsnapshot",
                       {"export", best_, "--format", "csv", "--out", cluster_.Path("of_csv")})
                .exit_code,
            0);
  refused({cluster_.Path("of_csv")}, "csv");
  refused({best_, "--port", "70000"}, "--port");
  refused({best_, "--address", "here"}, "'here' is not an IP address");
  refused({best_, "--token-file", cluster_.Path("nothing")}, "--token-file");
  refused({best_, "--memory", "1"}, "--memory");
}

}  // namespace
}  // namespace cf::serve_test

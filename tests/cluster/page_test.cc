// Goal: the page at / of cfserve shows what the server answers, to whoever has a keyboard, a phone or
// a dark room, and lets nothing in that a title or a link may hold. Method: a real cfserve of a
// trained model, one of whose titles would be a script; what the page asks, beside the description of
// what is served; where there is a Chromium, the page in it (served_page.py).

#include <algorithm>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/files.h"
#include "common/base/status.h"
#include "tests/support/cluster.h"
#include "tests/support/http_client.h"
#include "tests/support/paths.h"
#include "tests/support/served.h"

namespace cf::page_test {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

constexpr char kChromium[] = "/usr/bin/chromium";
constexpr char kHostile[] =
    "<script>document.title='taken'</script><img src=x onerror=document.title='taken'>";

class PageTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    cluster_ = new TestCluster;
    const std::string titles = Path("page_csv/movies.csv");
    EXPECT_EQ(RunProgram("cfdata", {"synth", "--users", "200", "--items", "80", "--ratings", "1600",
                                    "--csv", Path("page_csv"), "--out", Path("page_generated")})
                  .exit_code,
              kExitFinished);
    const std::string text = ReadFile(titles).value();
    std::ofstream(titles) << std::regex_replace(text, std::regex("\n7,[^\n]*"),
                                                std::string("\n7,") + kHostile + ",Drama");
    EXPECT_EQ(RunProgram("cfdata", {"import", "--ratings", Path("page_csv/ratings.csv"), "--titles",
                                    titles, "--out", Path("page_data")})
                  .exit_code,
              kExitFinished);
    Train("rated",
          "split { random { fraction: 0.1 seed: 1 } }\n"
          "model { matrix_factorization { dim: 8 } }\n"
          "optimizer { adam { learning_rate: 0.01 } }\n"
          "train { batch_size: 64 epochs: 4 }\n");
  }
  static void TearDownTestSuite() {
    delete cluster_;
    cluster_ = nullptr;
  }

  static std::string Path(const std::string& name) { return cluster_->Path(name); }
  static void Train(const std::string& run, const std::string& job) {
    const std::string config = Path(run + ".textproto");
    std::ofstream(config) << job;
    cluster_->Train(
        {.launcher = Launcher::kAlone, .config = config, .data = Path("page_data"), .run = run});
  }
  static std::string Rated() { return cluster_->SnapshotPath("rated", "best"); }

  static TestCluster* cluster_;
};

TestCluster* PageTest::cluster_ = nullptr;

// All that `pattern`'s first group matches.
std::vector<std::string> Matches(const std::string& text, const char* pattern) {
  const std::regex regex(pattern);
  std::vector<std::string> found;
  for (std::sregex_iterator match(text.begin(), text.end(), regex), end; match != end; ++match) {
    found.push_back((*match)[1]);
  }
  return found;
}

// "/v1/users/{id}/ratings" of "'users', state.user, 'ratings'".
std::string PatternOf(const std::string& parts) {
  std::string pattern = "/v1";
  for (const std::string& part : Matches(parts, "\\s*([^,]+)")) {
    pattern += part.front() == '\'' ? "/" + part.substr(1, part.size() - 2) : "/{id}";
  }
  return pattern;
}

TEST_F(PageTest, ItIsAnsweredWithAPolicyThatLetsNothingElseIn) {
  const std::string token = Path("token");
  std::ofstream(token) << "secret\n";
  Served served(Rated(), {"--access-log", "none", "--token-file", token});
  HttpClient client(served.port());
  EXPECT_EQ(client.Get("/v1/items?query=the").status, 401);
  const HttpAnswer page = client.Get("/");
  EXPECT_EQ(page.status, 200) << "it asks for the token itself";
  std::vector<std::string> files = Matches(page.body, "(?:src|href)=\"([^\"]*)\"");
  ASSERT_THAT(files, SizeIs(testing::Ge(3U)));
  for (std::size_t k = 0; k < files.size(); ++k) {  // Scripts name further ones.
    const HttpAnswer file = client.Get("/" + files[k]);
    EXPECT_EQ(file.status, 200) << files[k];
    for (const std::string& other : Matches(file.body, "from '\\./([^']*)'")) {
      const std::string path = "page/" + other;
      if (std::find(files.begin(), files.end(), path) == files.end()) files.push_back(path);
    }
    const std::string type = files[k].substr(files[k].rfind('.') + 1);
    EXPECT_THAT(file.headers.at("content-type"), HasSubstr(type == "js"    ? "text/javascript"
                                                           : type == "css" ? "text/css"
                                                                           : "image/svg+xml"));
    EXPECT_EQ(file.headers.at("x-content-type-options"), "nosniff");
    EXPECT_THAT(file.body, Not(ContainsRegex("innerHTML|insertAdjacentHTML|document\\.write|eval")))
        << files[k];
  }
  EXPECT_THAT(page.headers.at("content-type"), "text/html; charset=utf-8");
  EXPECT_THAT(page.headers.at("content-security-policy"),
              AllOf(HasSubstr("default-src 'none'"), HasSubstr("frame-ancestors 'none'"),
                    HasSubstr("require-trusted-types-for 'script'"), Not(HasSubstr("unsafe")),
                    Not(HasSubstr("http")), Not(HasSubstr("*"))));
  EXPECT_THAT(page.body, Not(ContainsRegex("<script>|<style|style=|https?:")))
      << "the policy would not run it";
}

// A path that is renamed on one side is found here, without a browser.
TEST_F(PageTest, AllThatItAsksIsServed) {
  Served served(Rated(), {"--access-log", "none"});
  HttpClient client(served.port());
  const std::string description = client.Get("/openapi.json").body;
  std::set<std::string> asked;
  for (const char* const script : {"page", "lists", "suggest"}) {
    const std::string text = client.Get(std::string("/page/") + script + ".js").body;
    const std::vector<std::string> paths = Matches(text, "pathOf\\(\\[([^\\]]*)\\]");
    EXPECT_THAT(Matches(text, "\\b(ask)\\("), SizeIs(paths.size())) << script;
    for (const std::string& parts : paths) asked.insert(PatternOf(parts));
  }
  EXPECT_THAT(asked, testing::IsSupersetOf({"/v1/model", "/v1/items", "/v1/recommendations",
                                            "/v1/users/{id}/recommendations"}));
  for (const std::string& path : asked) {
    EXPECT_THAT(description, HasSubstr("\"" + path + "\":{")) << path;
  }
}

TEST_F(PageTest, InABrowserItShowsWhatIsAnswered) {
  if (::access(kChromium, X_OK) != 0) GTEST_SKIP() << "there is no " << kChromium;
  const std::string token = Path("token");
  std::ofstream(token) << "secret\n";
  Served served(Rated(), {"--access-log", "none"});
  Served guarded(Rated(), {"--access-log", "none", "--token-file", token});
  Train("clicked",
        "split { random { fraction: 0.1 seed: 1 } }\n"
        "model { retrieval { user { dim: 8 } item { dim: 8 } } }\n"
        "optimizer { adagrad { learning_rate: 0.1 } }\n"
        "train { batch_size: 256 epochs: 2 }\n");
  Served clicked(cluster_->SnapshotPath("clicked"), {"--access-log", "none"});
  Process browser({"python3", CF_SOURCE_DIR "/tests/cluster/served_page.py", kChromium,
                   std::to_string(served.port()), std::to_string(clicked.port()),
                   std::to_string(guarded.port()), "secret", kHostile});
  const Process::Result result = browser.Wait(std::chrono::seconds(200));
  EXPECT_EQ(result.exit_code, 0) << result.errors;
}

}  // namespace
}  // namespace cf::page_test

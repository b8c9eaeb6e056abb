// Goal: a path finds its route and what stands in its places, or an answer that says why not.

#include "common/http/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cf::router_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class RouterTest : public testing::Test {
 protected:
  RouterTest() {
    for (const char* pattern : {"/items", "/items/{id}/users", "/users/{id}/{what}"}) {
      router_.Add({.method = "GET", .pattern = pattern, .handle = nullptr});
    }
    router_.Add({.method = "POST", .pattern = "/items", .handle = nullptr});
  }

  std::variant<Router::Match, HttpResponse> Find(const std::string& method,
                                                 const std::string& target) const {
    return router_.Find({.method = method, .target = ParseTarget(target).value(), .body = ""});
  }

  Router router_;
};

TEST_F(RouterTest, PlacesTakeAnyPartThatIsNotEmpty) {
  const auto match = std::get<Router::Match>(Find("GET", "/users/a%2Fb/items"));
  EXPECT_EQ(match.route->pattern, "/users/{id}/{what}");
  EXPECT_THAT(match.parameters, ElementsAre("a/b", "items"));
  EXPECT_THAT(std::get<Router::Match>(Find("POST", "/items")).parameters, IsEmpty());
  EXPECT_EQ(std::get<Router::Match>(Find("POST", "/items")).route->method, "POST");
}

TEST_F(RouterTest, WhatNobodyAnswersIsNotFound) {
  for (const char* target :
       {"/", "/item", "/items/", "/users//items", "/items/1", "/users/1/a/b"}) {
    EXPECT_EQ(std::get<HttpResponse>(Find("GET", target)).status, 404) << target;
  }
}

TEST_F(RouterTest, OtherMethodsAreToldWhichThereAre) {
  const auto response = std::get<HttpResponse>(Find("DELETE", "/items"));
  EXPECT_EQ(response.status, 405);
  EXPECT_THAT(response.headers,
              ElementsAre(std::pair<std::string, std::string>("Allow", "GET, POST")));
  EXPECT_THAT(response.body, HasSubstr("GET, POST"));
}

}  // namespace
}  // namespace cf::router_test

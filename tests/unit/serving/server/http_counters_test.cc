// Goal: counters add up, as Prometheus reads them.

#include "serving/server/http_counters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/http/router.h"

namespace cf::http_counters_test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(HttpCounters, RequestsAreCountedByRouteAndStatusAndTheirTimesInBuckets) {
  const Route route = {.method = "GET", .pattern = "/a/{id}", .handle = nullptr};
  HttpCounters counters;
  for (const int microseconds : {400, 500, 600, 3'000'000}) {
    counters.Count({.remote = "",
                    .method = "GET",
                    .target = "/a/1",
                    .route = &route,
                    .status = microseconds == 600 ? 404 : 200,
                    .duration = std::chrono::microseconds(microseconds)});
  }
  counters.Count({.remote = "", .method = "GET", .target = "/made/up", .status = 404});
  std::string text;
  counters.AppendTo(&text);
  EXPECT_THAT(text, HasSubstr("cf_http_requests_total{route=\"/a/{id}\",status=\"200\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("cf_http_requests_total{route=\"/a/{id}\",status=\"404\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("cf_http_requests_total{route=\"\",status=\"404\"} 1\n"));
  EXPECT_THAT(text,
              HasSubstr("cf_http_request_seconds_bucket{route=\"/a/{id}\",le=\"0.0005\"} 2\n"));
  EXPECT_THAT(text,
              HasSubstr("cf_http_request_seconds_bucket{route=\"/a/{id}\",le=\"0.001\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("cf_http_request_seconds_bucket{route=\"/a/{id}\",le=\"2.5\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("cf_http_request_seconds_bucket{route=\"/a/{id}\",le=\"+Inf\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("cf_http_request_seconds_count{route=\"/a/{id}\"} 4\n"));
  EXPECT_THAT(text, Not(HasSubstr("made")));
}

}  // namespace
}  // namespace cf::http_counters_test

#include "serving/server/http_counters.h"

#include <algorithm>
#include <chrono>

#include <absl/strings/str_cat.h>

#include "common/http/router.h"

namespace cf {

void HttpCounters::Count(const AnsweredRequest& request) {
  // What is at no route is counted together: paths that strangers make up are without number.
  const std::string pattern = request.route == nullptr ? "" : request.route->pattern;
  ++requests_[{pattern, request.status}];
  const double seconds = std::chrono::duration<double>(request.duration).count();
  Durations& durations = durations_[pattern];
  const auto bucket = std::lower_bound(kBounds.begin(), kBounds.end(), seconds) - kBounds.begin();
  ++durations.counts[static_cast<std::size_t>(bucket)];
  durations.sum += seconds;
}

void HttpCounters::AppendTo(std::string* text) const {
  absl::StrAppend(text, "# HELP cf_http_requests_total Requests that were answered.\n",
                  "# TYPE cf_http_requests_total counter\n");
  for (const auto& [key, count] : requests_) {
    absl::StrAppend(text, "cf_http_requests_total{route=\"", key.first, "\",status=\"", key.second,
                    "\"} ", count, "\n");
  }
  absl::StrAppend(text, "# HELP cf_http_request_seconds From a request's last byte to the ",
                  "answer's first.\n# TYPE cf_http_request_seconds histogram\n");
  for (const auto& [pattern, durations] : durations_) {
    std::uint64_t count = 0;
    for (std::size_t k = 0; k < durations.counts.size(); ++k) {
      count += durations.counts[k];
      const std::string bound = k < kBounds.size() ? absl::StrCat(kBounds[k]) : "+Inf";
      absl::StrAppend(text, "cf_http_request_seconds_bucket{route=\"", pattern, "\",le=\"", bound,
                      "\"} ", count, "\n");
    }
    absl::StrAppend(text, "cf_http_request_seconds_sum{route=\"", pattern, "\"} ", durations.sum,
                    "\ncf_http_request_seconds_count{route=\"", pattern, "\"} ", count, "\n");
  }
}

void AppendMetric(std::string* text, const std::string& name, const std::string& type,
                  const std::string& what, double value) {
  absl::StrAppend(text, "# HELP ", name, " ", what, "\n# TYPE ", name, " ", type, "\n", name, " ",
                  value, "\n");
}

}  // namespace cf

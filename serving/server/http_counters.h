#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "common/http/exchange.h"

namespace cf {

/// How many requests have been answered, by route and status, and how long that took, as Prometheus
/// reads it.
///
/// Owner:   the service.
/// Threads: one, on which requests are told and the text is asked for: the server's I/O thread.
/// Bounds:  the routes and the statuses that there are.
class HttpCounters {
 public:
  void Count(const AnsweredRequest& request);

  /// Appends the counters, in Prometheus' format of text.
  void AppendTo(std::string* text) const;

 private:
  // Upper bounds of the buckets, in seconds; one more takes the rest.
  static constexpr std::array<double, 12> kBounds = {.0005, .001, .0025, .005, .01, .025,
                                                     .05,   .1,   .25,   .5,   1,   2.5};
  struct Durations {
    std::array<std::uint64_t, kBounds.size() + 1> counts = {};
    double sum = 0;
  };

  std::map<std::pair<std::string, int>, std::uint64_t> requests_;  // By pattern and status.
  std::map<std::string, Durations> durations_;                     // By pattern.
};

/// Appends one number with what it is: "# HELP", "# TYPE" and its line.
void AppendMetric(std::string* text, const std::string& name, const std::string& type,
                  const std::string& what, double value);

}  // namespace cf

#pragma once

#include <string>

#include "common/base/check.h"
#include "common/config/config.h"

namespace cf {

/// An optimizer from textproto, with its defaults filled in: "adam { learning_rate: 0.02 }".
inline Optimizer MakeOptimizer(const std::string& text) {
  absl::StatusOr<Job> job =
      ParseJob("model { matrix_factorization {} } optimizer {" + text + "}", "test");
  Check(job.ok(), "the test's optimizer parses");
  FillDefaults(*job);
  return job->optimizer();
}

}  // namespace cf

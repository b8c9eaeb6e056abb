#pragma once

#include <string>

#include <gtest/gtest.h>

#include "common/config/config.h"

namespace cf {

/// `job` with one field set as by --set.
inline Job With(Job job, const std::string& assignment) {
  const absl::Status set = SetField(job, assignment);
  EXPECT_TRUE(set.ok()) << set;
  return job;
}

/// Why `job`, which must be refused, is.
inline std::string ErrorOf(const Job& job) {
  const absl::Status status = ValidateJob(job);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

}  // namespace cf

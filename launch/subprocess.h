#pragma once

#include <chrono>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

namespace cf {

/// What `command`, found on the PATH, prints on standard output, once it has ended with exit code
/// 0. Of its standard error the first line is in the error where it ends otherwise. It starts with SIGTERM blocked and no other signal: a batch
/// system that requeues a job ends all of its processes at once, and the one that has asked it to
/// must be able to say so. NotFound: it is not installed; Internal: it ended otherwise;
/// DeadlineExceeded: not within `limit`, and was killed.
absl::StatusOr<std::string> OutputOf(const std::vector<std::string>& command,
                                     std::chrono::seconds limit = std::chrono::seconds(20));

}  // namespace cf

#pragma once

#include <cstdint>
#include <string>

#include <absl/status/statusor.h>

namespace cf {

/// Bytes of a size as people write it: "2GiB", "1.5G", "500MB", "800" (MiB); a unit without "B" or
/// with "iB" is a power of 1,024, one with "B" alone of 1,000. InvalidArgument for anything else, for
/// less than a MiB, and for more than 2^50 bytes.
absl::StatusOr<std::uint64_t> ParseMemorySize(const std::string& text);

}  // namespace cf

#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include <absl/status/statusor.h>

struct XXH3_state_s;

namespace cf {

/// XXH3-128 of a stream of bytes, as snapshots write it: 32 hex digits, the high half first.
///
/// Owner:   whoever sums.
/// Threads: one at a time.
/// Bounds:  half a KiB.
class Checksum {
 public:
  Checksum();
  ~Checksum();

  void Update(const void* data, std::size_t bytes);
  std::string Hex() const;

 private:
  struct Free {
    void operator()(XXH3_state_s* state) const;
  };
  std::unique_ptr<XXH3_state_s, Free> state_;
};

/// Of a whole file. Errors are ReadFile's.
absl::StatusOr<std::string> ChecksumOfFile(const std::string& path);

}  // namespace cf

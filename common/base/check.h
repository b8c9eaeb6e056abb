#pragma once

#include <source_location>

namespace cf {

/// Stops the process, naming the place and `promise`, unless `holds`: for what only a mistake in
/// this program can break, in every build. Never for what came from a peer, a file or a
/// configuration; those are absl::Status.
inline void Check(bool holds, const char* promise,
                  std::source_location where = std::source_location::current());

namespace internal {
[[noreturn]] void CheckFailed(const char* promise, std::source_location where);
}  // namespace internal

inline void Check(bool holds, const char* promise, std::source_location where) {
  if (!holds) [[unlikely]]
    internal::CheckFailed(promise, where);
}

}  // namespace cf

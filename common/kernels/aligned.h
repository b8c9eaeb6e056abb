#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace cf {

/// The bytes of a cache line, which is also the longest vector.
inline constexpr std::size_t kLineBytes = 64;

/// How many floats of `memory` come before the first that begins a cache line; less than one line.
/// Whoever wants n aligned floats makes `memory` one line longer.
inline std::size_t FloatsBeforeLine(const std::vector<float>& memory) {
  const auto address = reinterpret_cast<std::uintptr_t>(memory.data());
  return (kLineBytes - address % kLineBytes) % kLineBytes / sizeof(float);
}

}  // namespace cf

#pragma once

#include <cstdint>

namespace cf {

// Memory as the system counts it, in bytes; 0 where it does not tell.

/// What this process has in memory now, mapped files included.
std::uint64_t ProcessMemory();

/// The most that it has had.
std::uint64_t ProcessMemoryPeak();

/// What the machine could give before it would have to write something away.
std::uint64_t AvailableMemory();

}  // namespace cf

#pragma once

// Fault points: the places of the program where a test can have something go wrong. With the CMake
// option CF_FAULT_POINTS (presets dev, asan and tsan) the variable CF_FAULTS of the environment says
// what and when; fault_point.cc has its grammar. Without it (release) nothing of them is left.

#include <cerrno>

#include "common/base/fault_option.h"

namespace cf {

/// What goes wrong at a place that must see to it itself. What needs no help of the place (a crash, a
/// thread that hangs or is late) has happened, or never returns.
enum class Fault {
  kNone,
  kNoSpace,  ///< The call is to fail as on a full disk,
  kBroken,   ///< or as on one that does not read or write.
  kShort,    ///< A call on a file moves a part of what it was asked for.
  kFlip,     ///< A frame is changed on its way,
  kRepeat,   ///< or comes twice.
};

#if CF_FAULT_POINTS
/// Passes the point of that name; `path` is the file at hand, if there is one. Any thread.
Fault FaultAt(const char* point, const char* path = "");
#else
[[gnu::always_inline]] constexpr Fault FaultAt(const char* /*point*/, const char* /*path*/ = "") {
  return Fault::kNone;
}
#endif

/// The same for a call of the system: the errno with which it is to fail; 0: it is to be made.
[[gnu::always_inline]] inline int ErrnoAt(const char* point, const char* path = "") {
  switch (FaultAt(point, path)) {
    case Fault::kNoSpace:
      return ENOSPC;
    case Fault::kBroken:
      return EIO;
    default:
      return 0;
  }
}

}  // namespace cf

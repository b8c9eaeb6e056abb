#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "launch/resources.h"
#include "launch/supervisor.h"
#include "run/verdict.h"

namespace cf {

/// Why a life of a job came to nothing, as far as anything here can tell.
struct Death {
  std::string why;     ///< A line for people, without its end.
  bool again = true;   ///< Whether another life may do better; a job without memory would not.
  std::string said{};  ///< Lines of mpirun's that explain it, indented.
};

/// The death of a job whose ranks had met, or began to: by their `verdict`, where there is one, by
/// what mpirun says of a rank that a signal killed, and by the kernel's count of those that it
/// killed for want of memory.
Death ExplainDeath(const JobEnd& end, const std::optional<Verdict>& verdict,
                   const MemoryKills& memory);

/// A start whose ranks were to meet.
struct Meeting {
  std::string run;   ///< The run folder.
  std::string name;  ///< What its ranks call this start.
  int ranks = 0;
  std::uint32_t seconds = 0;  ///< That they had.
};

/// The end of a start that was given up, since not all of its ranks have met in time.
Death ExplainNoMeeting(const JobEnd& end, const Meeting& meeting);

}  // namespace cf

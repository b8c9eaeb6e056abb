#pragma once

#include <string>

#include "common/base/status.h"

namespace cf {

/// Why a job ended: what the exit code alone does not tell those who might start it again.
enum class EndCause {
  kFinished,  ///< There is nothing left to do.
  kSignal,    ///< A signal asked for a snapshot and a clean end.
  kRequest,   ///< `cfrun stop` did.
  kLost,      ///< A rank, a host or what a disk should have done; the job itself is sound.
  kFailed,    ///< Anything that would happen again.
};

/// How a job ended, for whoever started it: mpirun's own exit code does not tell in every setting.
struct Verdict {
  ExitCode exit_code = kExitFailed;
  EndCause cause = EndCause::kFailed;
  std::string text = {};       ///< One line for people, "best epoch 7: val_rmse 0.8401".
  std::string snapshot = {};   ///< Where the result is, relative to the run folder; may be empty.
  std::string lost_host = {};  ///< With kLost: the host that fell silent, if a whole host did.
  std::string launch = {};     ///< Of whose ranks it is (RunFolder::ClaimGeneration); may be empty.

  bool operator==(const Verdict&) const = default;
};

}  // namespace cf

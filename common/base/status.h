#pragma once

#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

namespace cf {

/// The same error with its context in front: "opening partition 7: No space left on device".
/// Requires: !status.ok().
absl::Status Because(const absl::Status& status, const std::string& doing);

/// An Internal (or NotFound, PermissionDenied, InvalidArgument, ResourceExhausted) error for `errno`:
/// "PATH: No such file or directory". Cancelled where the reader of a pipe has gone.
absl::Status ErrnoError(int error, const std::string& what);

/// Exit codes of every program, as documented in README.md.
enum ExitCode : int {
  kExitFinished = 0,
  kExitFailed = 1,     ///< Anything that is neither of the others.
  kExitUserInput = 2,  ///< The user's input: a flag, a file, a configuration.
  kExitContinue = 75,  ///< A snapshot was taken and the job is to be continued (EX_TEMPFAIL).
};

/// 0 for OK; 2 for what the user can mend (InvalidArgument, NotFound, AlreadyExists,
/// FailedPrecondition, OutOfRange); else 1.
ExitCode ExitCodeOf(const absl::Status& status);

/// The same error, of which the user's input is not to blame: for what fails once that was accepted,
/// whatever the system calls it. Requires: !status.ok().
absl::Status NotOfInput(const absl::Status& status);

}  // namespace cf

#pragma once

#include <string>

#include <absl/status/status.h>

#include "coordinator/control.pb.h"
#include "coordinator/roster.h"
#include "run/verdict.h"

namespace cf {

/// The end of a generation whose job ended in good order, as its leader tells it.
/// Requires: the verdict's cause is kFinished, kSignal or kRequest.
GenerationEnd EndWith(const Verdict& verdict, int speaker);

/// The end by an error that would happen again. Requires: !why.ok().
GenerationEnd FailedBy(const absl::Status& why, int speaker);

/// The end by an error in mid-run, after the user's input was accepted. Requires: !why.ok().
GenerationEnd FailedInMidRunBy(const absl::Status& why, int speaker);

/// The end of a generation in which some ranks went on in place: what it was refused for, such as memory
/// that fewer ranks have not, was accepted of all of them, who may be started again.
GenerationEnd EndInPlace(GenerationEnd end);

/// The end by the loss of `rank`, which the roster's leader tells, or who speaks in its place.
/// `how` says what became of it ("it was silent for 3000 ms").
GenerationEnd LossOf(const Roster& roster, int rank, const std::string& how,
                     bool whole_host = false);

/// The same for a member whose process may live on, though a thread of it does not get on.
GenerationEnd HangOf(const Roster& roster, int rank, const std::string& how);

/// The end of a generation in which everybody waits.
GenerationEnd StallOf(const Roster& roster, const std::string& how);

/// One line for people: "rank 2 on n2 was lost: it was silent for 3000 ms".
std::string TextOf(const GenerationEnd& end);

/// What is written into the run folder. A kind that this program does not know is a failure.
Verdict VerdictOf(const GenerationEnd& end);

/// Whether those who are left after this end go on in the same processes, where they can.
bool GoesOnInPlace(const GenerationEnd& end);

/// The error that those get who still wait when it comes to this end; never ok, and Aborted where
/// nothing went wrong.
absl::Status StatusOf(const GenerationEnd& end);

}  // namespace cf

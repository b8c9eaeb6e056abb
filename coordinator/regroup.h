#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "common/rpc/handshake.h"
#include "common/rpc/listener.h"
#include "coordinator/control.pb.h"
#include "coordinator/roster.h"
#include "run/run_folder.h"

namespace cf {

/// What a process brings to the next generation: one that has outlived a loss, or is a member of a roster
/// that was resized.
struct Regrouping {
  GenerationNote note;  ///< Of the generation that has ended, as are the others.
  Roster roster;        ///< Of a process that joins: the next one.
  int rank = 0;
  JobKey key = {};
  GenerationEnd end;                ///< Lost, or resized: then this process is one of its members.
  std::vector<int> survivors = {};  ///< Of a loss: as SurvivorsOf finds them, this rank included.
  std::string launch = {};          ///< As RunFolder::ClaimGeneration's.
  /// At its door in the roster. Borrowed; null where nobody else is left.
  const Listener* door = nullptr;
  std::uint64_t first_generation = 0;  ///< Of these processes.
  std::uint64_t losses_max = 0;        ///< Without a new snapshot in between.
};

/// What they have agreed on.
struct Regrouped {
  GenerationNote note;
  Roster roster;
  int rank = 0;
  JobKey key = {};
};

/// Brings those together who are left after a loss, or are to go on after a change of the roster, at their doors and without MPI: they agree on who
/// they are, or the meeting fails; the oldest of them claims the next generation and finds the newest
/// snapshot of the run that is whole; all have its note. The key follows from the old one, so that nobody
/// of an old generation is heard in the new one. `claim` is the run folder with the claim where
/// this process led, and where it leads from now on.
///
/// Cancelled: others have gone on without this process, which is to end and say nothing. Every other
/// error has all of them end, to be started again: DeadlineExceeded after kMeetingLimit, Aborted
/// where one of them gave up, ResourceExhausted after too many losses.
absl::StatusOr<Regrouped> Regroup(const Regrouping& from, std::optional<RunFolder>& claim);

/// The key of a generation in the processes of the one before, whose key is `before`.
JobKey KeyOfGeneration(const JobKey& before, std::uint64_t generation);

/// Whether others have gone on without this process after the generation of `note`: there is a later one.
bool OthersHaveGoneOn(const GenerationNote& note);

/// What a meeting may take, and afterwards the connections of a generation that was agreed on in one:
/// the processes are there, and come as soon as they are done with what they compute.
inline constexpr std::chrono::seconds kMeetingLimit(10);

}  // namespace cf

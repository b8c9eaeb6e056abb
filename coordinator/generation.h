#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include <absl/status/status.h>

#include "common/rpc/mesh.h"
#include "coordinator/console.h"
#include "coordinator/control.pb.h"
#include "coordinator/kept_work.h"
#include "coordinator/member.h"
#include "coordinator/reception.h"
#include "coordinator/roster.h"
#include "coordinator/survival.h"
#include "run/run_folder.h"
#include "run/status.pb.h"

namespace cf {

/// What a member needs to play its part of a generation, whoever leads it.
struct GenerationOptions {
  GenerationNote note;
  Roster roster;
  int rank = 0;
  std::optional<Listener> listener = {};  ///< At this rank's endpoint; none in a job of one rank.
  JobKey key = {};
  MakeRowStore make_store = {};  ///< The rank's; empty: as the job's budget of memory asks.

  /// With the claim of the generation: of the member that prepared it, and so leads it. Borrowed.
  const RunFolder* claim = nullptr;

  /// Ends this process, a thread of which hangs, and tells the end where this member is its
  /// speaker; called on a thread that does not hang, and not expected to return. See Participant.
  std::function<void(const GenerationEnd& end)> on_hang = {};
  /// Called once this member is connected to all others. May be empty.
  std::function<void()> on_connected = {};

  /// Whether the loss of a rank, or another roster, is not the end of the job: then nothing is written of it, and what is
  /// known of the others goes to `aftermath`, which is borrowed and may be null.
  bool survives_loss = false;
  Aftermath* aftermath = nullptr;
  /// Of a generation before, in this process; where this one ends so that it goes on in place, what it
  /// leaves. Borrowed; null where nothing is kept.
  KeptWork* kept = nullptr;
  /// As Participant's.
  std::chrono::milliseconds connect_limit{0};
  bool data_checked = false;
  /// When the generation before ended, in these processes, which this one goes on after.
  std::optional<std::chrono::steady_clock::time_point> ended_at = {};
  bool after_loss = true;  ///< How it did.

  // What a member uses when it leads.
  Console::Options console = {};       ///< The log is the run folder's, whatever this says.
  std::optional<BatchJob> batch = {};  ///< That the ranks run in.
  std::function<bool()> stop_requested = {};
  /// Whether the verdict may be there before the job has ended (EarlyVerdict).
  bool verdict_may_be_early = false;
  /// Where processes come that want to join. Borrowed; null: nobody can.
  Reception* reception = nullptr;
  std::uint32_t ranks_wanted = 1;  ///< With fewer of them, spares come.
  bool profile = false;            ///< Whether the tables of the profile are shown.
  /// What else is made of a run when its verdict is written; an error is only told. May be empty.
  std::function<absl::Status(const RunFolder& folder)> on_verdict = {};
};

/// One life of a job between two changes of membership: joins the ranks, opens the rows (new, or
/// from the note's snapshot), trains until the job is finished, is asked to stop, or loses a rank,
/// and lets go of everything. A start, a resume and a change of the number of ranks are all this
/// call. The leader writes the verdict into the run folder, if the job is not to survive this end.
///
/// Returns the end, the same on every member; the one that is its speaker tells the user. Only
/// where a member never reaches the others does it have an end of its own.
/// Requires: the member that leads has the claim.
GenerationEnd RunGeneration(GenerationOptions options);

}  // namespace cf

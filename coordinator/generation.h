#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "common/rpc/mesh.h"
#include "coordinator/console.h"
#include "coordinator/control.pb.h"
#include "coordinator/member.h"
#include "run/run_folder.h"
#include "run/status.pb.h"

namespace cf {

/// What a rank needs to play its part of a generation.
struct GenerationOptions {
  GenerationNote note;
  int rank = 0;
  std::vector<std::string> hosts;    ///< By rank.
  std::vector<Endpoint> endpoints;   ///< By rank; not used in a job of one rank.
  std::optional<Listener> listener;  ///< At this rank's endpoint.
  JobKey key = {};
  std::uint32_t cores = 1;   ///< That this rank has to itself.
  std::uint64_t memory = 0;  ///< Bytes that it may use; 0: unknown.
  MakeRowStore make_store = MakeSlabStore;

  // Of rank 0 only.
  const RunFolder* folder = nullptr;   ///< Claimed.
  std::optional<BatchJob> batch = {};  ///< That the ranks run in.
  Console* console = nullptr;
  std::function<bool()> stop_requested;
  bool profile = false;  ///< Whether the tables of the profile are shown.
};

/// One life of a job between two changes of membership: joins the ranks, opens the rows (new, or
/// from the note's snapshot), trains until the job is finished, is asked to stop, or loses a rank,
/// and lets go of everything. A start, a resume and a change of the number of ranks are all this
/// call. Returns on rank 0 how the job ended, on others a verdict without text.
///
/// Errors: what the user can mend by its code (ExitCodeOf); Unavailable where a rank was lost.
/// Every rank returns; only the one whose error it is has a message, so that a line is printed
/// once.
absl::StatusOr<Verdict> RunGeneration(GenerationOptions options);

}  // namespace cf

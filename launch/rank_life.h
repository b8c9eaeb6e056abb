#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "common/base/status.h"
#include "common/rpc/handshake.h"
#include "common/rpc/listener.h"
#include "coordinator/console.h"
#include "coordinator/control.pb.h"
#include "coordinator/roster.h"
#include "launch/rank_keeper.h"
#include "run/run_folder.h"
#include "run/status.pb.h"

namespace cf {

/// What a rank has in hand when all have met for the first time.
struct RankLifeOptions {
  GenerationNote note;
  Roster roster;
  int rank = 0;
  std::optional<Listener> listener = {};  ///< None in a job of one rank.
  std::optional<Listener> door = {};      ///< None where no loss is survived, as is the keeper.
  std::optional<RankKeeper> keeper = {};
  JobKey key = {};
  std::string launch = {};              ///< What cfrun calls this start of the job.
  std::optional<RunFolder> claim = {};  ///< The leader's.
  /// Losses of ranks without a new snapshot in between that the others survive; 0: none.
  std::uint32_t losses_max = 0;
  Console::Options console = {};
  std::optional<BatchJob> batch = {};
  std::function<bool()> stop_requested = {};
  bool profile = false;
  /// Whether nobody else ends the mpirun that started this process, should a host be lost.
  bool ends_mpirun = false;
  std::string program = {};        ///< JoinProgram's: other processes of it may join the job.
  std::uint32_t ranks_wanted = 1;  ///< That the job was started with, or has grown to.
  bool has_joined = false;         ///< While it ran: the data set is checked, and the others go on.
};

/// Plays a rank's part of a job, from generation to generation where ranks are lost and the others
/// go on in place, and tells the end where that is this rank's to tell. Returns the exit code of this
/// process, of which mpirun makes its own.
ExitCode LiveAsRank(RankLifeOptions options);

}  // namespace cf

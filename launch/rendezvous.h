#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/rpc/handshake.h"
#include "common/rpc/listener.h"

namespace cf {

/// This process's place among those that one mpirun started, known before any of them has met.
struct LaunchPlace {
  int rank = 0;
  int ranks = 1;
  int ranks_on_host = 1;
  bool by_mpirun = false;
  std::string launch = {};  ///< What cfrun calls this start of the job; empty without cfrun.
  std::string job = {};     ///< What mpirun calls it; empty without mpirun.
};

/// The place that mpirun put into the environment; the only one of one rank without mpirun.
/// InvalidArgument where the environment contradicts itself.
absl::StatusOr<LaunchPlace> FindLaunchPlace();

/// What a rank brings to the rendezvous.
struct RendezvousOptions {
  /// Who prepares the job, and leads it, before any rank has met another.
  int leader = 0;
  /// How this rank's preparations went. A failure of one is a failure of all.
  absl::Status ready = absl::OkStatus();
  /// A short text of the leader that every rank receives; the others' are ignored.
  std::string note;
  /// A short text of each rank that every rank receives.
  std::string introduction;
  /// Runs on every rank once it has the note, where all are ready; its failure counts like `ready`.
  /// May be empty.
  std::function<absl::Status(const std::string& note)> check;
  /// cluster.interface, as the note has it: the network interface to listen on where ranks are on
  /// several hosts; empty: the one that leads to the others. May be empty.
  std::function<std::string(const std::string& note)> interface;
  /// Whether the ranks may have to meet again without MPI; the same on all.
  bool later_meetings = false;
};

/// Everything a rank needs to reach the others over TCP.
struct Rendezvous {
  LaunchPlace place;
  std::vector<std::string> hosts;    ///< By rank.
  std::vector<Endpoint> endpoints;   ///< By rank; empty where the job has one rank.
  std::optional<Listener> listener;  ///< Already open at this rank's endpoint; none for one rank.
  std::vector<Endpoint> doors;       ///< By rank, and
  std::optional<Listener> door;  ///< this rank's, for later meetings; none where there are none.
  JobKey key = {};               ///< Drawn by the leader.
  int leader = 0;
  std::string note;                        ///< The leader's.
  std::vector<std::string> introductions;  ///< By rank.
};

/// Brings the ranks of one mpirun together and lets go of MPI: exchanges host names, addresses, the
/// job key and the leader's note, finalises MPI, and ties this process's life to its parent's, since a
/// rank that has finalised MPI would outlive a killed mpirun. Without mpirun it is a rendezvous of
/// one and MPI is not touched. To be called once, on the thread that is MPI's for good.
///
/// Where any rank fails, every rank returns an error with the code of the lowest failing rank; only
/// that rank's has a message, so that a program that prints what is not empty says it once.
absl::StatusOr<Rendezvous> MeetOverMpi(const RendezvousOptions& options);

}  // namespace cf

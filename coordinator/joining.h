#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "common/rpc/handshake.h"
#include "common/rpc/listener.h"
#include "coordinator/control.pb.h"

namespace cf {

/// A process that wants to join a job that runs.
struct JoinRequest {
  std::string run = {};      ///< The run folder.
  std::string program = {};  ///< JoinProgram's.
  bool spare = false;        ///< It comes only in the place of a rank that is lost.
  /// What it may use, beside so many ranks of the same host.
  std::function<MemberResources(int others)> resources = {};
  /// The address to listen on where `hosts` are the others' and this one, the first. ListeningAddress's.
  std::function<absl::StatusOr<std::string>(const std::vector<std::string>& hosts,
                                            const std::string& interface)>
      address = {};
  std::function<void(const std::string& line)> say = {};  ///< How it gets on.
  /// How long a job is looked for that nobody was found of: it may have just begun.
  std::chrono::milliseconds patience = std::chrono::seconds(10);
};

/// What it has in hand when it is invited: it is to Regroup with the others.
struct Invited {
  GenerationNote note;  ///< Of the generation that ends,
  JobKey key = {};      ///< and its.
  GenerationEnd end;    ///< Resized.
  int rank = 0;         ///< In the roster of that end.
  std::uint32_t losses_max = 0;
  Listener listener;  ///< At its endpoint,
  Listener door;      ///< and its door.
};

/// Finds the leader by the file in the run folder, proves the key, looks whether the data set is the
/// job's and whole, and waits until it is invited; where the leader is lost, it looks for the next one.
///
/// Cancelled: the job has ended, in a line. InvalidArgument, NotFound, FailedPrecondition,
/// PermissionDenied and DataLoss say in a line what keeps this process from joining: no such run, none
/// that runs or that can be joined, another program, a key that the leader does not know, another data
/// set, a network that does not lead there, or that it is not wanted.
absl::StatusOr<Invited> WaitForInvitation(const JoinRequest& request);

}  // namespace cf

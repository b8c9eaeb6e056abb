#pragma once

#include <cstdint>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/rpc/handshake.h"
#include "common/rpc/listener.h"

namespace cf {

/// What a process needs to know to join a job that runs: RunFolder::join_path, which only the user of
/// the job can read, as whoever knows the key is a rank.
struct JoinFile {
  std::string program = {};      ///< JoinProgram's, of those who are there.
  std::string host = {};         ///< Of the leader,
  Endpoint reception = {};       ///< and where it expects who joins.
  std::uint64_t generation = 0;  ///< That the key is of: the leader's first.
  JobKey key = {};

  bool operator==(const JoinFile&) const = default;
};

/// Which programs understand each other: `version` and what decides the bits.
std::string JoinProgram(const std::string& version);

/// Makes `path` hold this, with mode 0600 from the beginning.
absl::Status WriteJoinFile(const std::string& path, const JoinFile& file);

/// NotFound: there is none; PermissionDenied; DataLoss: it is not as it was written.
absl::StatusOr<JoinFile> ReadJoinFile(const std::string& path);

}  // namespace cf

#pragma once

#include <cstdint>
#include <string>

#include <absl/status/statusor.h>

#include "common/rpc/shared_region.h"
#include "launch/doctor.pb.h"

namespace cf {

/// What the ranks of a host are about to do there.
struct HostUse {
  std::uint32_t ranks = 1;          ///< Of the whole job,
  std::uint32_t ranks_on_host = 1;  ///< and of this host,
  std::uint32_t rank_on_host = 0;   ///< of which this process is that one.
  std::uint32_t threads = 1;        ///< Compute threads of a rank, at most.
};

/// What this process finds on its host that does not depend on the job: the program, cores, memory,
/// limits, the folder for temporary files, /dev/shm. Leaves nothing behind.
RankReport ExamineHost(const HostUse& use);

/// What it finds of the job's things: the folder that rank 0 has put beside the run folder and its
/// lock (`holds_lock`: this process has it), its share of the data set, which it reads, and whether the
/// host has memory and disk for its ranks. Leaves nothing behind.
RankReport ExamineJob(const HostUse& use, const DoctorNote& note, bool holds_lock);

/// Locks the file "claim" in `folder`, as a run is locked, for as long as the descriptor is open. FailedPrecondition:
/// another process has; else an error of the file system's.
absl::StatusOr<UniqueFd> LockProbe(const std::string& folder);

/// The nearest folder on the way to `path` that is there.
std::string NearestFolder(const std::string& path);

/// Bytes as people read them: "15.6 GiB".
std::string SizeText(std::uint64_t bytes);

/// One more line of a report; `expected` says what would do where something would fail.
void AddFinding(RankReport& report, const std::string& what, const std::string& value,
                const std::string& expected = "");

}  // namespace cf

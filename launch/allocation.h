#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

namespace cf {

/// What Slurm has given to the batch job that this process runs in.
struct Allocation {
  std::string id;                     ///< For Slurm's commands.
  std::string name;                   ///< For people: "1234", or "1234_5" for task 5 of an array.
  std::uint32_t restarts = 0;         ///< How often Slurm has started the job again.
  std::vector<std::uint32_t> cpus;    ///< By node.
  std::uint32_t tasks = 0;            ///< As asked for (--ntasks, --ntasks-per-node); 0: not.
  std::uint32_t cpus_per_task = 0;    ///< As asked for; 0: not.
  std::uint64_t memory_per_node = 0;  ///< MiB; 0: not limited, or by CPU.
  std::uint64_t memory_per_cpu = 0;   ///< MiB; 0: not limited, or by node.

  std::uint32_t nodes() const { return static_cast<std::uint32_t>(cpus.size()); }
};

/// An environment: the value of a variable, null where it is not set.
using Environment = std::function<const char*(const char* name)>;

/// The allocation that `environment` tells of; none outside Slurm. InvalidArgument names a variable
/// that is not as Slurm writes it.
absl::StatusOr<std::optional<Allocation>> FindAllocation(const Environment& environment);

/// The same, of this process.
absl::StatusOr<std::optional<Allocation>> FindAllocation();

/// What a job asks of an allocation.
struct RankRequest {
  std::uint32_t ranks = 0;                ///< 0: as Slurm was asked for tasks, else one a node.
  std::uint32_t servers = 0;              ///< So many of them only serve rows, on the last nodes.
  std::vector<std::string> without = {};  ///< Hosts that were lost.
};

/// Ranks that start in the same way: an application context of mpirun.
struct RankGroup {
  std::uint32_t ranks = 0;
  std::vector<std::string> placement = {};  ///< Arguments of mpirun.
};

/// How many ranks, where, and what each may use.
struct RankPlan {
  std::vector<RankGroup> groups;  ///< Workers first, then the servers.
  std::uint32_t cores = 0;        ///< Of each rank; 0: those that it is bound to.
  std::uint64_t memory_mib = 0;   ///< Of each rank; 0: not limited.

  std::uint32_t ranks() const;  ///< In all.
};

/// Spreads the ranks evenly over the nodes; with dedicated servers, one on each of the last nodes
/// and the others on the nodes before. `hosts` are the nodes' names, in order; they are used where
/// nodes are chosen by name. InvalidArgument where the ranks do not share out, or no node is left.
absl::StatusOr<RankPlan> PlanRanks(const Allocation& allocation,
                                   const std::vector<std::string>& hosts,
                                   const RankRequest& request);

/// The same for `hosts` outside of a batch system, of which nothing is known but their names: so many
/// ranks of `request`, or one on each, spread over those that are not lost.
absl::StatusOr<RankPlan> PlanOnHosts(const std::vector<std::string>& hosts,
                                     const RankRequest& request);

/// What Slurm says of a job now.
struct BatchState {
  std::string state;   ///< "RUNNING", "PENDING", "COMPLETING".
  std::string reason;  ///< Why it waits or ends, "TimeLimit"; "None".
  std::uint32_t restarts = 0;
  std::int64_t end_seconds = 0;  ///< Since 1970: when its time is up; 0: never, or it does not run.
};

/// Asks Slurm. NotFound: Slurm does not know the job (any more), or is not installed here;
/// Unavailable or DeadlineExceeded: nothing is known, as nobody answers.
absl::StatusOr<BatchState> AskSlurm(const std::string& job_id);

/// The hosts of the allocation, in order.
absl::StatusOr<std::vector<std::string>> HostsOf(const Allocation& allocation);

/// Has Slurm start the job again, in the same or another allocation; this process is ended by it.
absl::Status Requeue(const Allocation& allocation);

/// Takes a job that waits out of the queue.
absl::Status Cancel(const std::string& job_id);

}  // namespace cf

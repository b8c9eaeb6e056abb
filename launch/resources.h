#pragma once

#include <cstdint>
#include <string>

namespace cf {

/// What this host leaves to this process and those that were started like it.
struct HostResources {
  std::uint32_t cores = 1;   ///< That the process may run on.
  std::uint64_t memory = 0;  ///< Bytes: the machine's, or the least that a container or a batch job
                             ///< allows; 0: unknown.
};

HostResources ResourcesOfThisHost();

/// The least memory limit, in bytes, of the control groups that `proc_cgroup` (the text of
/// /proc/self/cgroup) names, with the hierarchies below `root` ("/sys/fs/cgroup"); 0: none limits.
std::uint64_t CgroupMemoryLimit(const std::string& proc_cgroup, const std::string& root);

/// How many processes the kernel has killed because one of these control groups, or one around it
/// that has a limit, had no memory left.
std::uint64_t CgroupMemoryKills(const std::string& proc_cgroup, const std::string& root);

/// How many of our ranks the kernel has killed for want of memory after second `since` of its clock,
/// by `log`, records of /dev/kmsg.
std::uint64_t KernelMemoryKills(const std::string& log, double since);

/// Counts those whom the kernel kills for want of memory on this host, from its making on.
///
/// Owner:   whoever wants to know why a job died.
/// Threads: any.
class MemoryKills {
 public:
  MemoryKills();

  /// "the control group of this job, whose limit is 170 MiB, ran out of memory (oom_kill 4)", or the
  /// machine did; empty where nobody was killed for that, or nobody here may know.
  std::string Since() const;

 private:
  std::uint64_t in_group_ = 0;
  double begin_ = 0;  ///< By the kernel's clock, in seconds.
};

}  // namespace cf

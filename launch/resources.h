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

}  // namespace cf

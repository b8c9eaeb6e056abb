#include "launch/resources.h"

#include <algorithm>
#include <sched.h>
#include <unistd.h>
#include <vector>

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include "common/base/files.h"

namespace cf {
namespace {

// Control groups of version 1 say "no limit" with a number that no machine has.
constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 60;

// The lesser of two limits, where 0 is none.
std::uint64_t Lesser(std::uint64_t a, std::uint64_t b) {
  if (a == 0 || b == 0) return std::max(a, b);
  return std::min(a, b);
}

// The limit in file `name` of a group and of those around it.
std::uint64_t LimitUpwards(const std::string& hierarchy, std::string group, const char* name) {
  std::uint64_t least = 0;
  for (;;) {
    const absl::StatusOr<std::string> text = ReadFile(absl::StrCat(hierarchy, group, "/", name));
    std::uint64_t limit = 0;
    if (text.ok() && absl::SimpleAtoi(*text, &limit) && limit > 0 && limit < kNoLimit) {
      least = Lesser(least, limit);
    }
    const std::size_t slash = group.rfind('/');
    if (group.empty() || slash == std::string::npos) return least;
    group.resize(slash);
  }
}

}  // namespace

std::uint64_t CgroupMemoryLimit(const std::string& proc_cgroup, const std::string& root) {
  std::uint64_t least = 0;
  // "0::/group" is version 2, "9:memory:/group" version 1.
  for (const auto line : absl::StrSplit(proc_cgroup, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() != 3) continue;
    const std::string group = fields[2] == "/" ? "" : fields[2];
    if (fields[1].empty()) {
      least = Lesser(least, LimitUpwards(root, group, "memory.max"));
    } else if (fields[1] == "memory") {
      least = Lesser(least, LimitUpwards(root + "/memory", group, "memory.limit_in_bytes"));
    }
  }
  return least;
}

HostResources ResourcesOfThisHost() {
  HostResources host;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) == 0) {
    host.cores = static_cast<std::uint32_t>(std::max(1, CPU_COUNT(&set)));
  }
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  const long page = ::sysconf(_SC_PAGESIZE);
  if (pages > 0 && page > 0) {
    host.memory = static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page);
  }
  const std::string groups = ReadFile("/proc/self/cgroup").value_or("");
  host.memory = Lesser(host.memory, CgroupMemoryLimit(groups, "/sys/fs/cgroup"));
  return host;
}

}  // namespace cf

#include "launch/resources.h"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <absl/cleanup/cleanup.h>
#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
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

/// A control group that counts memory.
struct MemoryGroup {
  std::uint64_t limit = 0;  ///< Bytes; 0: none.
  std::uint64_t kills = 0;  ///< Processes killed because it was full.
};

// The number behind "oom_kill" among the lines of `text`.
std::uint64_t KillsIn(const std::string& text) {
  for (const auto line : absl::StrSplit(text, '\n')) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    std::uint64_t kills = 0;
    if (words.size() == 2 && words[0] == "oom_kill" && absl::SimpleAtoi(words[1], &kills)) {
      return kills;
    }
  }
  return 0;
}

// A group and those around it, the innermost first, by the names that their files have.
std::vector<MemoryGroup> GroupsUpwards(const std::string& hierarchy, std::string group,
                                       const char* limit_name, const char* kills_name) {
  std::vector<MemoryGroup> groups;
  for (;;) {
    const std::string folder = absl::StrCat(hierarchy, group, "/");
    MemoryGroup& found = groups.emplace_back();
    std::uint64_t limit = 0;
    if (absl::SimpleAtoi(ReadFile(folder + limit_name).value_or(""), &limit) && limit < kNoLimit) {
      found.limit = limit;
    }
    found.kills = KillsIn(ReadFile(folder + kills_name).value_or(""));
    const std::size_t slash = group.rfind('/');
    if (group.empty() || slash == std::string::npos) return groups;
    group.resize(slash);
  }
}

// The groups of a process that count its memory, each before those around it.
std::vector<MemoryGroup> MemoryGroupsOf(const std::string& proc_cgroup, const std::string& root) {
  std::vector<MemoryGroup> all;
  // "0::/group" is version 2, "9:memory:/group" version 1.
  for (const auto line : absl::StrSplit(proc_cgroup, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() != 3) continue;
    const std::string group = fields[2] == "/" ? "" : fields[2];
    std::vector<MemoryGroup> groups;
    if (fields[1].empty()) {
      groups = GroupsUpwards(root, group, "memory.max", "memory.events");
    } else if (fields[1] == "memory") {
      groups =
          GroupsUpwards(root + "/memory", group, "memory.limit_in_bytes", "memory.oom_control");
    }
    all.insert(all.end(), groups.begin(), groups.end());
  }
  return all;
}

constexpr char kGroups[] = "/sys/fs/cgroup";

std::string OwnGroups() {
  return ReadFile("/proc/self/cgroup").value_or("");
}

// What the kernel has logged and still has; empty where this process may not read it.
std::string KernelLog() {
  const int log = ::open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (log < 0) return "";
  const absl::Cleanup close = [log] { ::close(log); };
  std::string text;
  char record[8192];
  for (;;) {
    const ssize_t got = ::read(log, record, sizeof record);
    if (got > 0) text.append(record, static_cast<std::size_t>(got));
    // EPIPE: a record was overwritten before it was read.
    if (got < 0 && errno != EPIPE && errno != EINTR) return text;
    if (got == 0) return text;
  }
}

double KernelClock() {
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace

std::uint64_t CgroupMemoryLimit(const std::string& proc_cgroup, const std::string& root) {
  std::uint64_t least = 0;
  for (const MemoryGroup& group : MemoryGroupsOf(proc_cgroup, root)) {
    least = Lesser(least, group.limit);
  }
  return least;
}

std::uint64_t CgroupMemoryKills(const std::string& proc_cgroup, const std::string& root) {
  std::uint64_t most = 0;
  bool innermost = true;
  // A group without a limit of its own may have others in it that are not of the job.
  for (const MemoryGroup& group : MemoryGroupsOf(proc_cgroup, root)) {
    if (std::exchange(innermost, false) || group.limit > 0) most = std::max(most, group.kills);
  }
  return most;
}

std::uint64_t KernelMemoryKills(const std::string& log, double since) {
  std::uint64_t kills = 0;
  // "3,1234,98765432,-;Out of memory: Killed process 77 (cfworker) total-vm:...", in microseconds.
  for (const auto line : absl::StrSplit(log, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> fields = absl::StrSplit(line, absl::MaxSplits(',', 3));
    double time = 0;
    if (fields.size() == 4 && absl::SimpleAtod(fields[2], &time) && time / 1e6 >= since &&
        absl::StrContains(fields[3], "Killed process ") &&
        absl::StrContains(fields[3], "(cfworker)")) {
      ++kills;
    }
  }
  return kills;
}

MemoryKills::MemoryKills()
    : in_group_(CgroupMemoryKills(OwnGroups(), kGroups)), begin_(KernelClock()) {
}

std::string MemoryKills::Since() const {
  const std::string groups = OwnGroups();
  const std::uint64_t kills = CgroupMemoryKills(groups, kGroups);
  if (kills > in_group_) {
    const std::uint64_t limit = CgroupMemoryLimit(groups, kGroups);
    return absl::StrCat("the control group of this job",
                        limit > 0 ? absl::StrCat(", whose limit is ", limit >> 20, " MiB,") : "",
                        " ran out of memory (oom_kill ", kills - in_group_, ")");
  }
  if (const std::uint64_t killed = KernelMemoryKills(KernelLog(), begin_); killed > 0) {
    return absl::StrCat("the kernel ran out of memory and killed ", killed, " of its processes");
  }
  return "";
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
  host.memory = Lesser(host.memory, CgroupMemoryLimit(OwnGroups(), kGroups));
  return host;
}

}  // namespace cf

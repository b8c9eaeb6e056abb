#include "launch/stopped_keepers.h"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include "common/base/check.h"
#include "common/base/files.h"
#include "launch/rank_keeper.h"

namespace cf {
namespace {

constexpr std::chrono::seconds kLookPause(1);

// Of /proc/PID/stat: "4711 (cf-keeper) T 1 ...".
bool IsStopped(pid_t process) {
  const std::string stat = ReadFile(absl::StrCat("/proc/", process, "/stat")).value_or("");
  const std::size_t name_end = stat.rfind(") ");
  return name_end != std::string::npos && stat[name_end + 2] == 'T';
}

bool IsKeeper(pid_t process) {
  return ReadFile(absl::StrCat("/proc/", process, "/comm")).value_or("") ==
         absl::StrCat(kKeeperName, "\n");
}

}  // namespace

std::vector<pid_t> ChildrenOf(pid_t process) {
  std::vector<pid_t> children;
  // The kernel has a list for each thread.
  std::error_code error;
  for (std::filesystem::directory_iterator thread(absl::StrCat("/proc/", process, "/task"), error),
       end;
       !error && thread != end; thread.increment(error)) {
    const std::string list = ReadFile(thread->path().string() + "/children").value_or("");
    for (const absl::string_view word : absl::StrSplit(list, ' ', absl::SkipWhitespace())) {
      Check(absl::SimpleAtoi(word, &children.emplace_back()), "the kernel lists numbers");
    }
  }
  return children;
}

void StoppedKeepers::Look(pid_t mpirun, Clock::time_point now) {
  if (now - looked_ < kLookPause) return;
  looked_ = now;
  std::set<pid_t> stopped;
  for (const pid_t process : ChildrenOf(mpirun)) {
    if (!IsStopped(process) || !IsKeeper(process)) continue;
    if (std::ranges::any_of(ChildrenOf(process), IsStopped)) continue;
    stopped.insert(process);
    if (stopped_.contains(process)) ::kill(process, SIGCONT);
  }
  stopped_ = std::move(stopped);
}

}  // namespace cf

#include "common/base/memory_figures.h"

#include <string>
#include <vector>

#include <absl/status/statusor.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>
#include <absl/strings/string_view.h>

#include "common/base/files.h"

namespace cf {
namespace {

// Of a file with lines such as "VmRSS:     1234 kB".
std::uint64_t FigureOf(const std::string& path, absl::string_view name) {
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return 0;
  for (const absl::string_view line : absl::StrSplit(*text, '\n')) {
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    std::uint64_t kibibytes = 0;
    if (words.size() < 2 || words[0] != name) continue;
    return absl::SimpleAtoi(words[1], &kibibytes) ? kibibytes << 10 : 0;
  }
  return 0;
}

}  // namespace

std::uint64_t ProcessMemory() {
  return FigureOf("/proc/self/status", "VmRSS:");
}

std::uint64_t ProcessMemoryPeak() {
  return FigureOf("/proc/self/status", "VmHWM:");
}

std::uint64_t AvailableMemory() {
  return FigureOf("/proc/meminfo", "MemAvailable:");
}

}  // namespace cf

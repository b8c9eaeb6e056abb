#include "launch/cfdata_progress.h"

#include <algorithm>
#include <cstdio>
#include <unistd.h>

namespace cf {
namespace {

constexpr std::chrono::milliseconds kBarInterval(100);
constexpr std::chrono::seconds kLineInterval(2);
constexpr std::size_t kBarWidth = 30;

}  // namespace

CfdataProgress::CfdataProgress(Mode mode)
    : bar_(mode == Mode::kBar || (mode == Mode::kAuto && ::isatty(STDOUT_FILENO) == 1)) {
}

void CfdataProgress::Show(const std::string& doing, std::uint64_t done, std::uint64_t total) {
  const Clock::time_point now = Clock::now();
  if (now - last_ < (bar_ ? Clock::duration(kBarInterval) : Clock::duration(kLineInterval))) return;
  last_ = now;
  const double share =
      total == 0 ? 1 : static_cast<double>(std::min(done, total)) / static_cast<double>(total);
  if (bar_) {
    const auto full = static_cast<std::size_t>(share * static_cast<double>(kBarWidth));
    const std::string bar = std::string(full, '=') + std::string(kBarWidth - full, '.');
    // Clears to the end of the line: the text before may have been longer.
    std::printf("\r[%s] %3.0f%% %s\x1b[K", bar.c_str(), 100 * share, doing.c_str());
    drawn_ = true;
  } else {
    std::printf("%s: %.0f%%\n", doing.c_str(), 100 * share);
  }
  std::fflush(stdout);
}

void CfdataProgress::Clear() {
  if (!drawn_) return;
  std::printf("\r\x1b[K");
  std::fflush(stdout);
  drawn_ = false;
}

}  // namespace cf

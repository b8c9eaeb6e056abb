#include "launch/cfdata_progress.h"

#include <algorithm>
#include <cstdio>
#include <unistd.h>

#include "common/text/display.h"

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
    // A line that is wider than the terminal would be left over at every redrawing: on a narrow one
    // the bar gives way, and then the text. The last column stays empty, where some would wrap.
    constexpr std::size_t kAround = sizeof("[] 100% ");
    constexpr std::size_t kTextMin = 20;
    const std::size_t width = TerminalWidth(STDOUT_FILENO);
    const std::size_t text = std::min(DisplayWidth(Printable(doing)), kTextMin);
    const std::size_t cells = std::min(kBarWidth, width - std::min(width, kAround + text));
    const auto full = static_cast<std::size_t>(share * static_cast<double>(cells));
    const std::string bar = std::string(full, '=') + std::string(cells - full, '.');
    const std::size_t room = width - std::min(width - 4, kAround + cells);
    // Clears to the end of the line: the text before may have been longer.
    std::printf("\r[%s] %3.0f%% %s\x1b[K", bar.c_str(), 100 * share,
                CutToWidth(Printable(doing), room).c_str());
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

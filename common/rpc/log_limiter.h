#pragma once

// Private to common/rpc.

#include <chrono>
#include <functional>
#include <string>

#include <absl/strings/str_cat.h>

namespace cf::rpc {

/// Passes lines on to the log, but not more than a stranger should be able to cause.
///
/// Owner:   Mesh::Impl.
/// Threads: the I/O thread.
/// Bounds:  kLinesMax lines in each kWindow; the next window's first line says how many are
///          missing.
class LogLimiter {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr int kLinesMax = 20;
  static constexpr std::chrono::seconds kWindow{10};

  explicit LogLimiter(const std::function<void(const std::string&)>& log) : log_(log) {}

  void Write(const std::string& line, Clock::time_point now = Clock::now()) {
    if (!log_) return;
    if (now - window_begin_ >= kWindow) {
      if (lines_ > kLinesMax)
        log_(absl::StrCat(lines_ - kLinesMax, " lines like these were left out"));
      window_begin_ = now;
      lines_ = 0;
    }
    if (++lines_ <= kLinesMax) log_(line);
  }

 private:
  const std::function<void(const std::string&)>& log_;
  Clock::time_point window_begin_{};
  int lines_ = 0;  // Asked for in this window.
};

}  // namespace cf::rpc

#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace cf {

/// Shows on standard output how far a long command is: a bar that is redrawn in place on a
/// terminal, else a line now and then without any carriage return.
///
/// Owner:   main() of cfdata.
/// Threads: not thread-safe.
class CfdataProgress {
 public:
  enum class Mode { kAuto, kBar, kLines };

  explicit CfdataProgress(Mode mode);
  CfdataProgress(const CfdataProgress&) = delete;
  CfdataProgress& operator=(const CfdataProgress&) = delete;
  ~CfdataProgress() { Clear(); }

  /// As a ProgressFunction.
  void Show(const std::string& doing, std::uint64_t done, std::uint64_t total);

  /// Takes the bar off the screen, before anything else is printed.
  void Clear();

 private:
  using Clock = std::chrono::steady_clock;

  bool bar_;
  bool drawn_ = false;
  Clock::time_point last_ = Clock::now();
};

}  // namespace cf

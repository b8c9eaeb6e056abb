#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "launch/supervisor.h"

namespace cf {

/// Starts the processes that join a job while it runs under cfrun (cfworker --join): spares, which wait
/// from the beginning, and the ranks that `cfrun resize` asks for. What becomes of them is the job's
/// business: one that ends is not started again.
///
/// Owner:   the call that runs a life.
/// Threads: one.
/// Bounds:  one process for each spare, and for each rank that is asked for.
class Joiners {
 public:
  struct Options {
    std::string run;
    std::vector<std::string> spare_hosts;  ///< One spare on each.
    std::vector<std::string> hosts;        ///< Of others, in turns; empty: this one.
  };
  /// `supervisor` is borrowed: it starts them.
  Joiners(Options options, Supervisor& supervisor);

  /// Starts what is missing. To be called some times a second while the job runs.
  void Look();

  /// How many ranks somebody has asked for while this life ran.
  std::optional<std::uint32_t> ranks_asked() const { return ranks_asked_; }

 private:
  void HearRequest(std::uint32_t ranks);
  void Start(const std::string& host, bool spare);

  const Options options_;
  Supervisor& supervisor_;
  bool has_spares_ = false;
  std::optional<std::uint32_t> ranks_asked_;
  std::size_t next_host_ = 0;
};

}  // namespace cf

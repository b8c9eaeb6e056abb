#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/base/activity.h"
#include "coordinator/control.pb.h"

namespace cf {

/// Turns what the threads of a process do into what is reported of them: for how long each has not
/// got on.
///
/// Owner:      Watch's client, one for a process.
/// Threads:    one at a time.
/// Invariants: only time that is passed to Look counts, so that a process that was stopped as a
///             whole, and cannot have got on, is not called hung when it continues.
class ProgressProbe {
 public:
  explicit ProgressProbe(std::span<const Activity> activities)
      : activities_(activities), seen_(activities.size()) {}

  /// How the threads stand, `elapsed` after the last call.
  Progress Look(std::chrono::milliseconds elapsed);

 private:
  struct Seen {
    std::uint64_t mark = 0;
    std::chrono::milliseconds unchanged{0};
  };
  const std::span<const Activity> activities_;
  std::vector<Seen> seen_;
};

/// Who keeps a generation from getting on.
struct Hang {
  std::optional<int> rank = {};  ///< Nothing: everybody waits, and nobody for what is coming.
  std::string how = {};          ///< "thread 1 has been training for 61 s without a step".
};

/// What the leader knows of how all ranks get on, and its judgement: a thread is blamed that works
/// and has not ticked for the limit. One that waits is not, for however long, as long as somebody
/// else gets on.
///
/// Owner:   the leader's part of a generation.
/// Threads: not thread-safe.
/// Bounds:  one report of each rank.
class ProgressTable {
 public:
  ProgressTable(int ranks, std::chrono::milliseconds limit)
      : limit_(limit), ranks_(static_cast<std::size_t>(ranks)) {}

  /// Takes in what a rank reports of itself. Requires: the rank is one of the table's.
  void Hear(int rank, const Progress& progress);

  /// So much time has passed since the last call.
  void Pass(std::chrono::milliseconds elapsed);

  /// Who hangs; of several, the one that has for longest.
  std::optional<Hang> Judge() const;

 private:
  struct Rank {
    Progress progress;
    std::chrono::milliseconds age{0};  // Since it was heard; before that, since the table's start.
    bool heard = false;
  };
  std::optional<Hang> JudgeAllWaiting() const;

  const std::chrono::milliseconds limit_;
  std::vector<Rank> ranks_;
};

}  // namespace cf

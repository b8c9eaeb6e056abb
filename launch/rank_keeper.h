#pragma once

#include <absl/status/statusor.h>

namespace cf {

/// The process that mpirun started, which from Fork on only keeps another one, the rank: mpirun ends
/// a whole job when a process of it dies of a signal. While the others could go on without it
/// (Spare), the rank's keeper ends in good order then, and mpirun does nothing; otherwise a keeper
/// ends as its rank does. It passes on the signals that mpirun sends, and only these; it dies with
/// mpirun, and the rank with it.
///
/// Owner:   the rank.
/// Threads: one.
/// Bounds:  the keeper is a copy of a process that has done nothing yet.
class RankKeeper {
 public:
  /// Splits this process: returns in the rank, and never in the keeper. To be called before there is
  /// another thread, or MPI.
  static absl::StatusOr<RankKeeper> Fork();

  RankKeeper(RankKeeper&& other) noexcept;
  RankKeeper& operator=(RankKeeper&& other) = delete;
  ~RankKeeper();

  /// Whether the others could go on if this rank died of a signal now; at first they could not.
  void Spare(bool could) const;

 private:
  explicit RankKeeper(int keeper) : keeper_(keeper) {}

  int keeper_;  ///< Of a pipe.
};

}  // namespace cf

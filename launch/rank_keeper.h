#pragma once

#include <chrono>

#include <absl/status/statusor.h>

namespace cf {

/// What the kernel calls a keeper.
inline constexpr char kKeeperName[] = "cf-keeper";

/// The process that mpirun started, which from Fork on only keeps another one, the rank: mpirun ends
/// a whole job when a process of it dies of a signal. While the others could go on without it
/// (Spare), the rank's keeper ends in good order then, and mpirun does nothing; otherwise a keeper
/// ends as its rank does. A rank that stays stopped, which nobody else may be left to notice, it kills
/// (EndWhenStopped). It passes on the signals that mpirun sends, and only these; it dies with mpirun,
/// and the rank with it.
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
  void Spare(bool could);

  /// From now on the rank is killed when it has been stopped (SIGSTOP) for `limit`, of a second at
  /// least, while its keeper runs: a job that is stopped as a whole waits.
  void EndWhenStopped(std::chrono::seconds limit);

 private:
  /// What the keeper knows of the rank.
  struct Orders {
    bool is_spared = false;
    int stopped_looks_max = 0;  ///< 0: it may be stopped for ever.
  };

  explicit RankKeeper(int keeper) : keeper_(keeper) {}

  void Send() const;
  [[noreturn]] static void Keep(int rank, int from_rank, int mpirun);

  int keeper_;  ///< Of a pipe, which carries Orders; the last ones count.
  Orders orders_;
};

}  // namespace cf

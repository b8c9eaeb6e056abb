#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/config/job.pb.h"
#include "common/config/learning_rate.h"
#include "common/metrics/metrics.h"
#include "common/model/block_schedule.h"
#include "common/snapshot/manifest.h"
#include "run/early_stopping.h"

namespace cf {

/// How far a job is: what its snapshots keep beside rows, and what a resumed run starts from.
///
/// Owner:   Coordinator.
/// Threads: not thread-safe.
/// Bounds:  as many files as partitions have in their chains.
/// Invariants: Restore makes the state that Save wrote, but for the sums: members go on from those.
struct JobState {
  /// Before the first step. `steps` are those of an epoch.
  JobState(const Job& job, std::uint64_t steps);

  /// Requires: a manifest of a snapshot of this job.
  void Restore(const Manifest& manifest);

  /// Position, rules, metrics and files; the rest of the manifest is the caller's.
  void Save(Manifest& manifest) const;

  /// What the figures of an epoch decided.
  struct Judgement {
    bool is_best = false;  ///< It is the best so far.
    bool stalled = false;  ///< The rate is lower from the next epoch on, by plateau_factor().
  };
  /// Has the model before the first step as a candidate for the best, of which `measured` was found
  /// (epoch 0). Returns whether it is one. Requires: as StoppingRule::ObserveStart.
  bool BeginFrom(const EpochFigures& measured);

  /// Whether the job is before its first step, and nobody has looked at the model yet.
  bool IsUntouched() const {
    return !InMidEpoch() && epoch == 0 && !stopping.state().start_value.has_value();
  }

  /// Ends the current epoch, of which `measured` was found; the first leg of the next one follows.
  Judgement EndEpoch(const EpochFigures& measured);

  /// Whether a snapshot of this state would be the best one: there is none of the best epoch yet, and
  /// this is its end.
  bool IsBestWithoutSnapshot() const;

  /// Has the snapshot `name`, which is of this state, as the best one, if there is none of the best
  /// epoch yet and this is its end.
  void NameBestSnapshot(const std::string& name);

  bool Finished() const { return epoch >= epochs || stopping.ShouldStop(); }

  /// Sets the legs of the current epoch that are done, by partition.
  void SetLegs(std::vector<std::uint64_t> by_partition);

  /// Whether some legs of the current epoch are done, or some partitions'.
  bool InMidEpoch() const { return leg > 0 || !partition_legs.empty(); }

  /// What is done of the current epoch, from 0 to 1.
  double share_of_epoch() const;

  /// Of the current epoch, in global batches, and since the first. Where partitions are not equally
  /// far, as if they were, with as many blocks done.
  std::uint64_t step_in_epoch() const;
  std::uint64_t step() const { return epoch * steps_per_epoch + step_in_epoch(); }

  /// What the schedule of a plateau multiplies the rate by; 1 without one.
  double plateau_factor() const { return plateau.has_value() ? plateau->state().factor : 1; }

  /// The same for each epoch up to the current one; empty without a plateau.
  std::vector<double> PlateauFactors() const;

  // Constant after construction.
  std::uint64_t epochs;  ///< That the job asks for.
  std::uint64_t steps_per_epoch;
  std::optional<BlockSchedule> blocks;  ///< Nothing with SYNC.
  /// What an epoch is trained in, one after the other: steps, or the sub-epochs of BLOCKS.
  std::uint64_t legs_per_epoch;
  std::string monitor;          ///< The figure that decides which epoch is the best.
  std::string plateau_monitor;  ///< The figure that the plateau waits for; empty without one.

  std::uint64_t epoch = 0;  ///< Finished epochs.
  std::uint64_t leg = 0;    ///< Legs done of the current one, by all partitions.
  /// By partition, where they are not equally far (BLOCKS); else empty.
  std::vector<std::uint64_t> partition_legs;
  std::vector<ObjectiveSums> sums;  ///< By partition, of the current epoch.
  StoppingRule stopping;
  std::optional<PlateauRule> plateau;         ///< Nothing where the schedule is another.
  std::vector<double> past_plateau_factors;   ///< Of the finished epochs; empty without one.
  std::optional<EpochFigures> before_last;    ///< Of the epoch before the last, where it is known.
  std::optional<EpochFigures> last;           ///< Of the last finished epoch.
  std::optional<EpochFigures> best;           ///< Of the best epoch, which may be epoch 0.
  std::string best_snapshot;                  ///< Empty before there is one.
  std::vector<std::vector<FileEntry>> files;  ///< By partition: the chain of the last snapshot.
};

}  // namespace cf

#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/metrics/figures.h"
#include "run/run_view.h"
#include "run/sweep_file.h"

namespace cf {

/// How a job of a sweep stands, as its run folder tells.
struct SweepRow {
  RunState state = RunState::kNew;
  std::string text;      ///< Finished: its verdict; failed: why; running: where; else empty.
  std::string snapshot;  ///< The path of the run's result, its best snapshot or the last.
  std::string digest;    ///< Of that snapshot; empty until AddDigest.
  /// Of the epoch in that snapshot. A job that is not finished has none: its figures would depend
  /// on when one looks.
  std::optional<EpochFigures> result;
};

/// Looks at the run of `job` in folder `run`. What cannot be read makes a failed one.
/// FailedPrecondition: another configuration, or a data set other than that of digest
/// `data_digest`, was trained there.
absl::StatusOr<SweepRow> LookAtJob(const SweepJob& job, const std::string& run,
                                   const std::string& data_digest);

/// Computes the digest of a finished job's result; reads the whole snapshot. An error makes the job
/// a failed one.
void AddDigest(SweepRow& row);

/// "learning_rate=0.001 dim=64".
std::string DescribeJob(const Sweep& sweep, const SweepJob& job);

/// "val_rmse 0.8375 at epoch 16". Requires: the job is finished.
std::string DescribeResult(const SweepJob& job, const SweepRow& row);

/// The finished job with the best figure by its early_stopping.monitor, the first of equals.
/// NotFound: no job is finished, or none has a number to show; FailedPrecondition: the finished
/// jobs do not judge by one figure, are of different splits, or judge by different losses.
absl::StatusOr<std::size_t> FindBest(const Sweep& sweep, std::span<const SweepRow> rows);

/// A line for each job in the file's order. Holds no times and no paths: the same jobs give the
/// same bytes wherever they ran. Requires: as many rows as jobs.
std::string SweepCsv(const Sweep& sweep, std::span<const SweepRow> rows);

/// The same for people. `best` is marked.
std::string SweepText(const Sweep& sweep, std::span<const SweepRow> rows,
                      std::optional<std::size_t> best);

}  // namespace cf

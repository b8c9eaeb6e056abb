#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/base/status.h"
#include "launch/dry_run.h"
#include "launch/rendezvous.h"

namespace cf {

/// What a rank of `cfrun doctor` is told.
struct DoctorOptions {
  LaunchPlace place;
  /// Rank 0's: whether there is such a job at all.
  absl::Status ready = absl::OkStatus();
  /// The job that is to be begun, of rank 0; none where the hosts alone are looked at.
  std::optional<DryRunOptions> job = {};
  std::string run;         ///< Its run folder, which need not be there; may be empty.
  std::size_t width = 80;  ///< Of the table.
};

/// A rank's part of looking whether a job could begin: every rank examines its host, the ways
/// between hosts are measured over a mesh such as a job has, and rank 0 prints a table and what is
/// wrong. Trains nothing, claims no run folder, and leaves nothing behind. kExitUserInput of rank 0
/// where something would fail. An error where the ranks cannot meet, as a job's could not.
absl::StatusOr<ExitCode> Examine(const DoctorOptions& options);

}  // namespace cf

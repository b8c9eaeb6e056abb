#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "common/config/job.pb.h"
#include "coordinator/control.pb.h"
#include "run/run_folder.h"
#include "run/verdict.h"

namespace cf {

/// What a generation is to be prepared from; every member could have it.
struct PreparationRequest {
  Job job;                      ///< Valid, with its defaults filled in.
  std::string run;              ///< The run folder, as the user calls it.
  std::string resume = "auto";  ///< "auto", "never", or the path of a snapshot to go on from.
  std::string launch = {};      ///< RunFolder::ClaimGeneration's.
};

/// A generation that its leader has claimed and nobody works in yet.
struct Preparation {
  RunFolder folder;  ///< With the claim, for as long as this lives.
  GenerationNote note;
  std::optional<Verdict> finished;  ///< There is nothing left to do, and this says why.
};

/// Opens the data set, claims the run folder's next generation, and finds and checks the snapshot
/// that it goes on from: the one that the user names, or the newest of the run that is whole.
/// DataLoss: none is. InvalidArgument, NotFound and FailedPrecondition say what the user can
/// mend: no data set, a job that is alive in the folder, a snapshot of another result or data set.
absl::StatusOr<Preparation> PrepareGeneration(PreparationRequest request);

/// From here on what the run's files say is about this life of the job. Returns RunFolder::Begin's
/// lines.
absl::StatusOr<std::vector<std::string>> BeginLife(const Preparation& preparation);

/// Does for a run that has finished what the life before did no more if it was killed behind its last
/// snapshot: lines of its history that this keeps, files that nobody needs, and the verdict, which is
/// `preparation`'s afterwards. Returns lines for people.
/// Requires: there is nothing left to do.
absl::StatusOr<std::vector<std::string>> EndFinishedLife(Preparation& preparation,
                                                         std::function<bool()> stop_requested);

/// BeginLife for a generation in the same processes: it has the files of the one before, and a request
/// to stop stands.
absl::Status ContinueLife(const RunFolder& claim, const GenerationNote& note);

/// Whether this process sees the run folder that the note tells of. FailedPrecondition: it does
/// not; Internal: this is no note.
absl::Status CheckNote(const std::string& note);

}  // namespace cf

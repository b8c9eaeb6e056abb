#include "coordinator/preparation.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include "common/base/files.h"
#include "common/config/config.h"
#include "common/dataset/dataset.h"
#include "common/kernels/kernels.h"
#include "common/snapshot/snapshot.h"
#include "common/snapshot/snapshot_store.h"
#include "run/finished_verdict.h"

namespace cf {
namespace {

std::string Absolute(const std::string& path) {
  std::error_code error;
  return std::filesystem::absolute(path, error).lexically_normal().string();
}

// The snapshot to go on from; empty for a new model.
absl::StatusOr<std::string> FindSnapshot(const PreparationRequest& request,
                                         const RunFolder& folder) {
  if (request.resume != "auto" && request.resume != "never") return request.resume;
  if (!std::filesystem::exists(folder.snapshots_path())) return std::string();
  absl::StatusOr<SnapshotStore> store = SnapshotStore::View(folder.snapshots_path());
  if (!store.ok()) return store.status();
  const absl::StatusOr<Manifest> latest = store->Latest();
  if (absl::IsNotFound(latest.status())) return std::string();
  if (!latest.ok()) return latest.status();
  if (request.resume == "never") {
    return absl::FailedPreconditionError(absl::StrCat(
        request.run,
        " has snapshots, which --resume never would leave behind: choose another --run"));
  }
  return store->PathOf(latest->name());
}

// Whether the job goes on to the result that the snapshot's job would have had.
absl::Status CheckContinues(const Manifest& manifest, const PreparationRequest& request,
                            const Dataset& data) {
  absl::Status same = CheckSameResult(manifest.job(), request.job, request.run);
  if (!same.ok()) return same;
  if (manifest.data().digest() != data.digest()) {
    return absl::FailedPreconditionError(absl::StrCat(
        request.run, " was trained with data set ", manifest.data().name(), " of digest ",
        manifest.data().digest(), ", not ", data.digest(), ": choose another --run"));
  }
  if (manifest.arithmetic_version() != kArithmeticVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        request.run, " was trained with arithmetic version ", manifest.arithmetic_version(),
        "; this program has ", kArithmeticVersion, ": choose another --run"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Preparation> PrepareGeneration(PreparationRequest request) {
  if (request.job.data().path().empty()) {
    return absl::InvalidArgumentError(
        "no data set: give --data DIR, or data.path in the configuration");
  }
  absl::StatusOr<Dataset> data = Dataset::Open(request.job.data().path());
  if (!data.ok()) return data.status();
  request.job.mutable_data()->set_path(Absolute(request.job.data().path()));

  absl::StatusOr<RunFolder> folder = RunFolder::Create(request.run);
  if (!folder.ok()) return folder.status();
  absl::StatusOr<std::uint64_t> generation = folder->ClaimGeneration();
  if (!generation.ok()) return generation.status();
  absl::StatusOr<std::string> snapshot = FindSnapshot(request, *folder);
  if (!snapshot.ok()) return snapshot.status();

  Preparation preparation{.folder = *std::move(folder), .note = {}, .finished = {}};
  if (!snapshot->empty()) {
    absl::StatusOr<Snapshot> opened = Snapshot::Open(*snapshot);
    if (!opened.ok()) return opened.status();
    absl::Status continues = CheckContinues(opened->manifest(), request, *data);
    if (!continues.ok()) return continues;
    preparation.finished = FinishedVerdict(opened->manifest(), request.job, request.run);
  }
  GenerationNote& note = preparation.note;
  note.set_run_folder(Absolute(request.run));
  note.set_nonce(preparation.folder.nonce());
  note.set_generation(*generation);
  note.set_snapshot(snapshot->empty() ? "" : Absolute(*snapshot));
  note.set_dataset_digest(data->digest());
  note.set_finished(preparation.finished.has_value());
  *note.mutable_job() = std::move(request.job);
  return preparation;
}

absl::Status BeginLife(const Preparation& preparation) {
  absl::Status begun = preparation.folder.Begin();
  if (!begun.ok()) return begun;
  return WriteFileAtomically(preparation.folder.job_path(), PrintJob(preparation.note.job()));
}

absl::Status CheckNote(const std::string& text) {
  GenerationNote note;
  if (!note.ParseFromString(text))
    return absl::InternalError("the leader's note does not parse: are all ranks of one build?");
  return RunFolder::CheckVisible(note.run_folder(), note.nonce());
}

}  // namespace cf

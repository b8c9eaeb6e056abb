#include "coordinator/preparation.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "common/base/files.h"
#include "common/base/status.h"
#include "common/config/config.h"
#include "common/dataset/dataset.h"
#include "common/kernels/kernels.h"
#include "common/snapshot/manifest.h"
#include "common/snapshot/snapshot.h"
#include "common/snapshot/snapshot_store.h"
#include "coordinator/history_observer.h"
#include "coordinator/resume_choice.h"
#include "run/finished_verdict.h"
#include "run/history.h"

namespace cf {
namespace {

std::string Absolute(const std::string& path) {
  std::error_code error;
  return std::filesystem::absolute(path, error).lexically_normal().string();
}

// Nobody trains meanwhile, and cfrun takes ranks that do not begin for ones that have not met.
constexpr std::chrono::seconds kFinishedPatience(3);

/// How a run goes on.
struct Continuation {
  std::string snapshot = {};             ///< Empty for a new model.
  std::optional<Verdict> finished = {};  ///< There is nothing left to do.
  std::vector<PassedOver> passed_over = {};
  std::vector<std::string> notices = {};
};

/// What is looked at before it is known that the run goes on.
enum class Look : std::uint8_t {
  kManifests,
  kFinishedRows,  ///< All files of a job that has finished, too: nobody will load them.
};

// What may be done where a run, or the snapshot that --resume names, is of another data set.
absl::Status OtherData(const Manifest& manifest, const PreparationRequest& request,
                       const std::string& trained, const Dataset& data) {
  const std::string why =
      absl::StrCat(trained, " was trained with data set ", manifest.data().name(), " of digest ",
                   manifest.data().digest(), ", not ", data.digest(), ": ");
  if (trained == request.run) {
    return absl::FailedPreconditionError(absl::StrCat(why, "choose another --run"));
  }
  return absl::FailedPreconditionError(
      absl::StrCat(why, "a model keeps its data set; go on with --data ",
                   manifest.job().data().path(), ", or leave --resume out and train a new one"));
}

// Whether the job goes on to the result that the snapshot's job would have had.
absl::Status CheckContinues(const Manifest& manifest, const PreparationRequest& request,
                            const Dataset& data) {
  const bool own = request.resume == "auto";
  const std::string& trained = own ? request.run : request.resume;
  absl::Status same = CheckSameResult(
      manifest.job(), request.job, trained,
      own ? "choose another --run" : "change it back, or leave --resume out and train a new model");
  if (!same.ok()) return same;
  if (manifest.data().digest() != data.digest()) {
    return OtherData(manifest, request, trained, data);
  }
  if (manifest.arithmetic_version() != kArithmeticVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        trained, " was trained with arithmetic version ", manifest.arithmetic_version(),
        "; this program has ", kArithmeticVersion, ": choose another --run"));
  }
  // An epoch that has begun has a place in the history and a best epoch before it: it is trained to
  // its end.
  const std::uint64_t epoch = manifest.position().epoch() + 1;
  if (InMidEpoch(manifest.position()) && epoch > request.job.train().epochs()) {
    return absl::FailedPreconditionError(
        absl::StrCat(trained, " is in epoch ", epoch, "; train.epochs is ",
                     request.job.train().epochs(), ": choose at least ", epoch));
  }
  return absl::OkStatus();
}

// From the snapshot that the user names, and no other.
absl::StatusOr<Continuation> ContinueFrom(const std::string& path,
                                          const PreparationRequest& request, const Dataset& data) {
  const absl::StatusOr<Snapshot> opened = Snapshot::Open(path);
  if (!opened.ok()) return opened.status();
  absl::Status continues = CheckContinues(opened->manifest(), request, data);
  if (!continues.ok()) return continues;
  // By its own name: `latest` may be another one when the next rank looks.
  return Continuation{.snapshot = absl::StrCat(opened->folder(), "/", opened->manifest().name()),
                      .finished = FinishedVerdict(opened->manifest(), request.job, request.run)};
}

// From the newest snapshot of the run that is whole.
absl::StatusOr<Continuation> ContinueRun(const PreparationRequest& request, const Dataset& data,
                                         Look look) {
  const std::string folder = request.run + "/snapshots";
  if (!std::filesystem::exists(folder)) return Continuation();
  const absl::StatusOr<SnapshotStore> store = SnapshotStore::View(folder);
  if (!store.ok()) return store.status();
  std::vector<PassedOver> damaged;
  for (;;) {
    absl::StatusOr<ResumeChoice> choice = ChooseSnapshot(*store, std::move(damaged));
    if (!choice.ok()) return choice.status();
    if (!choice->manifest.has_value()) return Continuation();
    if (request.resume == "never") {
      return absl::FailedPreconditionError(absl::StrCat(
          request.run,
          " has snapshots, which --resume never would leave behind: choose another --run"));
    }
    const Manifest& manifest = *choice->manifest;
    absl::Status continues = CheckContinues(manifest, request, data);
    if (!continues.ok()) return continues;
    Continuation found = {.snapshot = store->PathOf(manifest.name()),
                          .finished = FinishedVerdict(manifest, request.job, request.run),
                          .passed_over = choice->passed_over,
                          .notices = NoticesOf(*store, *choice)};
    if (!found.finished.has_value() || look == Look::kManifests) return found;
    const absl::StatusOr<Snapshot> last = Snapshot::Open(found.snapshot);
    const absl::Status whole = last.ok() ? last->CheckFiles() : last.status();
    if (whole.ok()) return found;
    if (!IsSnapshotDamage(whole)) return whole;
    damaged = std::move(choice->passed_over);
    damaged.push_back({.name = manifest.name(), .why = std::string(whole.message())});
  }
}

absl::Status BringHistoryUpToDate(Preparation& finished, std::function<bool()> stop_requested,
                                  std::vector<std::string>& lines) {
  const RunFolder& folder = finished.folder;
  // What somebody has made of it since is his.
  if (absl::IsInvalidArgument(History::Read(folder.history_path()).status())) {
    return absl::OkStatus();
  }
  const absl::StatusOr<Manifest> last = ReadManifest(finished.note.snapshot());
  if (!last.ok()) return last.status();
  const absl::StatusOr<std::unique_ptr<HistoryObserver>> history =
      HistoryObserver::Open(folder, finished.note.job(),
                            {.say = [&lines](const std::string& line) { lines.push_back(line); },
                             .stop_requested = std::move(stop_requested),
                             .patience = kFinishedPatience});
  if (!history.ok()) return history.status();
  absl::Status kept =
      (*history)->Started({.finished_epochs = last->position().epoch(), .snapshot = &*last});
  return kept.ok() ? (*history)->Ended(*finished.finished) : kept;
}

absl::Status CollectOf(const GenerationNote& note, const RunFolder& folder) {
  absl::StatusOr<SnapshotStore> store = SnapshotStore::Open(folder.snapshots_path());
  if (!store.ok()) return store.status();
  return store->Collect({.keep = std::max<std::size_t>(1, note.job().snapshot().keep()),
                         .generation = note.generation(),
                         .also_keep = {},
                         .damaged = {}});
}

absl::StatusOr<Continuation> FindContinuation(const PreparationRequest& request,
                                              const Dataset& data, Look look) {
  const bool own = request.resume == "auto" || request.resume == "never";
  return own ? ContinueRun(request, data, look) : ContinueFrom(request.resume, request, data);
}

}  // namespace

absl::StatusOr<Preparation> PrepareGeneration(PreparationRequest request) {
  if (request.job.data().path().empty()) {
    return absl::InvalidArgumentError(
        "no data set: give --data DIR, or data.path in the configuration");
  }
  absl::StatusOr<Dataset> data =
      Dataset::Open(request.job.data().path(), Dataset::Pages::kAreGivenBack);
  if (!data.ok()) return data.status();
  request.job.mutable_data()->set_path(Absolute(request.job.data().path()));
  // What is refused leaves no trace, so it is looked at before anything is made, and again under
  // the claim: another job may have gone on in between.
  const absl::Status refused = FindContinuation(request, *data, Look::kManifests).status();
  if (!refused.ok()) return refused;
  absl::StatusOr<RunFolder> folder = RunFolder::Create(request.run);
  if (!folder.ok()) return folder.status();
  absl::StatusOr<std::uint64_t> generation = folder->ClaimGeneration(request.launch);
  if (!generation.ok()) return generation.status();
  absl::StatusOr<Continuation> continuation = FindContinuation(request, *data, Look::kFinishedRows);
  if (!continuation.ok()) return continuation.status();

  Preparation preparation{
      .folder = *std::move(folder), .note = {}, .finished = continuation->finished};
  const std::string& snapshot = continuation->snapshot;
  GenerationNote& note = preparation.note;
  note.set_run_folder(Absolute(request.run));
  note.set_nonce(preparation.folder.nonce());
  note.set_generation(*generation);
  note.set_snapshot(snapshot.empty() ? "" : Absolute(snapshot));
  note.set_dataset_digest(data->digest());
  note.set_finished(preparation.finished.has_value());
  note.set_snapshot_is_given(request.resume != "auto");
  for (PassedOver& damaged : continuation->passed_over) {
    DamagedSnapshot& one = *note.add_passed_over();
    one.set_name(std::move(damaged.name));
    one.set_why(std::move(damaged.why));
  }
  for (std::string& line : continuation->notices) note.add_notices(std::move(line));
  *note.mutable_job() = std::move(request.job);
  return preparation;
}

absl::StatusOr<std::vector<std::string>> BeginLife(const Preparation& preparation) {
  absl::StatusOr<std::vector<std::string>> remarks = preparation.folder.Begin();
  if (!remarks.ok()) return remarks;
  absl::Status written =
      WriteFileAtomically(preparation.folder.job_path(), PrintJob(preparation.note.job()));
  if (!written.ok()) return written;
  return remarks;
}

absl::StatusOr<std::vector<std::string>> EndFinishedLife(Preparation& preparation,
                                                         std::function<bool()> stop_requested) {
  Check(preparation.finished.has_value(), "there is nothing left to do");
  const RunFolder& folder = preparation.folder;
  const GenerationNote& note = preparation.note;
  std::vector<std::string> lines;
  folder.RemoveLeftovers();
  std::error_code ignored;
  std::filesystem::remove(folder.join_path(), ignored);  // Nobody is there to be joined.
  // What the user names may be another run's.
  if (!note.snapshot_is_given()) {
    const absl::Status history =
        BringHistoryUpToDate(preparation, std::move(stop_requested), lines);
    if (!history.ok()) lines.emplace_back(history.message());
    // One that was passed over may be whole again, once somebody brings back what it lacks.
    const absl::Status collected =
        note.passed_over().empty() ? CollectOf(note, folder) : absl::OkStatus();
    if (!collected.ok()) {
      lines.emplace_back(Because(collected, "collecting old snapshots").message());
    }
  }
  absl::Status written = folder.WriteVerdict(*preparation.finished);
  if (!written.ok()) return written;
  return lines;
}

absl::Status ContinueLife(const RunFolder& claim, const GenerationNote& note) {
  absl::Status continued = claim.Continue();
  if (!continued.ok() || std::filesystem::exists(claim.job_path())) return continued;
  return WriteFileAtomically(claim.job_path(), PrintJob(note.job()));
}

absl::Status CheckNote(const std::string& text) {
  GenerationNote note;
  if (!note.ParseFromString(text))
    return absl::InternalError("the leader's note does not parse: are all ranks of one build?");
  return RunFolder::CheckVisible(note.run_folder(), note.nonce());
}

}  // namespace cf

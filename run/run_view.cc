#include "run/run_view.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include <absl/strings/str_cat.h>
#include <google/protobuf/text_format.h>

#include "common/base/files.h"
#include "common/base/status.h"
#include "common/config/config.h"
#include "common/snapshot/snapshot_store.h"

namespace cf {
namespace {

namespace fs = std::filesystem;
using google::protobuf::TextFormat;

// A status nests three deep, and a later one hardly more; a bound keeps hostile text, whose unknown
// fields may nest without an end, from exhausting the stack.
constexpr int kNestingMax = 32;

// A file that need not be there: OK and empty where it is not.
template <class T>
absl::Status ReadOptional(absl::StatusOr<T> read, std::optional<T>& into) {
  if (read.ok()) {
    into = *std::move(read);
    return absl::OkStatus();
  }
  return absl::IsNotFound(read.status()) ? absl::OkStatus() : read.status();
}

absl::StatusOr<RunStatus> ReadStatus(const RunFolder& folder) {
  const absl::StatusOr<std::string> text = ReadOwnFile(folder.status_path());
  return text.ok() ? ParseStatus(*text, folder.status_path()) : text.status();
}

absl::StatusOr<Job> ReadJob(const RunFolder& folder) {
  const absl::StatusOr<std::string> text = ReadOwnFile(folder.job_path());
  return text.ok() ? ParseJob(*text, folder.job_path()) : text.status();
}

absl::Status ReadNewestManifest(const RunFolder& folder, RunView& view) {
  const absl::StatusOr<SnapshotStore> store = SnapshotStore::View(folder.snapshots_path());
  if (absl::IsNotFound(store.status())) return absl::OkStatus();
  if (!store.ok()) return store.status();
  absl::StatusOr<Manifest> latest = store->Latest();
  if (!latest.ok() && !absl::IsNotFound(latest.status())) {
    view.notices.emplace_back(latest.status().message());
    absl::StatusOr<SnapshotStore::Listing> listing = store->List();
    if (!listing.ok()) return listing.status();
    if (!listing->snapshots.empty()) latest = std::move(listing->snapshots.back());
  }
  if (latest.ok()) view.snapshot = *std::move(latest);
  return absl::OkStatus();
}

RunState StateOf(const RunView& view) {
  if (!view.holder.empty()) return RunState::kRunning;
  if (!view.verdict.has_value()) {
    return view.generation == 0 ? RunState::kNew : RunState::kInterrupted;
  }
  return StateAfter(*view.verdict);
}

absl::Status ReadAll(const RunFolder& folder, RunView& view) {
  const absl::StatusOr<std::uint64_t> generation = folder.LastGeneration();
  if (!generation.ok()) return generation.status();
  view.generation = *generation;
  // Who holds it is asked before the verdict is read: a job that ends in between has left one.
  absl::StatusOr<std::string> holder = folder.Holder();
  if (!holder.ok()) return holder.status();
  view.holder = *std::move(holder);
  view.stop_requested = !view.holder.empty() && folder.StopRequested();
  // What was damaged of what a job says of itself leaves a gap: it decides nothing.
  const auto note = [&view](const absl::Status& read) {
    if (!read.ok()) view.notices.emplace_back(read.message());
  };
  note(ReadOptional(ReadStatus(folder), view.status));
  note(ReadOptional(ReadJob(folder), view.job));
  absl::Status read = ReadOptional(folder.ReadVerdict(), view.verdict);
  if (read.ok()) read = ReadNewestManifest(folder, view);
  if (!read.ok()) return read;
  absl::StatusOr<std::vector<EpochFigures>> history = History::Read(folder.history_path());
  if (!history.ok()) return history.status();
  view.history = *std::move(history);
  return absl::OkStatus();
}

}  // namespace

const char* NameOf(RunState state) {
  switch (state) {
    case RunState::kNew:
      return "new";
    case RunState::kRunning:
      return "running";
    case RunState::kFinished:
      return "finished";
    case RunState::kStopped:
      return "stopped";
    case RunState::kInterrupted:
      return "interrupted";
    case RunState::kFailed:
      break;
  }
  return "failed";
}

RunState StateAfter(const Verdict& verdict) {
  switch (verdict.cause) {
    case EndCause::kFinished:
      return RunState::kFinished;
    case EndCause::kSignal:
    case EndCause::kRequest:
      return RunState::kStopped;
    case EndCause::kLost:
      return RunState::kInterrupted;
    case EndCause::kFailed:
      break;
  }
  return RunState::kFailed;
}

absl::StatusOr<RunView> ViewRun(const std::string& path) {
  const absl::StatusOr<RunFolder> folder = RunFolder::Open(path);
  if (!folder.ok()) return folder.status();
  RunView view;
  view.path = path;
  absl::Status read = ReadAll(*folder, view);
  if (!read.ok()) return read;
  view.state = StateOf(view);
  return view;
}

absl::StatusOr<std::vector<std::string>> FindRuns(const std::string& folder) {
  if (RunFolder::Open(folder).ok()) return std::vector<std::string>{folder};
  std::vector<std::string> runs;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (RunFolder::Open(entry->path().string()).ok()) runs.push_back(entry->path().string());
  }
  if (error) return ErrnoError(error.value(), folder);
  std::sort(runs.begin(), runs.end());
  return runs;
}

absl::StatusOr<RunStatus> ParseStatus(const std::string& text, const std::string& name) {
  // A later program may say more of itself than this one knows.
  TextFormat::Parser parser;
  parser.AllowUnknownField(true);
  parser.SetRecursionLimit(kNestingMax);
  RunStatus status;
  if (!parser.ParseFromString(text, &status)) {
    return absl::DataLossError(absl::StrCat(name, ": this is no status of a job"));
  }
  return status;
}

absl::Status WriteStatus(const RunFolder& folder, const RunStatus& status) {
  std::string text;
  TextFormat::PrintToString(status, &text);
  return ReplaceFile(folder.status_path(), text);
}

}  // namespace cf

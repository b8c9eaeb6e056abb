#include "coordinator/snapshot_writer.h"

#include <algorithm>
#include <chrono>
#include <pthread.h>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "common/base/status.h"
#include "common/snapshot/partition_writer.h"

namespace cf {
namespace {

// Between two tries of a file: a server's hiccup costs a moment, and a disk that stays full nothing.
constexpr std::chrono::milliseconds kFirstPause(250);
constexpr std::chrono::milliseconds kLongestPause(10'000);

}  // namespace

SnapshotWriter::~SnapshotWriter() {
  thread_.request_stop();
}

void SnapshotWriter::Begin(std::vector<FileEntry> written, std::vector<Copy> copies) {
  Check(!begun_, "one snapshot is written at a time");
  begun_ = true;
  files_ = std::move(written);
  trouble_ = absl::OkStatus();
  if (copies.empty()) return;
  done_ = false;
  thread_ = std::jthread([this, copies = std::move(copies)](const std::stop_token& stop) mutable {
    WriteAll(stop, std::move(copies));
  });
}

SnapshotWriter::Progress SnapshotWriter::Poll() {
  return ProgressBy(std::unique_lock(mutex_));
}

SnapshotWriter::Progress SnapshotWriter::Await() {
  std::unique_lock lock(mutex_);
  if (begun_) {
    // Whether the thread gets on is seen of itself.
    const Activity::Waiting waiting(Activity::kAnybody, {});
    changed_.wait(lock, [this] { return done_ || !trouble_.ok(); });
  }
  return ProgressBy(std::move(lock));
}

SnapshotWriter::Progress SnapshotWriter::ProgressBy(std::unique_lock<std::mutex> lock) {
  if (!begun_) return {};
  if (!done_) return {.files = {}, .trouble = trouble_};
  lock.unlock();
  if (thread_.joinable()) thread_.join();
  begun_ = false;
  return {.files = files_};
}

void SnapshotWriter::SetTrouble(const absl::Status& trouble) {
  {
    const std::lock_guard lock(mutex_);
    trouble_ = trouble;
  }
  changed_.notify_all();
}

void SnapshotWriter::Drop() {
  if (thread_.joinable()) {
    thread_.request_stop();
    const Activity::Waiting waiting(Activity::kAnybody, {});
    thread_.join();
  }
  begun_ = false;
  done_ = true;
  trouble_ = absl::OkStatus();
  RemoveRowFiles(options_.folder, files_);
  files_.clear();
}

void SnapshotWriter::WriteAll(const std::stop_token& stop, std::vector<Copy> copies) {
  ::pthread_setname_np(::pthread_self(), "cf-snapshot");
  const Activity::Here here(options_.activity, Work::kSaving);
  for (Copy& copy : copies) {
    std::optional<FileEntry> file = WriteOnceItCan(stop, copy);
    if (!file.has_value()) return;
    files_.push_back(*std::move(file));
    const FrozenRows written = std::move(copy.rows);  // Goes now.
  }
  {
    const std::lock_guard lock(mutex_);
    done_ = true;
  }
  changed_.notify_all();
}

std::optional<FileEntry> SnapshotWriter::WriteOnceItCan(const std::stop_token& stop, Copy& copy) {
  std::chrono::milliseconds pause = kFirstPause;
  for (;;) {
    absl::StatusOr<FileEntry> file = Write(stop, copy);
    if (stop.stop_requested()) return std::nullopt;
    if (file.ok()) {
      SetTrouble(absl::OkStatus());
      return *std::move(file);
    }
    ++copy.file.attempt;  // Whatever is there under the name stays.
    if (absl::IsAlreadyExists(file.status())) continue;
    SetTrouble(
        Because(file.status(), absl::StrCat("writing partition ", Index(copy.file.partition))));
    const Activity::Waiting waiting(Activity::kOutside, {});
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, stop, pause, [] { return false; });
    pause = std::min(2 * pause, kLongestPause);
  }
}

absl::StatusOr<FileEntry> SnapshotWriter::Write(const std::stop_token& stop,
                                                const Copy& copy) const {
  absl::StatusOr<PartitionWriter> writer = PartitionWriter::Create(options_.folder, copy.file);
  if (!writer.ok()) return writer.status();
  absl::Status added = copy.rows.Visit([&](TableId table, RowId id, std::span<const float> record) {
    // Nobody waits for the file any more.
    if (stop.stop_requested()) return absl::CancelledError("the job has ended");
    return writer->Add(table, id, record);
  });
  if (!added.ok()) return added;
  return writer->Finish();
}

}  // namespace cf

#include "coordinator/snapshot_writer.h"

#include <pthread.h>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "common/base/status.h"
#include "common/snapshot/partition_writer.h"

namespace cf {

SnapshotWriter::~SnapshotWriter() {
  thread_.request_stop();
}

void SnapshotWriter::Begin(std::vector<FileEntry> written, std::vector<Copy> copies) {
  Check(!begun_, "one snapshot is written at a time");
  begun_ = true;
  files_ = std::move(written);
  failed_ = absl::OkStatus();
  if (copies.empty()) return;
  done_ = false;
  thread_ = std::jthread([this, copies = std::move(copies)](const std::stop_token& stop) mutable {
    WriteAll(stop, std::move(copies));
  });
}

absl::StatusOr<std::optional<std::vector<FileEntry>>> SnapshotWriter::Poll() {
  if (!begun_ || !done_) return std::nullopt;
  return Await();
}

absl::StatusOr<std::optional<std::vector<FileEntry>>> SnapshotWriter::Await() {
  if (!begun_) return std::nullopt;
  if (thread_.joinable()) {
    // Whether the thread gets on is seen of itself.
    const Activity::Waiting waiting(Activity::kAnybody, {});
    thread_.join();
  }
  begun_ = false;
  if (!failed_.ok()) return failed_;
  return std::exchange(files_, {});
}

void SnapshotWriter::WriteAll(const std::stop_token& stop, std::vector<Copy> copies) {
  ::pthread_setname_np(::pthread_self(), "cf-snapshot");
  const Activity::Here here(options_.activity, Work::kSaving);
  for (Copy& copy : copies) {
    absl::StatusOr<FileEntry> file = Write(stop, copy);
    if (!file.ok()) {
      failed_ =
          Because(file.status(), absl::StrCat("writing partition ", Index(copy.file.partition)));
      break;
    }
    files_.push_back(*std::move(file));
    const FrozenRows written = std::move(copy.rows);  // Goes now.
  }
  done_ = true;
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

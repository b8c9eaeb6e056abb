#include "coordinator/snapshot_taker.h"

#include <algorithm>
#include <ctime>
#include <utility>
#include <vector>

#include "common/base/status.h"
#include "common/snapshot/manifest.h"
#include "coordinator/job_manifest.h"
#include "coordinator/not_finite.h"

namespace cf {

absl::StatusOr<SnapshotTaker> SnapshotTaker::Open(Options options) {
  absl::StatusOr<SnapshotStore> store = SnapshotStore::Open(options.folder);
  if (!store.ok()) return store.status();
  return SnapshotTaker(std::move(options), *std::move(store));
}

SnapshotTaker::SnapshotTaker(Options options, SnapshotStore store)
    : options_(std::move(options)), store_(std::move(store)) {
}

bool SnapshotTaker::IsDueSince(std::uint64_t step_before, const JobState& state) const {
  const SnapshotPolicy& policy = options_.job.snapshot();
  const bool by_step = policy.every_steps() > 0 &&
                       state.step() / policy.every_steps() > step_before / policy.every_steps();
  const bool by_time = policy.every_seconds() > 0 &&
                       Clock::now() - last_time_ >= std::chrono::seconds(policy.every_seconds());
  return by_step || by_time;
}

bool SnapshotTaker::IsDueAtEpoch(const JobState& state) const {
  const std::uint32_t every = options_.job.snapshot().every_epochs();
  return every > 0 && state.epoch % every == 0;
}

absl::Status SnapshotTaker::Take(const EpochProgress& progress, JobState& state,
                                 JobObserver& observer) {
  if (last_step_ == state.step()) return absl::OkStatus();
  if (absl::Status told = observer.SnapshotBegan(progress); !told.ok()) return told;
  if (absl::Status written = WriteRows(state); !written.ok()) return written;
  state.NameBestSnapshot(SnapshotName({options_.generation, state.step()}));
  const Manifest manifest = ManifestOf(state);
  absl::Status committed = store_.Commit(manifest);
  if (!committed.ok()) return Because(committed, "committing a snapshot");
  Command command;
  command.mutable_committed();
  if (absl::Status told = options_.execute(command).status(); !told.ok()) return told;
  absl::Status told = observer.SnapshotCommitted(manifest, progress);
  if (!told.ok()) return told;
  last_step_ = state.step();
  last_time_ = Clock::now();
  const CollectOptions collect{.keep = std::max<std::size_t>(1, options_.job.snapshot().keep()),
                               .generation = options_.generation,
                               .also_keep = {}};
  absl::Status collected = store_.Collect(collect);
  if (collected.ok()) return absl::OkStatus();
  // What cannot be collected only takes room.
  return observer.Remarked(std::string(Because(collected, "collecting old snapshots").message()));
}

absl::Status SnapshotTaker::WriteRows(JobState& state) {
  Command command;
  command.mutable_write()->set_step(state.step());
  absl::StatusOr<std::vector<Reply>> replies = options_.execute(command);
  if (!replies.ok()) return replies.status();
  absl::Status finite = CheckFinite("", *replies, *options_.data, state.step(), has_snapshot());
  if (!finite.ok()) return finite;
  for (const Reply& reply : *replies) {
    for (const FileEntry& file : reply.files()) {
      if (file.partition() >= state.files.size())
        return absl::DataLossError("a file of a partition that is not there");
      std::vector<FileEntry>& chain = state.files[file.partition()];
      if (file.kind() == BASE) chain.clear();
      chain.push_back(file);
    }
  }
  return absl::OkStatus();
}

Manifest SnapshotTaker::ManifestOf(const JobState& state) const {
  Manifest manifest = JobManifest(options_.job, *options_.data);
  manifest.set_name(SnapshotName({options_.generation, state.step()}));
  manifest.set_generation(options_.generation);
  manifest.set_created_seconds(std::time(nullptr));
  state.Save(manifest);
  return manifest;
}

}  // namespace cf

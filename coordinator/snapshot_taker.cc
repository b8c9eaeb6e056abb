#include "coordinator/snapshot_taker.h"

#include <algorithm>
#include <ctime>
#include <set>
#include <utility>
#include <vector>

#include <absl/strings/str_cat.h>

#include "common/base/status.h"
#include "common/snapshot/manifest.h"
#include "coordinator/job_manifest.h"
#include "coordinator/not_finite.h"

namespace cf {
namespace {

// A resume reads a chain whole, and opens all of its files at once; a base for every so many
// snapshots costs each of them a thirty-second of one.
constexpr std::size_t kDeltasMax = 32;

// By time snapshots are so far apart that training waits for them a thirty-second of its time at
// most, however large the model is, and what of it has no room in memory.
constexpr int kIntervalPausesMin = 32;

/// Whether every partition is to have a base now, all of them at once, so that from here on a
/// snapshot shares no file with the one before: the chains have as many files as they may, or their
/// deltas have as many rows as their bases.
bool ChainsAreLong(const std::vector<std::vector<FileEntry>>& chains) {
  std::optional<SnapshotTime> oldest;
  std::uint64_t base_rows = 0;
  std::uint64_t delta_rows = 0;
  for (const std::vector<FileEntry>& chain : chains) {
    for (const FileEntry& file : chain)
      (file.kind() == BASE ? base_rows : delta_rows) += file.rows();
    if (chain.empty() || chain.front().rows() == 0) continue;
    const SnapshotTime base = TimeOfName(chain.front().file()).value_or(SnapshotTime());
    oldest = std::min(oldest.value_or(base), base);
  }
  if (!oldest.has_value()) return false;
  std::set<SnapshotTime> since;
  for (const std::vector<FileEntry>& chain : chains) {
    for (const FileEntry& file : chain) {
      const SnapshotTime time = TimeOfName(file.file()).value_or(*oldest);
      if (time > *oldest) since.insert(time);
    }
  }
  return since.size() >= kDeltasMax || delta_rows >= base_rows;
}

}  // namespace

/// Adds its life to how long training has waited.
class SnapshotTaker::PauseClock {
 public:
  explicit PauseClock(SnapshotTaker& taker) : taker_(taker) {}
  ~PauseClock() { taker_.pause_ += taker_.options_.now() - begin_; }
  PauseClock(const PauseClock&) = delete;
  PauseClock& operator=(const PauseClock&) = delete;

 private:
  SnapshotTaker& taker_;
  const Clock::time_point begin_ = taker_.options_.now();
};

absl::StatusOr<SnapshotTaker> SnapshotTaker::Open(Options options) {
  absl::StatusOr<SnapshotStore> store = SnapshotStore::Open(options.folder);
  if (!store.ok()) return store.status();
  return SnapshotTaker(std::move(options), *std::move(store));
}

SnapshotTaker::SnapshotTaker(Options options, SnapshotStore store)
    : options_(std::move(options)), store_(std::move(store)), last_time_(options_.now()) {
}

bool SnapshotTaker::IsDueSince(std::uint64_t step_before, const JobState& state) const {
  const SnapshotPolicy& policy = options_.job.snapshot();
  const bool by_step = policy.every_steps() > 0 &&
                       state.step() / policy.every_steps() > step_before / policy.every_steps();
  const Clock::duration interval =
      std::max<Clock::duration>(std::chrono::seconds(policy.every_seconds()),
                                kIntervalPausesMin * (pause_ - pause_before_last_));
  const bool by_time = policy.every_seconds() > 0 && options_.now() - last_time_ >= interval;
  return by_step || by_time;
}

bool SnapshotTaker::IsDueAtEpoch(const JobState& state) const {
  const std::uint32_t every = options_.job.snapshot().every_epochs();
  return every > 0 && state.epoch % every == 0;
}

// --- Taking --------------------------------------------------------------------------------------

absl::Status SnapshotTaker::TakeIfDue(std::uint64_t step_before, JobState& state,
                                      const Listener& listener) {
  const PauseClock pause(*this);
  waits_ = waits_ || IsDueSince(step_before, state);
  if (!waits_) return absl::OkStatus();
  if (!under_way_.has_value()) return Begin(state, listener);
  if (std::exchange(waiting_told_, true)) return absl::OkStatus();
  return listener.observer.Remarked(
      "a snapshot is due while the one before is still being written: it waits for its turn");
}

absl::Status SnapshotTaker::Take(JobState& state, const Listener& listener) {
  const PauseClock pause(*this);
  if (last_step_ == state.step()) return absl::OkStatus();
  if (absl::Status done = Finish(state, listener); !done.ok()) return done;
  return Begin(state, listener);
}

absl::Status SnapshotTaker::Begin(JobState& state, const Listener& listener) {
  waits_ = false;
  if (last_step_ == state.step()) return absl::OkStatus();
  pause_before_last_ = pause_;
  absl::Status told = listener.observer.SnapshotBegan(listener.progress);
  if (!told.ok()) return told;
  absl::StatusOr<std::vector<Reply>> replies = WriteRows(state);
  if (!replies.ok()) return replies.status();
  last_step_ = state.step();
  last_time_ = options_.now();
  state.NameBestSnapshot(SnapshotName({options_.generation, state.step()}));
  under_way_ = {.manifest = ManifestOf(state),
                .chains = state.files,
                .told = std::vector<bool>(replies->size()),
                .commit = {}};
  if (absl::Status added = AddFiles(*replies); !added.ok()) return added;
  // Without copies nothing happens behind training.
  if (options_.job.snapshot().copies_mib() > 0) return absl::OkStatus();
  return Finish(state, listener);
}

absl::StatusOr<std::vector<Reply>> SnapshotTaker::WriteRows(const JobState& state) {
  attempt_ = written_step_ == state.step() ? attempt_ + 1 : 0;
  written_step_ = state.step();
  Command command;
  command.mutable_write()->set_step(state.step());
  command.mutable_write()->set_attempt(attempt_);
  command.mutable_write()->set_bases(ChainsAreLong(state.files));
  command.mutable_next_legs()->Add(state.partition_legs.begin(), state.partition_legs.end());
  absl::StatusOr<std::vector<Reply>> replies = options_.execute(command);
  if (!replies.ok()) return replies.status();
  absl::Status finite = CheckFinite("", *replies, *options_.data, state.step(), has_snapshot());
  if (!finite.ok()) return finite;
  return replies;
}

// --- Behind training -----------------------------------------------------------------------------

absl::Status SnapshotTaker::Hear(std::span<const Reply> replies, JobState& state,
                                 const Listener& listener) {
  const PauseClock pause(*this);
  if (!under_way_.has_value()) return absl::OkStatus();
  if (absl::Status added = AddFiles(replies); !added.ok()) return added;
  const std::future<Outcome>& commit = under_way_->commit;
  if (!commit.valid() || commit.wait_for(Clock::duration(0)) != std::future_status::ready) {
    return absl::OkStatus();
  }
  return EndCommit(state, listener);
}

absl::Status SnapshotTaker::Finish(JobState& state, const Listener& listener) {
  if (!under_way_.has_value()) return absl::OkStatus();
  if (!HasAllFiles(*under_way_)) {
    Command command;
    command.mutable_finish_write();
    absl::StatusOr<std::vector<Reply>> replies = options_.execute(command);
    if (!replies.ok()) return replies.status();
    if (absl::Status added = AddFiles(*replies); !added.ok()) return added;
    if (!HasAllFiles(*under_way_)) return absl::DataLossError("a rank has lost its row files");
  }
  return EndCommit(state, listener);
}

bool SnapshotTaker::HasAllFiles(const UnderWay& snapshot) {
  return std::ranges::all_of(snapshot.told, [](bool told) { return told; });
}

absl::Status SnapshotTaker::AddFiles(std::span<const Reply> replies) {
  for (std::size_t rank = 0; rank < replies.size(); ++rank) {
    if (!replies[rank].snapshot_written()) continue;
    if (under_way_->told[rank]) return absl::DataLossError("row files were told twice");
    under_way_->told[rank] = true;
    for (const FileEntry& file : replies[rank].files()) {
      if (file.partition() >= under_way_->chains.size())
        return absl::DataLossError("a file of a partition that is not there");
      std::vector<FileEntry>& chain = under_way_->chains[file.partition()];
      if (file.kind() == BASE) chain.clear();
      chain.push_back(file);
    }
  }
  if (HasAllFiles(*under_way_) && !under_way_->commit.valid()) BeginCommit();
  return absl::OkStatus();
}

void SnapshotTaker::BeginCommit() {
  Manifest& manifest = under_way_->manifest;
  manifest.clear_files();
  for (const std::vector<FileEntry>& chain : under_way_->chains) {
    for (const FileEntry& file : chain) *manifest.add_files() = file;
  }
  const CollectOptions collect{.keep = std::max<std::size_t>(1, options_.job.snapshot().keep()),
                               .generation = options_.generation,
                               .also_keep = {},
                               .damaged = options_.damaged};
  under_way_->commit =
      std::async(std::launch::async, [store = store_, manifest, collect]() mutable {
        Outcome outcome{.committed = store.Commit(manifest), .collected = absl::OkStatus()};
        if (outcome.committed.ok()) outcome.collected = store.Collect(collect);
        return outcome;
      });
}

absl::Status SnapshotTaker::EndCommit(JobState& state, const Listener& listener) {
  const Outcome outcome = under_way_->commit.get();
  UnderWay snapshot = *std::move(under_way_);
  under_way_.reset();
  if (!outcome.committed.ok()) {
    last_step_.reset();
    return Because(outcome.committed, "committing a snapshot");
  }
  committed_ = true;
  state.files = std::move(snapshot.chains);
  Command command;
  command.mutable_committed();
  if (absl::Status told = options_.execute(command).status(); !told.ok()) return told;
  absl::Status told = listener.observer.SnapshotCommitted(snapshot.manifest, listener.progress);
  if (!told.ok() || outcome.collected.ok()) return told;
  // What cannot be collected only takes room.
  return listener.observer.Remarked(
      std::string(Because(outcome.collected, "collecting old snapshots").message()));
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

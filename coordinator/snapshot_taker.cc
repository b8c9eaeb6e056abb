#include "coordinator/snapshot_taker.h"

#include <algorithm>
#include <ctime>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include <absl/strings/str_cat.h>

#include "common/base/activity.h"
#include "common/base/status.h"
#include "common/snapshot/manifest.h"
#include "coordinator/job_manifest.h"
#include "coordinator/lasting_error.h"
#include "coordinator/not_finite.h"

namespace cf {
namespace {

// A resume reads a chain whole, and opens all of its files at once; a base for every so many
// snapshots costs each of them a thirty-second of one.
constexpr std::size_t kDeltasMax = 32;

// By time snapshots are so far apart that training waits for them a thirty-second of its time at
// most, however large the model is, and what of it has no room in memory.
constexpr int kIntervalPausesMin = 32;

// Between two tries of what the leader does: a cut, a commit, making room.
constexpr std::chrono::seconds kRetryPause(2);
// What a job that was asked to end waits for a disk that takes no snapshot.
constexpr std::chrono::seconds kStopPatience(30);
// How often that is tried at the end of a job which is not necessary.
constexpr int kTidyTries = 5;
// Between two looks at what members try again by themselves, while nothing else can go on.
constexpr std::chrono::milliseconds kLookPause(200);

/// Whether another try may do better.
bool MayPass(const absl::Status& error) {
  return !absl::IsFailedPrecondition(error) && !absl::IsAlreadyExists(error) &&
         !absl::IsDataLoss(error) && !absl::IsInvalidArgument(error);
}

/// The first trouble that members tell of.
const SnapshotTrouble* TroubleOf(std::span<const Reply> replies) {
  const auto found = std::ranges::find_if(
      replies, [](const Reply& reply) { return reply.has_snapshot_trouble(); });
  return found == replies.end() ? nullptr : &found->snapshot_trouble();
}

absl::Status StatusOf(const SnapshotTrouble& trouble) {
  return {static_cast<absl::StatusCode>(trouble.code()), trouble.message()};
}

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
    : options_(std::move(options)),
      store_(std::move(store)),
      last_time_(options_.now()),
      room_for_(std::max<std::size_t>(1, options_.job.snapshot().keep())) {
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
  if (!under_way_.has_value()) {
    return options_.now() < retry_time_ ? absl::OkStatus() : Begin(state, listener);
  }
  if (std::exchange(waiting_told_, true)) return absl::OkStatus();
  return listener.observer.Remarked(
      "a snapshot is due while the one before is still being written: it waits for its turn");
}

absl::Status SnapshotTaker::Take(JobState& state, const Listener& listener, Need need) {
  const PauseClock pause(*this);
  if (last_step_ == state.step()) return absl::OkStatus();
  if (absl::Status done = TryToFinish(state, listener); !done.ok()) return done;
  if (under_way_.has_value() && need == Need::kMayWait) {
    waits_ = true;
    return absl::OkStatus();
  }
  if (under_way_.has_value()) {
    // A better epoch's makes up for it; the last one does not make up for the best. Of one that could not
    // be committed the manifest may be there, and need its files.
    const bool gives_way = state.IsBestWithoutSnapshot() && !HasAllFiles(*under_way_);
    absl::Status gone = gives_way ? Drop(state) : Finish(state, listener);
    if (!gone.ok()) return gone;
  }
  return need == Need::kNow ? BeginOnceItCan(state, listener) : Begin(state, listener);
}

absl::Status SnapshotTaker::BeginOnceItCan(JobState& state, const Listener& listener) {
  for (;;) {
    absl::Status begun = Begin(state, listener);
    if (!begun.ok() || last_step_ == state.step()) return begun;
    while (options_.now() < retry_time_) Sleep();
  }
}

absl::Status SnapshotTaker::Begin(JobState& state, const Listener& listener) {
  waits_ = false;
  if (last_step_ == state.step()) return absl::OkStatus();
  pause_before_last_ = pause_;
  absl::Status told = listener.observer.SnapshotBegan(listener.progress);
  if (!told.ok()) return told;
  absl::StatusOr<std::vector<Reply>> replies = WriteRows(state);
  if (!replies.ok()) return replies.status();
  const SnapshotTrouble* const trouble = TroubleOf(*replies);
  if (std::ranges::any_of(*replies,
                          [](const Reply& r) { return r.snapshot_trouble().is_given_up(); })) {
    if (absl::Status dropped = Drop(state); !dropped.ok()) return dropped;
    waits_ = true;
    return HearTrouble(StatusOf(*trouble), listener);
  }
  last_step_ = state.step();
  last_time_ = options_.now();
  state.NameBestSnapshot(SnapshotName({options_.generation, state.step()}));
  under_way_ = {.manifest = ManifestOf(state),
                .chains = state.files,
                .told = std::vector<bool>(replies->size()),
                .commit = {}};
  told = listener.observer.SnapshotCut(under_way_->manifest);
  if (!told.ok()) return told;
  if (absl::Status added = AddFiles(*replies, listener); !added.ok()) return added;
  // Without copies nothing happens behind training.
  if (options_.job.snapshot().copies_mib() > 0) return absl::OkStatus();
  return TryToFinish(state, listener);
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
  if (absl::Status added = AddFiles(replies, listener); !added.ok()) return added;
  const std::future<Outcome>& commit = under_way_->commit;
  if (!commit.valid() || commit.wait_for(Clock::duration(0)) != std::future_status::ready) {
    return absl::OkStatus();
  }
  return EndCommit(state, listener);
}

absl::Status SnapshotTaker::Finish(JobState& state, const Listener& listener) {
  for (;;) {
    absl::Status done = TryToFinish(state, listener);
    if (!done.ok() || !under_way_.has_value()) return done;
    Sleep();
  }
}

absl::Status SnapshotTaker::TryToFinish(JobState& state, const Listener& listener) {
  if (!under_way_.has_value()) return absl::OkStatus();
  if (!HasAllFiles(*under_way_)) {
    Command command;
    command.mutable_finish_write();
    absl::StatusOr<std::vector<Reply>> replies = options_.execute(command);
    if (!replies.ok()) return replies.status();
    if (absl::Status added = AddFiles(*replies, listener); !added.ok()) return added;
    if (!HasAllFiles(*under_way_) && TroubleOf(*replies) != nullptr) return absl::OkStatus();
    if (!HasAllFiles(*under_way_)) return absl::DataLossError("a rank has lost its row files");
  }
  if (!under_way_->commit.valid() && options_.now() >= retry_time_) BeginCommit();
  return under_way_->commit.valid() ? EndCommit(state, listener) : absl::OkStatus();
}

absl::Status SnapshotTaker::Drop(JobState& state) {
  Command command;
  command.mutable_drop_write();
  if (absl::Status told = options_.execute(command).status(); !told.ok()) return told;
  if (!under_way_.has_value()) return absl::OkStatus();
  if (state.best_snapshot == under_way_->manifest.name()) state.best_snapshot.clear();
  under_way_.reset();
  last_step_.reset();
  return absl::OkStatus();
}

// --- What the disk does not take -----------------------------------------------------------------

absl::Status SnapshotTaker::HearTrouble(const absl::Status& why, const Listener& listener) {
  const Clock::time_point now = options_.now();
  const bool is_new = trouble_.ok();
  if (is_new) trouble_since_ = now;
  trouble_ = why;
  const std::chrono::seconds patience(options_.job.snapshot().give_up_seconds());
  if (now - trouble_since_ >= patience || (hurry_until_.has_value() && now >= *hurry_until_)) {
    const auto waited = std::chrono::duration_cast<std::chrono::seconds>(now - trouble_since_);
    const std::string text(why.message());
    return LastingError(waited.count() == 0 ? text
                                            : absl::StrCat("no snapshot could be written for ",
                                                           waited.count(), " s: ", text));
  }
  if (is_new) {
    const std::string last = has_snapshot() ? "; the last one stays" : "";
    absl::Status told = listener.observer.SnapshotHindered(
        absl::StrCat("a snapshot cannot be written and is tried again, for ", patience.count(),
                     " s at most (snapshot.give_up_seconds)", last, ": ", why.message()));
    if (!told.ok()) return told;
  }
  if (!is_new && now < retry_time_) return absl::OkStatus();
  retry_time_ = now + kRetryPause;
  return absl::IsResourceExhausted(why) ? MakeRoom(listener) : absl::OkStatus();
}

absl::Status SnapshotTaker::MakeRoom(const Listener& listener) {
  if (room_for_ == 1) return absl::OkStatus();
  --room_for_;
  const CollectOptions options = Keeping(room_for_);
  const absl::StatusOr<Collectable> found = store_.ToCollect(options);
  if (!found.ok() || found->bytes == 0) return absl::OkStatus();
  if (!store_.Collect(options).ok()) return absl::OkStatus();
  return listener.observer.Remarked(absl::StrCat(
      "there is no room, so older snapshots were collected: of the newest ", room_for_, " stay"));
}

void SnapshotTaker::Hurry() {
  if (!hurry_until_.has_value()) hurry_until_ = options_.now() + kStopPatience;
}

void SnapshotTaker::Sleep() {
  if (options_.stop_requested && options_.stop_requested()) Hurry();
  if (options_.sleep) return options_.sleep(kLookPause);
  Activity::Tick();
  std::this_thread::sleep_for(kLookPause);
}

// --- Committing ----------------------------------------------------------------------------------

bool SnapshotTaker::HasAllFiles(const UnderWay& snapshot) {
  return std::ranges::all_of(snapshot.told, [](bool told) { return told; });
}

absl::Status SnapshotTaker::AddFiles(std::span<const Reply> replies, const Listener& listener) {
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
  if (const SnapshotTrouble* const trouble = TroubleOf(replies); trouble != nullptr) {
    return HearTrouble(StatusOf(*trouble), listener);
  }
  const bool may_commit = HasAllFiles(*under_way_) && !under_way_->commit.valid();
  if (may_commit && options_.now() >= retry_time_) BeginCommit();
  return absl::OkStatus();
}

void SnapshotTaker::BeginCommit() {
  Manifest& manifest = under_way_->manifest;
  manifest.clear_files();
  for (const std::vector<FileEntry>& chain : under_way_->chains) {
    for (const FileEntry& file : chain) *manifest.add_files() = file;
  }
  under_way_->commit = std::async(
      std::launch::async,
      [store = store_, manifest, collect = Keeping(options_.job.snapshot().keep())]() mutable {
        Outcome outcome{.committed = store.Commit(manifest), .collected = absl::OkStatus()};
        if (outcome.committed.ok()) outcome.collected = store.Collect(collect);
        return outcome;
      });
}

absl::Status SnapshotTaker::EndCommit(JobState& state, const Listener& listener) {
  const Outcome outcome = under_way_->commit.get();
  if (!outcome.committed.ok() && MayPass(outcome.committed)) {
    return HearTrouble(Because(outcome.committed, "committing a snapshot"), listener);
  }
  UnderWay snapshot = *std::move(under_way_);
  under_way_.reset();
  if (!outcome.committed.ok()) {
    last_step_.reset();
    return Because(outcome.committed, "committing a snapshot");
  }
  ++commits_;
  const bool had_trouble = !std::exchange(trouble_, absl::OkStatus()).ok();
  retry_time_ = {};
  room_for_ = std::max<std::size_t>(1, options_.job.snapshot().keep());
  is_untidy_ = !outcome.collected.ok();
  state.files = std::move(snapshot.chains);
  Command command;
  command.mutable_committed();
  if (absl::Status told = options_.execute(command).status(); !told.ok()) return told;
  absl::Status told = listener.observer.SnapshotCommitted(snapshot.manifest, listener.progress);
  if (told.ok() && had_trouble) told = listener.observer.Remarked("snapshots can be written again");
  if (!told.ok() || outcome.collected.ok()) return told;
  // What cannot be collected only takes room.
  return listener.observer.Remarked(
      std::string(Because(outcome.collected, "collecting old snapshots").message()));
}

void SnapshotTaker::Tidy() {
  for (int tried = 0; is_untidy_ && tried < kTidyTries; ++tried) {
    if (tried > 0) Sleep();
    is_untidy_ = !store_.Collect(Keeping(options_.job.snapshot().keep())).ok();
  }
}

CollectOptions SnapshotTaker::Keeping(std::size_t snapshots) const {
  return {.keep = std::max<std::size_t>(1, snapshots),
          .generation = options_.generation,
          .also_keep = {},
          .damaged = options_.damaged};
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

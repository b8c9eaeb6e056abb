#include <filesystem>
#include <optional>

#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/time/time.h>

#include "common/base/status.h"
#include "common/snapshot/manifest.h"
#include "common/snapshot/snapshot.h"
#include "common/snapshot/snapshot_store.h"
#include "common/text/numbers.h"
#include "launch/snapshot_commands.h"
#include "launch/snapshot_source.h"
#include "serving/mapped_export.h"

namespace cf {
namespace {

std::string ValRmse(const Manifest& manifest) {
  if (!manifest.has_last_metrics() || !manifest.last_metrics().has_val_rmse()) return "-";
  return FixedText(manifest.last_metrics().val_rmse(), 4);
}

}  // namespace

absl::Status ListSnapshots(const std::string& run, const OutputFlags& flags) {
  absl::StatusOr<Output> output = Output::Open(flags);
  if (!output.ok()) return output.status();
  // Both the run's folder and its snapshots folder will do.
  const std::string below = absl::StrCat(run, "/snapshots");
  const absl::StatusOr<SnapshotStore> store =
      SnapshotStore::View(std::filesystem::exists(below) ? below : run);
  if (!store.ok()) return store.status();
  const absl::StatusOr<SnapshotStore::Listing> listing = store->List();
  if (!listing.ok()) return listing.status();

  const absl::StatusOr<Manifest> latest = store->Latest();
  const absl::StatusOr<Manifest> best = store->Best();
  TextTable table({{.name = "snapshot"},
                   {.name = "epoch", .right = true},
                   {.name = "step", .right = true},
                   {.name = "val_rmse", .right = true},
                   {.name = "created"},
                   {.name = "notes"}});
  for (const Manifest& manifest : listing->snapshots) {
    std::string notes;
    if (best.ok() && best->name() == manifest.name()) notes += "best ";
    if (latest.ok() && latest->name() == manifest.name()) notes += "latest ";
    if (manifest.position().finished()) notes += "finished ";
    if (InMidEpoch(manifest.position())) notes += "mid-epoch ";
    if (!notes.empty()) notes.pop_back();
    table.AddRow(
        {manifest.name(), absl::StrCat(manifest.position().epoch()),
         absl::StrCat(manifest.position().step()), ValRmse(manifest),
         absl::FormatTime("%Y-%m-%d %H:%M:%S", absl::FromUnixSeconds(manifest.created_seconds()),
                          absl::LocalTimeZone()),
         notes});
  }
  absl::Status delivered = output->Deliver(table.Format(output->table_format()));
  if (!listing->damaged.empty()) delivered.Update(listing->damaged.front().why);
  return delivered;
}

namespace {

absl::Status VerifyExport(const std::string& path, Output& output) {
  const absl::StatusOr<MappedExport> from = MappedExport::Open(path);
  if (!from.ok()) return from.status();
  if (absl::Status verified = from->Verify(); !verified.ok()) return verified;
  return output.Deliver(absl::StrCat("export of ", from->manifest().name(), ": ",
                                     Counted(from->files(), "file"), ", ",
                                     Counted(from->bytes(), "byte"), ", sound\n"));
}

// The digest of a snapshot; of an export that of its snapshot, as it says.
absl::StatusOr<std::string> DigestAt(const std::string& path) {
  if (MappedExport::IsAt(path)) {
    const absl::StatusOr<MappedExport> from = MappedExport::Open(path);
    if (!from.ok()) return from.status();
    return from->digest();
  }
  const absl::StatusOr<Snapshot> snapshot = Snapshot::Open(path);
  if (!snapshot.ok()) return snapshot.status();
  return snapshot->Digest();
}

}  // namespace

absl::Status VerifySnapshot(const std::string& path, const OutputFlags& flags) {
  absl::StatusOr<Output> output = Output::Open(flags);
  if (!output.ok()) return output.status();
  if (MappedExport::IsAt(path)) return VerifyExport(path, *output);
  const absl::StatusOr<Snapshot> snapshot = Snapshot::Open(path);
  if (!snapshot.ok()) return snapshot.status();
  if (absl::Status verified = snapshot->Verify(); !verified.ok()) return verified;
  std::uint64_t bytes = 0;
  for (const FileEntry& file : snapshot->manifest().files()) bytes += file.bytes();
  const auto files = static_cast<std::uint64_t>(snapshot->manifest().files_size());
  return output->Deliver(absl::StrCat(snapshot->manifest().name(), ": ", Counted(files, "file"),
                                      ", ", Counted(bytes, "byte"), ", sound\n"));
}

absl::Status PrintDigest(const std::string& path, const OutputFlags& flags) {
  absl::StatusOr<Output> output = Output::Open(flags);
  if (!output.ok()) return output.status();
  const absl::StatusOr<std::string> digest = DigestAt(path);
  if (!digest.ok()) return digest.status();
  return output->Deliver(*digest + "\n");
}

absl::Status CompareSnapshots(const std::string& a, const std::string& b,
                              const OutputFlags& flags) {
  absl::StatusOr<Output> output = Output::Open(flags);
  if (!output.ok()) return output.status();
  const absl::StatusOr<Snapshot> first = OpenSnapshot(a);
  if (!first.ok()) return first.status();
  const absl::StatusOr<Snapshot> second = OpenSnapshot(b);
  if (!second.ok()) return second.status();
  const absl::StatusOr<std::optional<std::string>> difference = FirstDifference(*first, *second);
  if (!difference.ok()) return difference.status();
  if (difference->has_value()) {
    return absl::AbortedError(absl::StrCat("the snapshots differ: ", **difference));
  }
  return output->Deliver("identical\n");
}

}  // namespace cf

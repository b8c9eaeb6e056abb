#include <algorithm>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include "common/base/status.h"
#include "common/snapshot/manifest.h"
#include "common/snapshot/snapshot_store.h"
#include "common/text/numbers.h"
#include "launch/snapshot_commands.h"
#include "run/run_folder.h"

namespace cf {
namespace {

// Where snapshots are, and the run that they belong to, if they do.
struct Place {
  std::string snapshots;
  std::optional<RunFolder> run;
};

Place PlaceOf(const std::string& path) {
  std::error_code error;
  const std::string below = path + "/snapshots";
  Place place = {.snapshots = std::filesystem::exists(below, error) ? below : path, .run = {}};
  const std::filesystem::path real = std::filesystem::canonical(place.snapshots, error);
  if (error || real.filename() != "snapshots") return place;
  absl::StatusOr<RunFolder> run =
      RunFolder::Open(place.snapshots == below ? path : real.parent_path().string());
  // Snapshots may have been moved out of their run.
  if (run.ok()) place.run = *std::move(run);
  return place;
}

// Nobody else writes there: to know it takes no right to write, to make sure of it does.
absl::Status Secure(std::optional<RunFolder>& run, bool dry_run) {
  if (!run.has_value()) return absl::OkStatus();
  const absl::StatusOr<std::string> holder = run->Holder();
  if (!holder.ok()) return holder.status();
  if (!holder->empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        run->path(), " is in use by ", *holder, ": its snapshots are pruned once it has ended"));
  }
  return dry_run ? absl::OkStatus() : run->Hold();
}

// The newest snapshot of which every file is there with its size, unless one of the newest `keep`
// or the best is whole, too: what is left must hold one that can be opened.
std::set<std::string> LastWhole(const std::string& folder, const std::vector<Manifest>& snapshots,
                                std::size_t keep) {
  const std::string& best = snapshots.back().best_snapshot();
  const auto whole = [&folder](const Manifest& manifest) {
    return CheckRowFiles(folder, manifest).ok();
  };
  for (std::size_t k = 0; k < snapshots.size(); ++k) {
    const bool stays = k + keep >= snapshots.size() || snapshots[k].name() == best;
    if (stays && whole(snapshots[k])) return {};
  }
  const auto newest = std::find_if(snapshots.rbegin(), snapshots.rend(), whole);
  if (newest == snapshots.rend()) return {};
  return {newest->name()};
}

std::string Report(const Collectable& found, std::size_t snapshots, bool dry_run) {
  const char* const verb = dry_run ? "would remove" : "removed";
  std::string text;
  for (const std::string& name : found.snapshots) absl::StrAppend(&text, verb, " ", name, "\n");
  absl::StrAppend(&text, verb, " ", WithThousands(found.snapshots.size()), " of ",
                  Counted(snapshots, "snapshot"), " and ", Counted(found.files.size(), "file"),
                  " that only they need: ", Counted(found.bytes, "byte"), "\n");
  return text;
}

}  // namespace

absl::Status PruneSnapshots(const PruneFlags& flags) {
  absl::StatusOr<Output> output = Output::Open(flags.output);
  if (!output.ok()) return output.status();
  Place place = PlaceOf(flags.path);
  if (absl::Status alone = Secure(place.run, flags.dry_run); !alone.ok()) return alone;
  // Opening makes folders: only where there are snapshots.
  absl::StatusOr<SnapshotStore> store = SnapshotStore::View(place.snapshots);
  if (!store.ok()) return store.status();
  const absl::StatusOr<SnapshotStore::Listing> listing = store->List();
  if (!listing.ok()) return listing.status();
  if (!listing->damaged.empty()) {
    return Because(listing->damaged.front().why, "what its snapshot needs is not known");
  }
  if (listing->snapshots.empty()) {
    return absl::NotFoundError(absl::StrCat(place.snapshots, ": no snapshot is here"));
  }
  if (!flags.dry_run) store = SnapshotStore::Open(place.snapshots);
  if (!store.ok()) return store.status();

  // Whoever may still have written here is gone, so that every generation is an earlier one.
  const CollectOptions options = {
      .keep = flags.keep,
      .generation = std::numeric_limits<std::uint64_t>::max(),
      .also_keep = LastWhole(place.snapshots, listing->snapshots, flags.keep)};
  const absl::StatusOr<Collectable> found = store->ToCollect(options);
  if (!found.ok()) return found.status();
  if (!flags.dry_run) {
    if (absl::Status collected = store->Collect(options); !collected.ok()) return collected;
  }
  for (const std::string& name : options.also_keep) {
    Note(absl::StrCat(name, " stays: no newer snapshot is whole"));
  }
  return output->Deliver(Report(*found, listing->snapshots.size(), flags.dry_run));
}

}  // namespace cf

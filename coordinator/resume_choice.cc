#include "coordinator/resume_choice.h"

#include <algorithm>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/snapshot/manifest.h"

namespace cf {
namespace {

absl::Status NoneIsWhole(const SnapshotStore& store, const std::vector<PassedOver>& all) {
  std::string text =
      absl::StrCat(store.folder(), ": no snapshot is whole, and a run does not begin ",
                   "anew over those that it has");
  const char* separator = ": ";
  for (const PassedOver& one : all) {
    absl::StrAppend(&text, separator, one.name, " (", one.why, ")");
    separator = ", ";
  }
  return absl::DataLossError(text);
}

}  // namespace

absl::StatusOr<ResumeChoice> ChooseSnapshot(const SnapshotStore& store,
                                            std::vector<PassedOver> known) {
  ResumeChoice choice = {.manifest = {}, .passed_over = std::move(known)};
  const auto is_known = [&choice](const std::string& name) {
    return std::ranges::any_of(choice.passed_over,
                               [&name](const PassedOver& one) { return one.name == name; });
  };
  absl::StatusOr<SnapshotStore::Listing> listing = store.List();
  if (!listing.ok()) return listing.status();
  // One that cannot be read stands between the others, and one that is missing before them.
  const auto pass_over = [&](const std::string& name, const absl::Status& why) {
    if (!is_known(name)) choice.passed_over.push_back({name, std::string(why.message())});
  };
  if (const absl::StatusOr<std::optional<std::string>> newest = store.NewestName(); !newest.ok()) {
    return newest.status();
  } else if (newest->has_value()) {
    const absl::Status there = ReadManifest(store.PathOf(**newest)).status();
    if (absl::IsNotFound(there)) pass_over(**newest, there);
  }
  while (!listing->snapshots.empty() || !listing->damaged.empty()) {
    const bool takes_damaged =
        !listing->damaged.empty() &&
        (listing->snapshots.empty() ||
         TimeOfName(listing->damaged.back().name) > TimeOfName(listing->snapshots.back().name()));
    if (takes_damaged) {
      const SnapshotStore::Damaged& damaged = listing->damaged.back();
      if (!IsSnapshotDamage(damaged.why)) return damaged.why;
      pass_over(damaged.name, damaged.why);
      listing->damaged.pop_back();
      continue;
    }
    Manifest manifest = std::move(listing->snapshots.back());
    listing->snapshots.pop_back();
    if (is_known(manifest.name())) continue;
    const absl::Status present = CheckRowFiles(store.folder(), manifest);
    if (present.ok()) {
      choice.manifest = std::move(manifest);
      return choice;
    }
    if (!IsSnapshotDamage(present)) return present;
    pass_over(manifest.name(), present);
  }
  if (choice.passed_over.empty()) return choice;
  return NoneIsWhole(store, choice.passed_over);
}

std::vector<std::string> NoticesOf(const SnapshotStore& store, const ResumeChoice& choice) {
  std::vector<std::string> notices;
  if (!choice.manifest.has_value()) return notices;
  for (const PassedOver& one : choice.passed_over) {
    notices.push_back(absl::StrCat("snapshot ", one.name, " is not whole (", one.why,
                                   "): going on from ", choice.manifest->name()));
  }
  const std::string& best = choice.manifest->best_snapshot();
  if (best.empty() || best == choice.manifest->name()) return notices;
  const absl::StatusOr<Manifest> manifest = ReadManifest(store.PathOf(best));
  const absl::Status whole =
      manifest.ok() ? CheckRowFiles(store.folder(), *manifest) : manifest.status();
  if (!whole.ok()) {
    notices.push_back(absl::StrCat("the best snapshot so far, ", best, ", is not whole (",
                                   whole.message(),
                                   "): `best` is refused until an epoch is better"));
  }
  return notices;
}

}  // namespace cf

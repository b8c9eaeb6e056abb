#include "tests/fault/campaign_damage.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <vector>

#include "common/base/files.h"
#include "common/snapshot/snapshot_store.h"
#include "tests/support/cluster.h"

namespace cf {
namespace {

namespace fs = std::filesystem;

std::set<std::string> FilesOf(const Manifest& manifest) {
  std::set<std::string> files = {manifest.name()};
  for (const FileEntry& entry : manifest.files()) {
    if (entry.rows() > 0) files.insert(entry.file());
  }
  return files;
}

bool IsWhole(const Manifest& manifest, const std::set<std::string>& damaged) {
  return std::ranges::none_of(FilesOf(manifest),
                              [&](const std::string& file) { return damaged.contains(file); });
}

void DamageFile(const std::string& path, std::uint64_t draw) {
  std::error_code error;
  const std::uintmax_t bytes = fs::file_size(path, error);
  if (error) return;
  const std::uint64_t place = draw / 3 % std::max<std::uintmax_t>(bytes, 1);
  switch (draw % 3) {
    case 0: {
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      file.seekg(static_cast<std::streamoff>(place));
      const int byte = file.get();
      file.seekp(static_cast<std::streamoff>(place));
      file.put(static_cast<char>(byte ^ 1));
      return;
    }
    case 1:
      fs::resize_file(path, place, error);
      return;
    default:
      fs::remove(path, error);
  }
}

}  // namespace

bool DamageNewestSnapshot(const std::string& folder, DamagedPart part, std::uint64_t draw,
                          std::set<std::string>& damaged) {
  const absl::StatusOr<SnapshotStore> store = SnapshotStore::View(folder);
  if (!store.ok()) return false;
  absl::StatusOr<SnapshotStore::Listing> listing = store->List();
  if (!listing.ok() || listing->snapshots.size() < 2) return false;
  const std::vector<Manifest>& all = listing->snapshots;
  const Manifest& newest = all.back();
  if (!IsWhole(newest, damaged)) return false;
  for (std::size_t k = 0; k + 1 < all.size(); ++k) {
    if (!IsWhole(all[k], damaged)) continue;
    const std::set<std::string> left = FilesOf(all[k]);
    std::vector<std::string> targets;
    if (part == DamagedPart::kManifest) {
      targets.push_back(newest.name());
    } else {
      std::ranges::copy_if(
          FilesOf(newest), std::back_inserter(targets),
          [&](const std::string& file) { return !left.contains(file) && file != newest.name(); });
    }
    if (targets.empty()) continue;
    const std::string& target = targets[draw % targets.size()];
    damaged.insert(target);
    DamageFile(part == DamagedPart::kManifest ? store->PathOf(target) : RowFilePath(folder, target),
               draw / targets.size());
    return true;
  }
  return false;
}

void DamageStatus(const std::string& run, std::uint64_t draw) {
  const std::string path = run + "/status";
  std::error_code error;
  fs::remove_all(path, error);
  if (draw % 3 == 0) fs::create_directory(path, error);
  if (draw % 3 == 1) std::ofstream(path) << "no status\n";
}

void DamageHistory(const std::string& run, std::uint64_t draw) {
  const std::string path = run + "/history.csv";
  std::error_code error;
  if (draw % 3 == 0) fs::remove(path, error);
  if (draw % 3 == 1) std::ofstream(path, std::ios::app) << "a note of somebody's\n";
  if (draw % 3 != 2) return;
  std::vector<std::string> lines = LinesOf(path);
  // The header stays: who lives writes on behind what is there.
  if (!lines.empty()) lines.resize(1 + draw / 3 % lines.size());
  std::uintmax_t bytes = 0;
  for (const std::string& line : lines) bytes += line.size() + 1;
  if (fs::exists(path, error)) fs::resize_file(path, bytes, error);
}

}  // namespace cf

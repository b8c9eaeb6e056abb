#pragma once

#include <cstdint>
#include <set>
#include <string>

namespace cf {

/// Which file of the newest snapshot is damaged.
enum class DamagedPart { kRows, kManifest };

/// Changes, cuts or removes a file of the newest snapshot of `folder`, as `draw` chooses, where an older
/// one is left whole; whether it did. `damaged` has the names of all files that were damaged so far.
bool DamageNewestSnapshot(const std::string& folder, DamagedPart part, std::uint64_t draw,
                          std::set<std::string>& damaged);

/// Writes something else to the run's status, or puts a folder in its place.
void DamageStatus(const std::string& run, std::uint64_t draw);

/// Takes lines from history.csv, or the file, or adds a line that is none of ours.
void DamageHistory(const std::string& run, std::uint64_t draw);

}  // namespace cf

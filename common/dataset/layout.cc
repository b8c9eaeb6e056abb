#include "common/dataset/layout.h"

#include <bit>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include <absl/cleanup/cleanup.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <xxhash.h>

#include "common/base/status.h"

namespace cf::layout {
namespace {

static_assert(std::endian::native == std::endian::little, "columns are mapped as they are on disk");

void AddIds(const std::string& prefix, bool numeric, std::vector<std::string>* columns) {
  if (numeric) {
    columns->push_back(prefix + kNumbers);
  } else {
    columns->push_back(prefix + kTextOffsets);
    columns->push_back(prefix + kTextBytes);
  }
}

std::vector<std::string> ColumnsOf(const DatasetManifest& manifest) {
  std::vector<std::string> columns = {kUserOffsets, kItems, kRatings};
  if (manifest.has_timestamps()) columns.emplace_back(kTimestamps);
  if (manifest.has_validation()) columns.emplace_back(kValidation);
  AddIds(kUserIds, manifest.numeric_user_ids(), &columns);
  AddIds(kItemIds, manifest.numeric_item_ids(), &columns);
  if (manifest.has_titles()) {
    AddIds(kTitles, false, &columns);
    AddIds(kGenres, false, &columns);
  }
  return columns;
}

/// Reads rather than maps: pages of a mapping would count as this process's memory.
absl::Status AddFile(const std::string& path, XXH3_state_t* state, std::vector<char>* buffer) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return ErrnoError(errno, path);
  const absl::Cleanup close = [file] { ::close(file); };
  struct stat info = {};
  if (::fstat(file, &info) != 0) return ErrnoError(errno, path);
  const auto size = static_cast<std::uint64_t>(info.st_size);
  XXH3_128bits_update(state, &size, sizeof size);
  for (;;) {
    const ssize_t got = ::read(file, buffer->data(), buffer->size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoError(errno, path);
    if (got == 0) return absl::OkStatus();
    XXH3_128bits_update(state, buffer->data(), static_cast<std::size_t>(got));
  }
}

}  // namespace

absl::StatusOr<std::string> DigestOf(const std::string& folder, const DatasetManifest& manifest) {
  const std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state(XXH3_createState(),
                                                                              &XXH3_freeState);
  if (state == nullptr) return absl::ResourceExhaustedError("no memory for a digest");
  XXH3_128bits_reset(state.get());
  std::vector<char> buffer(1 << 20);
  for (const std::string& column : ColumnsOf(manifest)) {
    XXH3_128bits_update(state.get(), column.c_str(), column.size() + 1);
    absl::Status added = AddFile(absl::StrCat(folder, "/", column), state.get(), &buffer);
    if (!added.ok()) return added;
  }
  const XXH128_hash_t hash = XXH3_128bits_digest(state.get());
  return absl::StrFormat("%016x%016x", hash.high64, hash.low64);
}

}  // namespace cf::layout

#include "paramserver/stored_row.h"

#include <cstring>

#include <absl/strings/str_cat.h>
#include <xxhash.h>

#include "common/base/check.h"

namespace cf::stored_row {
namespace {

std::uint64_t ChecksumOf(RowKey key, std::span<const std::byte> floats) {
  const std::uint64_t seed = static_cast<std::uint64_t>(key.table) << 48 |
                             static_cast<std::uint64_t>(key.partition) << 32 | key.slot;
  return XXH3_64bits_withSeed(floats.data(), floats.size(), seed);
}

std::span<const std::byte> FloatsOf(std::span<const std::byte> stored) {
  return stored.first(stored.size() - sizeof(std::uint64_t));
}

}  // namespace

void Store(RowKey key, std::span<const float> row, std::span<std::byte> stored) {
  Check(stored.size() == BytesFor(row.size()), "a row is stored whole");
  const std::span<const std::byte> floats = std::as_bytes(row);
  std::memcpy(stored.data(), floats.data(), floats.size());
  const std::uint64_t checksum = ChecksumOf(key, floats);
  std::memcpy(stored.data() + floats.size(), &checksum, sizeof(checksum));
}

bool IsWhole(RowKey key, std::span<const std::byte> stored) {
  const std::span<const std::byte> floats = FloatsOf(stored);
  std::uint64_t checksum = 0;
  std::memcpy(&checksum, stored.data() + floats.size(), sizeof(checksum));
  return checksum == ChecksumOf(key, floats);
}

bool Load(RowKey key, std::span<const std::byte> stored, std::span<float> row) {
  Check(stored.size() == BytesFor(row.size()), "a row is stored whole");
  if (!IsWhole(key, stored)) return false;
  std::memcpy(row.data(), stored.data(), row.size_bytes());
  return true;
}

absl::Status NotAsWritten(RowKey key, const ScratchFile& file, std::uint64_t at) {
  return absl::DataLossError(absl::StrCat(file.path(), ": row ", key.slot, " of partition ",
                                          Index(key.partition), ", table ", Index(key.table),
                                          ", at byte ", at, ", is not as it was written"));
}

}  // namespace cf::stored_row

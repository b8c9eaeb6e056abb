#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <absl/status/status.h>

#include "common/base/ids.h"
#include "common/base/scratch_file.h"

namespace cf {

/// Whose row it is: its table, its partition, and its place there.
struct RowKey {
  TableId table{};
  PartitionId partition{};
  std::uint32_t slot = 0;
};

/// A row as it is on disk: its floats and a checksum of them and of its key, so that neither a damaged
/// row nor another one is taken for it.
namespace stored_row {

constexpr std::size_t BytesFor(std::size_t floats) {
  return floats * sizeof(float) + sizeof(std::uint64_t);
}

/// Requires here and below: `stored` has BytesFor(row.size()) bytes.
void Store(RowKey key, std::span<const float> row, std::span<std::byte> stored);

/// Whether it is as it was stored.
bool IsWhole(RowKey key, std::span<const std::byte> stored);

/// Copies the floats where it is.
bool Load(RowKey key, std::span<const std::byte> stored, std::span<float> row);

/// DataLoss: what is at byte `at` of the file is not the row.
absl::Status NotAsWritten(RowKey key, const ScratchFile& file, std::uint64_t at);

}  // namespace stored_row
}  // namespace cf

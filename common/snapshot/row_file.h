#pragma once

// How rows lie in a row file: shared by its writer and its readers, and included by .cc files only,
// since it shows RocksDB.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <rocksdb/options.h>
#include <rocksdb/slice.h>

#include "common/base/ids.h"

namespace cf {

// Floats are written as they lie in memory.
static_assert(std::endian::native == std::endian::little);

/// A row's (table, id) as one number that orders like its bytes in the file.
using RowKey = std::uint64_t;
/// The same, most significant byte first.
using KeyBytes = std::array<char, 8>;

constexpr RowKey KeyOf(TableId table, RowId row) {
  return RowKey{static_cast<std::uint32_t>(table)} << 32 | static_cast<std::uint32_t>(row);
}

constexpr KeyBytes BytesOf(RowKey key) {
  KeyBytes bytes{};
  for (std::size_t k = 0; k < bytes.size(); ++k) {
    bytes[k] = static_cast<char>(key >> (56 - 8 * k) & 0xff);
  }
  return bytes;
}

/// Nothing if the bytes are not a key.
std::optional<RowKey> KeyFromBytes(const rocksdb::Slice& bytes);

/// Uncompressed (floats of trained rows do not shrink), 64 KiB blocks, XXH3 on each block, no
/// filter and no cache: files are written once and read from one end to the other.
rocksdb::Options RowFileOptions();

}  // namespace cf

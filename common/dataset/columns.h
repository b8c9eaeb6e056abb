#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/base/files.h"
#include "common/base/ids.h"

namespace cf {

/// DataLoss that names a file of a data set and what is wrong with it.
absl::Status DamagedDataset(const std::string& path, const std::string& what);

/// A column of byte strings: all bytes, and where each string begins.
///
/// Owner:   DatasetColumns.
/// Threads: any; constant.
struct TextColumn {
  MappedFile offsets;  ///< std::uint64_t, one more than there are rows.
  MappedFile bytes;

  /// Maps the files of that prefix. DataLoss: one is missing, or offsets do not ascend.
  static absl::StatusOr<TextColumn> Open(const std::string& path, std::uint32_t rows);

  /// Empty for a row that the column does not have, or that lies outside of its bytes.
  std::string_view At(RowId row) const;
};

/// Raw ids by id, and the ids in the order of their raw ids, for looking up.
///
/// Owner:   DatasetColumns.
/// Threads: any; constant.
struct RawIdColumn {
  bool numeric = true;
  MappedFile numbers;  ///< std::int64_t; or else
  TextColumn strings;
  MappedFile order;  ///< RowId.

  /// Maps the files of that prefix. DataLoss: one is missing, or an id is out of range.
  static absl::StatusOr<RawIdColumn> Open(const std::string& path, std::uint32_t rows,
                                          bool numeric);

  /// Empty for an id that the column does not have.
  std::string Text(RowId id) const;
  std::optional<RowId> Find(const std::string& raw) const;
};

/// Maps a column that must have `rows` values of `width` bytes. DataLoss if it has not.
absl::StatusOr<MappedFile> OpenColumn(const std::string& path, std::uint64_t rows,
                                      std::size_t width);

/// DataLoss unless the offsets ascend from 0 to `end`. Requires: there is one.
absl::Status CheckOffsets(const std::string& path, std::span<const std::uint64_t> offsets,
                          std::uint64_t end);

/// The columns of a data set, in whatever files they are: those of its own folder, or of an export
/// that was made with it. What a data set lacks is empty.
///
/// Owner:   Dataset.
/// Threads: any; constant.
struct DatasetColumns {
  MappedFile user_offsets;  ///< std::uint64_t, one more than there are users.
  MappedFile items;         ///< RowId, by sample.
  MappedFile ratings;       ///< float, by sample.
  MappedFile timestamps;    ///< std::int64_t, by sample.
  MappedFile validation;    ///< A bit for each sample, in words of 64.
  RawIdColumn user_ids;
  RawIdColumn item_ids;
  TextColumn titles;
  TextColumn genres;
  TextColumn unrated_ids;
  TextColumn unrated_titles;
  TextColumn unrated_genres;
};

}  // namespace cf

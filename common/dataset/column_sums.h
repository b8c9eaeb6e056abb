#pragma once

#include <cstddef>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/dataset/dataset.pb.h"

namespace cf {

/// Which part of a data set's bytes somebody checks: those who share a host, and so the bytes that it
/// has in memory, share the work.
struct CheckShare {
  std::size_t index = 0;  ///< Below `count`.
  std::size_t count = 1;
};

/// XXH3-128 in hexadecimal over every column that the manifest says there is, in the order of the
/// format's page: for each its name with a zero byte, its length (u64) and its bytes.
absl::StatusOr<std::string> DigestOf(const std::string& folder, const DatasetManifest& manifest);

/// Reads every file once and sets the digest and the checksums of all chunks. Errors name the file.
/// Requires: all else of the manifest is set.
absl::Status SumColumns(const std::string& folder, DatasetManifest& manifest);

/// Reads a share of the data set's bytes, past any mapping, and compares them with the checksums of
/// its manifest. Where it was made before there were any, the first share is everything, and the digest
/// is compared. `keep_cached`: whether what is read may stay in the system's cache. DataLoss names the
/// file and the place; other errors are the disk's. Ticks the activity of the thread.
absl::Status CheckColumns(const std::string& folder, const DatasetManifest& manifest,
                          CheckShare share, bool keep_cached);

}  // namespace cf

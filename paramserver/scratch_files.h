#pragma once

#include <memory>
#include <string>

#include <absl/status/status.h>
#include <rocksdb/env.h>
#include <rocksdb/status.h>

namespace cf {

/// The system's files for what is of no use once its process is gone: nothing is synced, and nothing
/// that was written is dropped from the system's cache.
std::unique_ptr<rocksdb::Env> UnsyncedEnv();

/// What RocksDB says of `path`, which is a file or a folder: ResourceExhausted where the disk is
/// full, DataLoss where something is not as it was written, else Internal. Requires: !status.ok().
absl::Status ScratchError(const std::string& path, const rocksdb::Status& status);

}  // namespace cf

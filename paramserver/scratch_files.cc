#include "paramserver/scratch_files.h"

#include <cstddef>
#include <utility>

#include <absl/strings/str_cat.h>
#include <rocksdb/file_system.h>

namespace cf {
namespace {

class UnsyncedFile : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  using rocksdb::FSWritableFileOwnerWrapper::FSWritableFileOwnerWrapper;
  rocksdb::IOStatus Sync(const rocksdb::IOOptions& /*options*/,
                         rocksdb::IODebugContext* /*debug*/) override {
    return rocksdb::IOStatus::OK();
  }
  rocksdb::IOStatus Fsync(const rocksdb::IOOptions& /*options*/,
                          rocksdb::IODebugContext* /*debug*/) override {
    return rocksdb::IOStatus::OK();
  }
  rocksdb::IOStatus InvalidateCache(std::size_t /*offset*/, std::size_t /*length*/) override {
    return rocksdb::IOStatus::OK();
  }
};

class UnsyncedFileSystem : public rocksdb::FileSystemWrapper {
 public:
  UnsyncedFileSystem() : rocksdb::FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "unsynced"; }
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override {
    std::unique_ptr<rocksdb::FSWritableFile> opened;
    rocksdb::IOStatus status = target()->NewWritableFile(path, options, &opened, debug);
    if (status.ok()) *file = std::make_unique<UnsyncedFile>(std::move(opened));
    return status;
  }
};

}  // namespace

std::unique_ptr<rocksdb::Env> UnsyncedEnv() {
  return rocksdb::NewCompositeEnv(std::make_shared<UnsyncedFileSystem>());
}

absl::Status ScratchError(const std::string& path, const rocksdb::Status& status) {
  const std::string text = absl::StrCat(path, ": ", status.ToString());
  if (status.IsNoSpace()) return absl::ResourceExhaustedError(text);
  return status.IsCorruption() ? absl::DataLossError(text) : absl::InternalError(text);
}

}  // namespace cf

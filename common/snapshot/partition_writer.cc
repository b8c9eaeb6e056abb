#include "common/snapshot/partition_writer.h"

#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

#include <absl/strings/str_cat.h>
#include <rocksdb/file_checksum.h>
#include <rocksdb/sst_file_writer.h>

#include "common/base/activity.h"
#include "common/base/check.h"
#include "common/base/fault_point.h"
#include "common/base/files.h"
#include "common/base/status.h"
#include "common/snapshot/checksum.h"
#include "common/snapshot/row_file.h"

namespace cf {
namespace {

/// Sums the file while RocksDB writes it, so that it need not be read again.
class StreamedChecksum : public rocksdb::FileChecksumGenerator {
 public:
  void Update(const char* data, std::size_t bytes) override { checksum_.Update(data, bytes); }
  void Finalize() override { hex_ = checksum_.Hex(); }
  std::string GetChecksum() const override { return hex_; }
  const char* Name() const override { return "XXH3-128"; }

 private:
  Checksum checksum_;
  std::string hex_;
};

class StreamedChecksumFactory : public rocksdb::FileChecksumGenFactory {
 public:
  std::unique_ptr<rocksdb::FileChecksumGenerator> CreateFileChecksumGenerator(
      const rocksdb::FileChecksumGenContext&) override {
    return std::make_unique<StreamedChecksum>();
  }
  const char* Name() const override { return "XXH3-128"; }
};

rocksdb::Options WriterOptions() {
  rocksdb::Options options = RowFileOptions();
  options.file_checksum_gen_factory = std::make_shared<StreamedChecksumFactory>();
  return options;
}

// Marks an error as one of writing, among those of reading rows to write.
constexpr char kWritePayload[] = "cf/row-file-write";

absl::Status Marked(absl::Status error) {
  error.SetPayload(kWritePayload, absl::Cord());
  return error;
}

absl::Status WriteError(const std::string& path, const rocksdb::Status& status) {
  const std::string text = absl::StrCat(path, ": ", status.ToString());
  return Marked(status.IsNoSpace() ? absl::ResourceExhaustedError(text)
                                   : absl::InternalError(text));
}

}  // namespace

struct PartitionWriter::File {
  File(std::string rows_folder, const RowFileId& id)
      : folder(std::move(rows_folder)), path(absl::StrCat(folder, "/", RowFileName(id))) {
    entry.set_partition(static_cast<std::uint32_t>(id.partition));
    entry.set_kind(id.kind);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (!kept) ::unlink(path.c_str());
  }

  std::string folder;
  std::string path;
  FileEntry entry;
  rocksdb::SstFileWriter writer{rocksdb::EnvOptions(), WriterOptions(), nullptr,
                                /*invalidate_page_cache=*/false};
  RowKey last{};
  bool kept = false;
};

absl::StatusOr<PartitionWriter> PartitionWriter::Create(const std::string& folder,
                                                        const RowFileId& id) {
  Check(id.kind == BASE || id.kind == DELTA, "a row file is a base or a delta");
  std::string rows_folder = RowsFolder(folder);
  const std::string path = absl::StrCat(rows_folder, "/", RowFileName(id));
  // RocksDB would truncate a file that exists; this claims the name first.
  const int claimed = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (claimed < 0) return Marked(ErrnoError(errno, path));
  ::close(claimed);
  auto file = std::make_unique<File>(std::move(rows_folder), id);
  if (const int fault = ErrnoAt("row_file.open", path.c_str()); fault != 0) {
    return Marked(ErrnoError(fault, path));
  }
  const rocksdb::Status opened = file->writer.Open(path);
  if (!opened.ok()) return WriteError(path, opened);
  return PartitionWriter(std::move(file));
}

PartitionWriter::PartitionWriter(std::unique_ptr<File> file) : file_(std::move(file)) {
}
PartitionWriter::PartitionWriter(PartitionWriter&&) noexcept = default;
PartitionWriter& PartitionWriter::operator=(PartitionWriter&&) noexcept = default;
PartitionWriter::~PartitionWriter() = default;

absl::Status PartitionWriter::Add(TableId table, RowId row, std::span<const float> record) {
  Activity::Tick();
  const RowKey key = KeyOf(table, row);
  Check(file_->entry.rows() == 0 || key > file_->last, "rows are added in ascending order");
  const KeyBytes bytes = BytesOf(key);
  const rocksdb::Status put = file_->writer.Put(
      rocksdb::Slice(bytes.data(), bytes.size()),
      rocksdb::Slice(reinterpret_cast<const char*>(record.data()), record.size_bytes()));
  if (!put.ok()) return WriteError(file_->path, put);
  file_->last = key;
  file_->entry.set_rows(file_->entry.rows() + 1);
  return absl::OkStatus();
}

absl::StatusOr<FileEntry> PartitionWriter::Finish() {
  Check(!file_->kept, "a row file is finished once");
  if (file_->entry.rows() == 0) return file_->entry;  // RocksDB refuses a file without rows.
  if (const int fault = ErrnoAt("row_file.sync", file_->path.c_str()); fault != 0) {
    return Marked(ErrnoError(fault, file_->path));
  }
  rocksdb::ExternalSstFileInfo info;
  const rocksdb::Status finished = file_->writer.Finish(&info);
  if (!finished.ok()) return WriteError(file_->path, finished);
  if (absl::Status synced = SyncPath(file_->folder); !synced.ok()) return Marked(synced);
  file_->kept = true;
  file_->entry.set_file(file_->path.substr(file_->folder.size() + 1));
  file_->entry.set_bytes(info.file_size);
  file_->entry.set_checksum(info.file_checksum);
  return file_->entry;
}

bool IsRowFileWriteError(const absl::Status& error) {
  return error.GetPayload(kWritePayload).has_value();
}

void RemoveRowFiles(const std::string& folder, std::span<const FileEntry> files) {
  for (const FileEntry& file : files) {
    if (file.rows() > 0) ::unlink(RowFilePath(folder, file.file()).c_str());
  }
}

}  // namespace cf

#include "common/snapshot/row_stream.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <sys/resource.h>
#include <utility>

#include <absl/strings/str_cat.h>
#include <rocksdb/sst_file_reader.h>

#include "common/base/status.h"
#include "common/snapshot/checksum.h"
#include "common/snapshot/row_file.h"

namespace cf {
namespace {

constexpr std::size_t kReadAheadOfAll = std::size_t{64} << 20;
// Rows of a file that are passed one by one: to seek takes as long as some tens of them.
constexpr int kStepsBeforeSeek = 32;
// Less is not worth a buffer: the system reads ahead by itself.
constexpr std::size_t kReadAheadMin = std::size_t{64} << 10;

/// A process may have 1,024 files open as a rule, and more if it asks. What is not given shows with
/// the file that cannot be opened.
void AllowManyFiles() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= files.rlim_max) return;
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
}

std::string NameOf(RowKey key) {
  return absl::StrCat("table ", key >> 32, ", id ", key & 0xffff'ffffU);
}

absl::Status Damaged(const std::string& file, const std::string& what) {
  return AsSnapshotDamage(absl::DataLossError(absl::StrCat(file, ": ", what)));
}

/// What RocksDB says of a file: it is damage unless its resources are to blame.
absl::Status ErrorOf(const std::string& file, const rocksdb::Status& status) {
  const absl::Status damaged = Damaged(file, status.ToString());
  const bool is_damage = status.IsCorruption() || status.IsPathNotFound() || status.IsNotFound();
  return is_damage ? damaged : absl::InternalError(damaged.message());
}

}  // namespace

/// One row file, at one row.
struct PartitionRows::Source {
  explicit Source(FileEntry file_entry) : entry(std::move(file_entry)) {}

  absl::Status Open(const std::string& folder, std::size_t read_ahead) {
    const std::string path = RowFilePath(folder, entry.file());
    // RocksDB stops the process on some damaged files: it believes the footer and the properties
    // before it has seen a checksum. What it opens has therefore been read once, which also brings
    // it into memory.
    const absl::StatusOr<std::string> checksum = ChecksumOfFile(path);
    if (!checksum.ok()) {
      const absl::Status why = SnapshotReadError(checksum.status());
      return IsSnapshotDamage(why) ? Damaged(entry.file(), std::string(why.message()))
                                   : Because(why, entry.file());
    }
    if (*checksum != entry.checksum()) {
      return Damaged(entry.file(), "its checksum is not that of the manifest");
    }
    const rocksdb::Status opened = reader.Open(path);
    if (!opened.ok()) return ErrorOf(entry.file(), opened);
    rocksdb::ReadOptions options;
    options.readahead_size = read_ahead;
    iterator.reset(reader.NewIterator(options));
    iterator->SeekToFirst();
    return ReadKey();
  }

  absl::Status Advance() {
    iterator->Next();
    ++rows_passed;
    return ReadKey();
  }

  absl::Status Seek(RowKey to) {
    const KeyBytes bytes = BytesOf(to);
    iterator->Seek(rocksdb::Slice(bytes.data(), bytes.size()));
    return ReadKey();
  }

  absl::Status ReadKey() {
    at_end = !iterator->Valid();
    if (at_end) {
      if (iterator->status().ok()) return absl::OkStatus();
      return ErrorOf(entry.file(), iterator->status());
    }
    const std::optional<RowKey> read = KeyFromBytes(iterator->key());
    if (!read) return Damaged(entry.file(), "a key has not 8 bytes");
    key = *read;
    return absl::OkStatus();
  }

  FileEntry entry;
  rocksdb::SstFileReader reader{RowFileOptions()};
  std::unique_ptr<rocksdb::Iterator> iterator;  // Goes before its reader.
  RowKey key = 0;                               // Of the row it is at, unless at_end.
  std::uint64_t rows_passed = 0;
  bool at_end = false;
};

absl::StatusOr<PartitionRows> PartitionRows::Open(const std::string& folder,
                                                  const std::vector<FileEntry>& chain,
                                                  std::size_t read_ahead) {
  std::vector<std::unique_ptr<Source>> sources;
  for (const FileEntry& entry : chain) {
    if (entry.rows() == 0) continue;
    auto source = std::make_unique<Source>(entry);
    if (absl::Status opened = source->Open(folder, read_ahead); !opened.ok()) return opened;
    sources.push_back(std::move(source));
  }
  return PartitionRows(std::move(sources));
}

PartitionRows::PartitionRows(std::vector<std::unique_ptr<Source>> sources)
    : sources_(std::move(sources)) {
}
PartitionRows::PartitionRows(PartitionRows&&) noexcept = default;
PartitionRows& PartitionRows::operator=(PartitionRows&&) noexcept = default;
PartitionRows::~PartitionRows() = default;

absl::StatusOr<std::span<const float>> PartitionRows::Next(TableId table, RowId row,
                                                           std::size_t floats) {
  const RowKey expected = KeyOf(table, row);
  const Source* newest = nullptr;
  for (const auto& source : sources_) {
    if (source->at_end) continue;
    if (source->key < expected) {
      return Damaged(source->entry.file(),
                     absl::StrCat(NameOf(source->key), " does not belong to its partition"));
    }
    if (source->key == expected) newest = source.get();
  }
  if (newest == nullptr) {
    return Damaged(NameOf(expected), "the row is missing");
  }
  const rocksdb::Slice value = newest->iterator->value();
  if (value.size() != floats * sizeof(float)) {
    return Damaged(newest->entry.file(), absl::StrCat(NameOf(expected), " has ", value.size(),
                                                      " bytes, not ", floats * sizeof(float)));
  }
  record_.resize(floats);
  if (floats != 0) std::memcpy(record_.data(), value.data(), value.size());
  for (const auto& source : sources_) {
    if (source->at_end || source->key != expected) continue;
    if (absl::Status advanced = source->Advance(); !advanced.ok()) return advanced;
  }
  return std::span<const float>(record_);
}

absl::Status PartitionRows::SkipTo(TableId table, RowId row) {
  const RowKey next = KeyOf(table, row);
  for (const auto& source : sources_) {
    for (int steps = 0; !source->at_end && source->key < next; ++steps) {
      absl::Status passed = steps < kStepsBeforeSeek ? source->Advance() : source->Seek(next);
      if (!passed.ok()) return passed;
    }
  }
  return absl::OkStatus();
}

absl::Status PartitionRows::ExpectEnd() const {
  for (const auto& source : sources_) {
    if (!source->at_end) {
      return Damaged(source->entry.file(),
                     absl::StrCat(NameOf(source->key), " does not belong to its partition"));
    }
    if (source->rows_passed != source->entry.rows()) {
      return Damaged(source->entry.file(), absl::StrCat("has ", source->rows_passed, " rows, not ",
                                                        source->entry.rows()));
    }
  }
  return absl::OkStatus();
}

absl::Status VerifyBlocks(const std::string& folder, const FileEntry& entry) {
  rocksdb::SstFileReader reader(RowFileOptions());
  rocksdb::Status verified = reader.Open(RowFilePath(folder, entry.file()));
  if (verified.ok()) verified = reader.VerifyChecksum();
  return verified.ok() ? absl::OkStatus() : ErrorOf(entry.file(), verified);
}

absl::StatusOr<RowStream> RowStream::Open(const std::string& folder, const Manifest& manifest) {
  AllowManyFiles();
  const auto files = static_cast<std::size_t>(std::max(1, manifest.files_size()));
  std::size_t read_ahead = std::min(PartitionRows::kReadAhead, kReadAheadOfAll / files);
  if (read_ahead < kReadAheadMin) read_ahead = 0;
  std::vector<PartitionRows> partitions;
  for (std::uint32_t p = 0; p < manifest.partitions(); ++p) {
    absl::StatusOr<PartitionRows> rows =
        PartitionRows::Open(folder, ChainOf(manifest, PartitionId{p}), read_ahead);
    if (!rows.ok()) return rows.status();
    partitions.push_back(*std::move(rows));
  }
  return RowStream(manifest, std::move(partitions));
}

RowStream::RowStream(const Manifest& manifest, std::vector<PartitionRows> partitions)
    : partitioning_(manifest.partitions()),
      tables_(manifest.tables().begin(), manifest.tables().end()),
      partitions_(std::move(partitions)) {
}

absl::StatusOr<bool> RowStream::Next(Row* row) {
  while (table_ < tables_.size() && id_ == tables_[table_].rows()) {
    ++table_;
    id_ = 0;
  }
  if (table_ == tables_.size()) {
    for (const PartitionRows& partition : partitions_) {
      if (absl::Status ended = partition.ExpectEnd(); !ended.ok()) return ended;
    }
    return false;
  }
  row->table = TableId{table_};
  row->id = RowId{id_++};
  absl::StatusOr<std::span<const float>> record =
      partitions_[Index(partitioning_.Of(row->id))].Next(row->table, row->id,
                                                         RecordFloats(tables_[table_]));
  if (!record.ok()) return record.status();
  row->record = *record;
  return true;
}

std::vector<FileEntry> ChainOf(const Manifest& manifest, PartitionId partition) {
  const auto& files = manifest.files();
  const auto first_from = [&files](std::size_t p) {
    return std::partition_point(files.begin(), files.end(),
                                [p](const FileEntry& entry) { return entry.partition() < p; });
  };
  return {first_from(Index(partition)), first_from(Index(partition) + 1)};
}

}  // namespace cf

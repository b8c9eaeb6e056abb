#include "paramserver/row_database.h"

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstring>
#include <memory>
#include <utility>

#include <absl/strings/str_cat.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/iterator.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include "paramserver/scratch_files.h"

namespace cf {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;
// What is written is gathered in memory first: one table that fills, and others that are flushed.
constexpr int kMemtables = 3;
// A row is read with the block that it is in; smaller ones read no faster, and larger ones need
// shorter indexes, which are in memory: some 24 bytes a block.
constexpr std::size_t kBlockBytes = 4096;
constexpr std::size_t kIndexShare = 128;
// A scan that leaves out more rows than this looks the next one up.
constexpr int kStepsMax = 16;

std::size_t MemtableBytes(std::uint64_t bytes) {
  return std::clamp<std::size_t>(bytes / 64, kMiB, 32 * kMiB);
}

/// Orders as RowKey does: big-endian.
std::array<char, 8> Encode(RowKey key) {
  const auto table = static_cast<std::uint32_t>(key.table);
  const auto partition = static_cast<std::uint32_t>(key.partition);
  std::uint64_t bits = std::uint64_t{table} << 48 | std::uint64_t{partition} << 32 | key.slot;
  std::array<char, 8> encoded{};
  for (std::size_t k = encoded.size(); k-- > 0; bits >>= 8) encoded[k] = static_cast<char>(bits);
  return encoded;
}

rocksdb::Slice SliceOf(const std::array<char, 8>& key) {
  return {key.data(), key.size()};
}

/// Takes no notes. RocksDB's own log file is on the same disk: where that has failed, the next line
/// would end the process, by an assertion of RocksDB's that Debian leaves in.
class NoLog : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char* /*format*/, va_list /*arguments*/) override {}
};

rocksdb::Options OptionsFor(std::uint64_t bytes, rocksdb::Env* env) {
  rocksdb::BlockBasedTableOptions table;
  table.block_size = kBlockBytes;
  table.checksum = rocksdb::kXXH3;
  table.no_block_cache = true;
  table.format_version = 5;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  rocksdb::Options options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.env = env;
  options.create_if_missing = true;
  // Trained floats do not get smaller.
  options.compression = rocksdb::kNoCompression;
  options.use_direct_reads = true;
  // Every row that is looked for is there, so the last level, which has nine in ten, needs no filter.
  options.optimize_filters_for_hits = true;
  options.level_compaction_dynamic_level_bytes = true;
  options.write_buffer_size = MemtableBytes(bytes);
  // Most rows that are looked for are in none of the memtables.
  options.memtable_whole_key_filtering = true;
  options.memtable_prefix_bloom_size_ratio = 0.01;
  // One thread writes.
  options.allow_concurrent_memtable_write = false;
  options.max_write_buffer_number = kMemtables;
  options.max_bytes_for_level_base = 4 * options.write_buffer_size;
  options.target_file_size_base = std::max(2 * kMiB, 2 * options.write_buffer_size);
  // Else what is out of date gathers on disk faster than it goes.
  options.max_background_jobs = 4;
  options.soft_pending_compaction_bytes_limit = bytes / 2 + 64 * kMiB;
  options.hard_pending_compaction_bytes_limit = bytes + 256 * kMiB;
  options.max_open_files = -1;
  options.skip_stats_update_on_db_open = true;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.info_log = std::make_shared<NoLog>();
  options.avoid_flush_during_shutdown = true;
  return options;
}

}  // namespace

std::size_t RowDatabase::MemoryFor(std::uint64_t bytes) {
  return kMemtables * MemtableBytes(bytes) + bytes / kIndexShare + kMiB;
}

absl::StatusOr<std::unique_ptr<RowDatabase>> RowDatabase::Open(const std::string& directory,
                                                               std::uint64_t bytes) {
  absl::StatusOr<ScratchFolder> folder = ScratchFolder::Open(directory);
  if (!folder.ok()) return folder.status();
  std::unique_ptr<RowDatabase> opening(new RowDatabase(*std::move(folder)));
  rocksdb::Options options = OptionsFor(bytes, opening->env_.get());
  rocksdb::DB* database = nullptr;
  const std::string path = absl::StrCat(opening->folder(), "/rows");
  rocksdb::Status opened = rocksdb::DB::Open(options, path, &database);
  if (opened.IsInvalidArgument()) {
    // Of a file system without direct I/O, as tmpfs is.
    options.use_direct_reads = false;
    opened = rocksdb::DB::Open(options, path, &database);
  }
  if (!opened.ok()) return ScratchError(path, opened);
  opening->database_.reset(database);
  return opening;
}

RowDatabase::RowDatabase(ScratchFolder folder) : folder_(std::move(folder)), env_(UnsyncedEnv()) {
}

RowDatabase::~RowDatabase() = default;

absl::Status RowDatabase::Write(const Batch& batch) {
  rocksdb::WriteBatch writes(batch.keys.size() * (batch.floats * sizeof(float) + 16));
  const float* row = batch.rows;
  for (const RowKey key : batch.keys) {
    const std::array<char, 8> encoded = Encode(key);
    const rocksdb::Status put = writes.Put(
        SliceOf(encoded),
        rocksdb::Slice(reinterpret_cast<const char*>(row), batch.floats * sizeof(float)));
    if (!put.ok()) return ScratchError(folder(), put);
    row += batch.floats;
  }
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  const rocksdb::Status written = database_->Write(options, &writes);
  return written.ok() ? absl::OkStatus() : ScratchError(folder(), written);
}

absl::Status RowDatabase::Missing(RowKey key) const {
  return absl::DataLossError(absl::StrCat(folder(), ": row ", key.slot, " of partition ",
                                          Index(key.partition), ", table ", Index(key.table),
                                          " is not as it was written"));
}

absl::Status RowDatabase::Read(RowKey key, std::span<float> row) const {
  const std::array<char, 8> encoded = Encode(key);
  rocksdb::PinnableSlice value;
  const rocksdb::Status read = database_->Get(
      rocksdb::ReadOptions(), database_->DefaultColumnFamily(), SliceOf(encoded), &value);
  if (read.IsNotFound() || (read.ok() && value.size() != row.size_bytes())) return Missing(key);
  if (!read.ok()) return ScratchError(folder(), read);
  std::memcpy(row.data(), value.data(), value.size());
  return absl::OkStatus();
}

RowDatabase::Scan::Scan(const RowDatabase& database, TableId table, PartitionId partition)
    : database_(database), at_{.table = table, .partition = partition} {
}

RowDatabase::Scan::~Scan() = default;

absl::Status RowDatabase::Scan::Read(std::uint32_t slot, std::span<float> row) {
  at_.slot = slot;
  const std::array<char, 8> encoded = Encode(at_);
  const rocksdb::Slice key = SliceOf(encoded);
  if (rows_ == nullptr) {
    // By itself it reads ahead further as it goes: each level has an iterator, and most have few rows.
    rows_.reset(database_.database_->NewIterator(rocksdb::ReadOptions()));
    rows_->Seek(key);
  }
  for (int step = 0; step < kStepsMax && rows_->Valid() && rows_->key().compare(key) < 0; ++step) {
    rows_->Next();
  }
  if (rows_->Valid() && rows_->key().compare(key) < 0) rows_->Seek(key);
  if (!rows_->status().ok()) return ScratchError(database_.folder(), rows_->status());
  if (!rows_->Valid() || rows_->key() != key || rows_->value().size() != row.size_bytes()) {
    return database_.Missing(at_);
  }
  std::memcpy(row.data(), rows_->value().data(), row.size_bytes());
  return absl::OkStatus();
}

}  // namespace cf

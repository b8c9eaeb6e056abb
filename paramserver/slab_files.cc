#include "paramserver/slab_files.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <unistd.h>
#include <utility>

#include <absl/strings/str_cat.h>
#include <rocksdb/env.h>
#include <rocksdb/options.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/table.h>

#include "common/base/check.h"
#include "paramserver/scratch_files.h"

namespace cf {
namespace {

/// Pieces are in the order of their numbers.
std::array<char, 4> KeyOf(std::size_t piece) {
  return {static_cast<char>(piece >> 24), static_cast<char>(piece >> 16),
          static_cast<char>(piece >> 8), static_cast<char>(piece)};
}

}  // namespace

struct SlabFiles::Format {
  // SstFileWriter would sync what it has written and drop it from the system's cache.
  Format() : env(UnsyncedEnv()) {
    rocksdb::BlockBasedTableOptions table;
    table.block_size = kPieceBytes;  // A block is a piece.
    table.checksum = rocksdb::kXXH3;
    table.no_block_cache = true;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    // Trained floats do not get smaller.
    options.compression = rocksdb::kNoCompression;
    options.env = env.get();
  }

  std::unique_ptr<rocksdb::Env> env;
  rocksdb::Options options;
};

absl::StatusOr<std::unique_ptr<SlabFiles>> SlabFiles::Open(const std::string& directory,
                                                           std::size_t slabs) {
  absl::StatusOr<ScratchFolder> folder = ScratchFolder::Open(directory);
  if (!folder.ok()) return folder.status();
  return std::unique_ptr<SlabFiles>(new SlabFiles(*std::move(folder), slabs));
}

SlabFiles::SlabFiles(ScratchFolder folder, std::size_t slabs)
    : folder_(std::move(folder)), format_(std::make_unique<Format>()), versions_(slabs) {
}

SlabFiles::~SlabFiles() = default;

std::string SlabFiles::PathOf(std::size_t slab, std::uint64_t version) const {
  return absl::StrCat(folder_.path(), "/", slab, "-", version, ".sst");
}

absl::Status SlabFiles::Write(std::size_t slab, std::span<const float> rows) {
  const std::uint64_t version = versions_[slab] + 1;
  const std::string path = PathOf(slab, version);
  rocksdb::SstFileWriter writer(rocksdb::EnvOptions(format_->options), format_->options, nullptr,
                                /*invalidate_page_cache=*/false);
  rocksdb::Status done = writer.Open(path);
  const std::span<const std::byte> bytes = std::as_bytes(rows);
  for (std::size_t at = 0; done.ok() && at < bytes.size(); at += kPieceBytes) {
    const std::array<char, 4> key = KeyOf(at / kPieceBytes);
    done = writer.Put(rocksdb::Slice(key.data(), key.size()),
                      rocksdb::Slice(reinterpret_cast<const char*>(bytes.data()) + at,
                                     std::min(kPieceBytes, bytes.size() - at)));
  }
  if (done.ok()) done = writer.Finish();
  if (!done.ok()) {
    ::unlink(path.c_str());
    return ScratchError(path, done);
  }
  if (versions_[slab] > 0) ::unlink(PathOf(slab, versions_[slab]).c_str());
  versions_[slab] = version;
  return absl::OkStatus();
}

absl::Status SlabFiles::Read(std::size_t slab, std::span<float> rows) const {
  Check(Has(slab), "a slab is read that was written");
  const std::string path = PathOf(slab, versions_[slab]);
  rocksdb::SstFileReader reader(format_->options);
  if (const rocksdb::Status opened = reader.Open(path); !opened.ok())
    return ScratchError(path, opened);
  const std::unique_ptr<rocksdb::Iterator> pieces(reader.NewIterator(rocksdb::ReadOptions()));
  const std::span<std::byte> bytes = std::as_writable_bytes(rows);
  std::size_t at = 0;
  for (pieces->SeekToFirst(); pieces->Valid(); pieces->Next()) {
    const rocksdb::Slice piece = pieces->value();
    const std::array<char, 4> key = KeyOf(at / kPieceBytes);
    if (pieces->key() != rocksdb::Slice(key.data(), key.size()) ||
        piece.size() != std::min(kPieceBytes, bytes.size() - at)) {
      break;
    }
    std::memcpy(bytes.data() + at, piece.data(), piece.size());
    at += piece.size();
  }
  if (!pieces->status().ok()) return ScratchError(path, pieces->status());
  if (at == bytes.size() && !pieces->Valid()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(path, ": holds other pieces than were written"));
}

}  // namespace cf

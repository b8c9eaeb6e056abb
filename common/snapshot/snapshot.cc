#include "common/snapshot/snapshot.h"

#include <array>
#include <bit>
#include <cstdint>
#include <filesystem>
#include <system_error>
#include <utility>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include "common/base/activity.h"
#include "common/base/check.h"
#include "common/base/partition.h"
#include "common/base/status.h"
#include "common/snapshot/checksum.h"
#include "common/snapshot/row_stream.h"
#include "common/snapshot/snapshot_store.h"

namespace cf {
namespace {

std::string FolderOf(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path().string() : ".";
}

struct Located {
  std::string folder;  ///< The run's snapshots.
  Manifest manifest;
};

absl::StatusOr<Located> Locate(const std::string& path) {
  const std::filesystem::path given(path);
  if (given.filename() == "latest" || given.filename() == "best") {
    absl::StatusOr<SnapshotStore> store = SnapshotStore::View(FolderOf(given));
    if (!store.ok()) return store.status();
    absl::StatusOr<Manifest> manifest =
        given.filename() == "latest" ? store->Latest() : store->Best();
    if (!manifest.ok()) return manifest.status();
    return Located{.folder = store->folder(), .manifest = *std::move(manifest)};
  }
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(given, error);
  if (error) return SnapshotReadError(ErrnoError(error.value(), path));
  if (std::filesystem::is_directory(real, error)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": a folder; expected a snapshot, such as RUN/snapshots/best"));
  }
  absl::StatusOr<Manifest> manifest = ReadManifest(path);
  if (!manifest.ok()) return manifest.status();
  return Located{.folder = FolderOf(real), .manifest = *std::move(manifest)};
}

/// "table users, id 7": as a person knows the row.
std::string NameOf(const Manifest& manifest, const RowStream::Row& row) {
  return absl::StrCat("table ", manifest.tables(static_cast<int>(Index(row.table))).name(), ", id ",
                      Index(row.id));
}

std::string Shape(const SnapshotTable& table) {
  return absl::StrCat(table.name(), " (", table.rows(), " rows, dim ", table.dim(),
                      table.bias() ? ", biases, " : ", no biases, ", table.slots(),
                      " optimizer moments", table.last_step() ? ", last steps)" : ")");
}

/// Where the bits differ first. Requires: equal sizes.
std::optional<std::size_t> FirstDifferentFloat(std::span<const float> a, std::span<const float> b) {
  for (std::size_t k = 0; k < a.size(); ++k) {
    if (std::bit_cast<std::uint32_t>(a[k]) != std::bit_cast<std::uint32_t>(b[k])) return k;
  }
  return std::nullopt;
}

}  // namespace

Snapshot::Snapshot(std::string folder, Manifest manifest)
    : folder_(std::move(folder)), manifest_(std::move(manifest)) {
}

absl::StatusOr<Snapshot> Snapshot::Open(const std::string& path) {
  absl::StatusOr<Located> located = Locate(path);
  if (!located.ok()) return located.status();
  absl::Status present = CheckRowFiles(located->folder, located->manifest);
  if (!present.ok()) return Because(present, path);
  return Snapshot(std::move(located->folder), std::move(located->manifest));
}

absl::Status Snapshot::ReadPartition(PartitionId partition, const RowVisitor& visit) const {
  Check(Index(partition) < manifest_.partitions(), "the partition is one of the snapshot's");
  absl::StatusOr<PartitionRows> rows = PartitionRows::Open(folder_, ChainOf(manifest_, partition));
  if (!rows.ok()) return rows.status();
  const Partitioning partitioning(manifest_.partitions());
  for (int t = 0; t < manifest_.tables_size(); ++t) {
    const SnapshotTable& shape = manifest_.tables(t);
    const auto table = static_cast<TableId>(t);
    const std::uint32_t slots = partitioning.RowsIn(partition, shape.rows());
    for (std::uint32_t slot = 0; slot < slots; ++slot) {
      Activity::Tick();
      const RowId id = partitioning.IdAt(partition, slot);
      absl::StatusOr<std::span<const float>> record = rows->Next(table, id, RecordFloats(shape));
      if (!record.ok()) return record.status();
      if (absl::Status visited = visit(table, id, *record); !visited.ok()) return visited;
    }
  }
  return rows->ExpectEnd();
}

absl::Status Snapshot::ReadRows(PartitionId partition,
                                std::span<const std::vector<std::uint64_t>> wanted,
                                const RowVisitor& visit) const {
  Check(Index(partition) < manifest_.partitions(), "the partition is one of the snapshot's");
  absl::StatusOr<PartitionRows> rows = PartitionRows::Open(folder_, ChainOf(manifest_, partition));
  if (!rows.ok()) return rows.status();
  const Partitioning partitioning(manifest_.partitions());
  for (int t = 0; t < manifest_.tables_size(); ++t) {
    const SnapshotTable& shape = manifest_.tables(t);
    const std::vector<std::uint64_t>& bits = wanted[static_cast<std::size_t>(t)];
    const std::uint32_t slots = partitioning.RowsIn(partition, shape.rows());
    for (std::uint32_t slot = 0; slot < slots; ++slot) {
      const std::uint64_t left = bits[slot / 64] >> (slot % 64);
      if ((left & 1) == 0) {
        // To the next bit of the word, or to the next word.
        slot += left == 0 ? 63 - slot % 64 : static_cast<std::uint32_t>(std::countr_zero(left)) - 1;
        continue;
      }
      Activity::Tick();
      const auto table = static_cast<TableId>(t);
      const RowId id = partitioning.IdAt(partition, slot);
      if (absl::Status there = rows->SkipTo(table, id); !there.ok()) return there;
      absl::StatusOr<std::span<const float>> record = rows->Next(table, id, RecordFloats(shape));
      if (!record.ok()) return record.status();
      if (absl::Status visited = visit(table, id, *record); !visited.ok()) return visited;
    }
  }
  return absl::OkStatus();
}

absl::Status Snapshot::ReadAll(const RowVisitor& visit) const {
  absl::StatusOr<RowStream> stream = RowStream::Open(folder_, manifest_);
  if (!stream.ok()) return stream.status();
  RowStream::Row row;
  for (;;) {
    absl::StatusOr<bool> more = stream->Next(&row);
    if (!more.ok()) return more.status();
    if (!*more) return absl::OkStatus();
    if (absl::Status visited = visit(row.table, row.id, row.record); !visited.ok()) return visited;
  }
}

absl::StatusOr<std::string> Snapshot::Digest() const {
  Checksum checksum;
  absl::Status read = ReadAll([&checksum](TableId table, RowId id, std::span<const float> record) {
    const std::array<std::uint32_t, 2> key = {static_cast<std::uint32_t>(table),
                                              static_cast<std::uint32_t>(id)};
    checksum.Update(key.data(), sizeof key);
    checksum.Update(record.data(), record.size_bytes());
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  return checksum.Hex();
}

absl::Status Snapshot::CheckFiles() const {
  absl::Status present = CheckRowFiles(folder_, manifest_);
  if (!present.ok()) return present;
  for (const FileEntry& entry : manifest_.files()) {
    if (entry.rows() == 0) continue;
    absl::StatusOr<std::string> checksum = ChecksumOfFile(RowFilePath(folder_, entry.file()));
    if (!checksum.ok()) return SnapshotReadError(checksum.status());
    if (*checksum != entry.checksum()) {
      return AsSnapshotDamage(absl::DataLossError(absl::StrCat(
          RowFilePath(folder_, entry.file()), ": damaged: its checksum does not match")));
    }
  }
  return absl::OkStatus();
}

absl::Status Snapshot::Verify() const {
  if (absl::Status whole = CheckFiles(); !whole.ok()) return whole;
  for (const FileEntry& entry : manifest_.files()) {
    if (entry.rows() == 0) continue;
    if (absl::Status sound = VerifyBlocks(folder_, entry); !sound.ok()) return sound;
  }
  const RowVisitor pass = [](TableId, RowId, std::span<const float>) { return absl::OkStatus(); };
  for (std::uint32_t p = 0; p < manifest_.partitions(); ++p) {
    if (absl::Status read = ReadPartition(PartitionId{p}, pass); !read.ok()) return read;
  }
  return absl::OkStatus();
}

std::optional<std::string> FirstDifferentTable(const Manifest& a, const Manifest& b) {
  if (a.tables_size() != b.tables_size()) {
    return absl::StrCat(a.tables_size(), " tables and ", b.tables_size());
  }
  for (int t = 0; t < a.tables_size(); ++t) {
    const std::string shape_a = Shape(a.tables(t));
    const std::string shape_b = Shape(b.tables(t));
    if (shape_a != shape_b) return absl::StrCat("table ", shape_a, " and ", shape_b);
  }
  return std::nullopt;
}

absl::StatusOr<std::optional<std::string>> FirstDifference(const Snapshot& a, const Snapshot& b) {
  if (std::optional<std::string> tables = FirstDifferentTable(a.manifest(), b.manifest())) {
    return tables;
  }
  absl::StatusOr<RowStream> stream_a = RowStream::Open(a.folder(), a.manifest());
  if (!stream_a.ok()) return stream_a.status();
  absl::StatusOr<RowStream> stream_b = RowStream::Open(b.folder(), b.manifest());
  if (!stream_b.ok()) return stream_b.status();
  RowStream::Row row_a;
  RowStream::Row row_b;
  for (;;) {
    absl::StatusOr<bool> more_a = stream_a->Next(&row_a);
    if (!more_a.ok()) return more_a.status();
    absl::StatusOr<bool> more_b = stream_b->Next(&row_b);
    if (!more_b.ok()) return more_b.status();
    // The tables have the same shape, so both end together.
    if (!*more_a) return std::nullopt;
    if (std::optional<std::size_t> k = FirstDifferentFloat(row_a.record, row_b.record)) {
      return absl::StrFormat("%s, float %d of %d: %.9g and %.9g", NameOf(a.manifest(), row_a), *k,
                             row_a.record.size(), row_a.record[*k], row_b.record[*k]);
    }
  }
}

}  // namespace cf

// The reader of row files (SST).

#include <filesystem>

#include "common/base/check.h"
#include "common/snapshot/partition_writer.h"
#include "common/snapshot/row_stream.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memory_folder.h"

namespace cf::fuzz::row_file_target {
namespace {

constexpr std::uint32_t kRows = 40;
constexpr std::size_t kFloats = 6;
constexpr RowFileId kId = {
    .time = {.generation = 1, .step = 7}, .partition = PartitionId{0}, .kind = BASE};

/// A file with the rows 0 to kRows - 1, and what a manifest says of it. No two files are alike: RocksDB
/// writes a name of its own into each.
struct SoundFile {
  FileEntry entry;
  std::string contents;
};

SoundFile MakeSoundFile() {
  const MemoryFolder folder;
  std::filesystem::create_directories(RowsFolder(folder.path()));
  absl::StatusOr<PartitionWriter> writer = PartitionWriter::Create(folder.path(), kId);
  Check(writer.ok(), "a new file can be written");
  for (std::uint32_t row = 0; row < kRows; ++row) {
    const std::vector<float> record(kFloats, static_cast<float>(row));
    Check(writer->Add(TableId{0}, RowId{row}, record).ok(), "a row can be written");
  }
  const FileEntry entry = *writer->Finish();
  return {entry, *ReadFile(RowFilePath(folder.path(), entry.file()))};
}

const SoundFile& OnlyFile() {
  static const SoundFile file = MakeSoundFile();
  return file;
}

/// Any bytes are the file that the manifest means, or an error of one line. (RocksDB itself, which
/// only sees files of the right checksum, stops the process on others.)
bool RunTarget(std::span<const std::byte> bytes) {
  static const MemoryFolder folder;
  std::filesystem::create_directories(RowsFolder(folder.path()));
  const FileEntry& entry = OnlyFile().entry;
  folder.Put(std::filesystem::path(RowFilePath("", RowFileName(kId))).relative_path(),
             TextOf(bytes));
  const auto lost = [](const absl::Status& status) {
    Check(absl::IsDataLoss(status), "a bad file is damage");
    return false;
  };
  absl::StatusOr<PartitionRows> rows = PartitionRows::Open(folder.path(), {entry});
  if (!rows.ok()) return lost(rows.status());
  for (std::uint32_t row = 0; row < kRows; ++row) {
    const absl::StatusOr<std::span<const float>> floats =
        rows->Next(TableId{0}, RowId{row}, kFloats);
    if (!floats.ok()) return lost(floats.status());
    Check(floats->size() == kFloats, "a row has the length that was asked for");
  }
  if (const absl::Status ended = rows->ExpectEnd(); !ended.ok()) return lost(ended);
  const absl::Status verified = VerifyBlocks(folder.path(), entry);
  return verified.ok() || lost(verified);
}

std::vector<std::string> Seeds() {
  return {OnlyFile().contents};
}

// A manifest has the checksum of each file: what is not as it was written is refused.
const bool kAdded = AddTarget(
    {.name = "row_file", .run = RunTarget, .seeds = Seeds, .rounds = 500, .share_min = 0});

}  // namespace
}  // namespace cf::fuzz::row_file_target

// The reader of snapshots' manifests.

#include "common/snapshot/manifest.h"

#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "common/snapshot/checksum.h"
#include "tests/fuzz/fuzz.h"

namespace cf::fuzz::manifest_target {
namespace {

constexpr std::string_view kFirstLine = "# cf snapshot manifest\n";

/// Any bytes are a manifest that prints to the same bytes' meaning, or an error of one line.
bool ReadBytes(const std::string& contents) {
  const absl::StatusOr<Manifest> manifest = ParseManifest(contents);
  if (!manifest.ok()) {
    Check(manifest.status().message().find('\n') == absl::string_view::npos,
          "an error is one line");
    return false;
  }
  Check(ValidateManifest(*manifest).ok(), "what is read is valid");
  for (const FileEntry& entry : manifest->files()) {
    Check(entry.file().find('/') == std::string::npos, "no file leads out of the folder");
  }
  const std::string printed = FormatManifest(*manifest);
  const absl::StatusOr<Manifest> again = ParseManifest(printed);
  Check(again.ok() && FormatManifest(*again) == printed, "a printed manifest reads back");
  return true;
}

/// The text of a sound manifest, without first line and checksum.
std::string SoundText() {
  const SnapshotTime time{.generation = 1, .step = 7};
  Manifest manifest;
  manifest.set_format_version(kManifestFormat);
  manifest.set_name(SnapshotName(time));
  manifest.set_generation(time.generation);
  manifest.mutable_position()->set_step(time.step);
  manifest.set_partitions(2);
  manifest.set_best_snapshot(manifest.name());
  manifest.mutable_job()->mutable_model()->mutable_matrix_factorization()->set_dim(4);
  SnapshotTable* table = manifest.add_tables();
  table->set_name("users");
  table->set_rows(10);
  table->set_dim(4);
  for (std::uint32_t p = 0; p < manifest.partitions(); ++p) {
    FileEntry* entry = manifest.add_files();
    entry->set_partition(p);
    entry->set_kind(BASE);
    entry->set_file(RowFileName({.time = time, .partition = PartitionId{p}, .kind = BASE}));
    entry->set_rows(5);
    entry->set_bytes(1000);
    entry->set_checksum("00112233445566778899aabbccddeeff");
    manifest.add_sums()->set_loss(0.1 * p);
  }
  const std::string contents = FormatManifest(manifest);
  const std::size_t end = contents.rfind("# checksum: ");
  return contents.substr(kFirstLine.size(), end - kFirstLine.size());
}

/// Reads the bytes as a whole file and as the text under a checksum that holds: the checksum would
/// otherwise keep every mutation from the parser.
bool RunTarget(std::span<const std::byte> bytes) {
  const std::string given = TextOf(bytes);
  ReadBytes(given);
  const std::string text = absl::StrCat(std::string(kFirstLine), given, "\n");
  Checksum checksum;
  checksum.Update(text.data(), text.size());
  return ReadBytes(absl::StrCat(text, "# checksum: ", checksum.Hex(), "\n"));
}

std::vector<std::string> Seeds() {
  return {SoundText()};
}

const bool kAdded = AddTarget({.name = "manifest", .run = RunTarget, .seeds = Seeds});

}  // namespace
}  // namespace cf::fuzz::manifest_target

#include "common/snapshot/manifest.h"

#include <algorithm>
#include <bit>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include "common/base/files.h"
#include "common/base/partition.h"
#include "common/base/status.h"
#include "common/config/bare_monitor.h"
#include "common/snapshot/checksum.h"

namespace cf {
namespace {

constexpr std::string_view kFirstLine = "# cf snapshot manifest\n";
constexpr std::string_view kChecksumLabel = "# checksum: ";
constexpr std::size_t kChecksumDigits = 32;
constexpr std::size_t kChecksumLine = kChecksumLabel.size() + kChecksumDigits + 1;

// Marks an error as damage, whatever its code and whoever adds context to it.
constexpr char kDamagePayload[] = "cf/snapshot-damage";

// Far more than any optimizer has: keeps the length of a record from overflowing.
constexpr std::uint32_t kMomentsMax = 64;
// Job's messages nest five deep; a bound keeps hostile input from exhausting the stack.
constexpr int kNestingMax = 32;

absl::Status Invalid(const std::string& what) {
  return absl::FailedPreconditionError(what);
}

std::string ChecksumOf(std::string_view contents) {
  Checksum checksum;
  checksum.Update(contents.data(), contents.size());
  return checksum.Hex();
}

bool IsChecksum(const std::string& digits) {
  return digits.size() == kChecksumDigits && std::all_of(digits.begin(), digits.end(), [](char c) {
           return absl::ascii_isdigit(static_cast<unsigned char>(c)) || (c >= 'a' && c <= 'f');
         });
}

/// Keeps the first error and prints nothing.
class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, int column, const std::string& message) override {
    if (text_.empty()) text_ = absl::StrCat("line ", line + 1, ":", column + 1, ": ", message);
  }
  void AddWarning(int, int, const std::string&) override {}
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

absl::Status ParseText(const std::string& text, bool unknown_fields_allowed, Manifest* manifest) {
  FirstError error;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  parser.SetRecursionLimit(kNestingMax);
  parser.AllowUnknownField(unknown_fields_allowed);
  if (parser.ParseFromString(text, manifest)) return absl::OkStatus();
  return absl::InvalidArgumentError(error.text());
}

absl::Status ValidateTables(const Manifest& manifest) {
  std::set<std::string> names;
  for (const SnapshotTable& table : manifest.tables()) {
    if (table.name().empty()) return Invalid("a table has no name");
    if (!names.insert(table.name()).second) {
      return Invalid(absl::StrCat("two tables are called ", table.name()));
    }
    if (table.slots() > kMomentsMax) {
      return Invalid(absl::StrCat("table ", table.name(), " has ", table.slots(),
                                  " optimizer moments; the most is ", kMomentsMax));
    }
    // What those steps have still to do follows from the position.
    const Position& position = manifest.position();
    if (table.last_step() && (position.steps_per_epoch() == 0 || position.step() >> 31 != 0)) {
      return Invalid(absl::StrCat("table ", table.name(), " has last steps, and ", position.step(),
                                  " steps of ", position.steps_per_epoch(), " an epoch"));
    }
  }
  return absl::OkStatus();
}

std::uint64_t RowsOfPartition(const Manifest& manifest, PartitionId partition) {
  const Partitioning partitioning(manifest.partitions());
  std::uint64_t rows = 0;
  for (const SnapshotTable& table : manifest.tables()) {
    rows += partitioning.RowsIn(partition, table.rows());
  }
  return rows;
}

/// The attempt that stands at the end of a row file's name; 0 where none does.
std::uint32_t AttemptOfName(const std::string& file) {
  const std::size_t dash = file.rfind('-');
  const std::size_t dot = file.rfind('.');
  std::uint32_t attempt = 0;
  if (dash == file.npos || dot == file.npos || dot < dash ||
      !absl::SimpleAtoi(file.substr(dash + 1, dot - dash - 1), &attempt)) {
    return 0;
  }
  return attempt;
}

/// What an entry must be by itself. Its name is compared with the one it must have, so that it can
/// never lead out of the folder.
absl::Status ValidateEntry(const Manifest& manifest, const FileEntry& entry) {
  if (entry.rows() == 0) {
    if (entry.file().empty() && entry.bytes() == 0) return absl::OkStatus();
    return Invalid(absl::StrCat("file \"", entry.file(), "\" has no rows"));
  }
  const std::optional<SnapshotTime> time = TimeOfName(entry.file());
  if (!time || entry.file() != RowFileName({.time = *time,
                                            .partition = PartitionId{entry.partition()},
                                            .kind = entry.kind(),
                                            .attempt = AttemptOfName(entry.file())})) {
    return Invalid(absl::StrCat("\"", entry.file(), "\" is not a name for a row file of partition ",
                                entry.partition()));
  }
  if (*time > TimeOf(manifest)) {
    return Invalid(absl::StrCat("file ", entry.file(), " is newer than the snapshot"));
  }
  if (!IsChecksum(entry.checksum())) {
    return Invalid(absl::StrCat("file ", entry.file(), " has no checksum of 32 hex digits"));
  }
  const std::uint64_t rows = RowsOfPartition(manifest, PartitionId{entry.partition()});
  if (entry.kind() == BASE ? entry.rows() != rows : entry.rows() > rows) {
    return Invalid(absl::StrCat("file ", entry.file(), " has ", entry.rows(),
                                " rows where partition ", entry.partition(), " has ", rows));
  }
  return absl::OkStatus();
}

/// Each partition in turn: one base, then deltas from the oldest to the newest.
absl::Status ValidateFiles(const Manifest& manifest) {
  std::uint32_t partitions_begun = 0;
  const FileEntry* before = nullptr;  // The last in the chain so far that has a file.
  for (const FileEntry& entry : manifest.files()) {
    if (entry.partition() >= manifest.partitions()) {
      return Invalid(absl::StrCat("partition ", entry.partition(), " of ", manifest.partitions()));
    }
    if (entry.kind() == BASE && entry.partition() == partitions_begun) {
      ++partitions_begun;
      before = nullptr;
      if (entry.rows() == 0 && RowsOfPartition(manifest, PartitionId{entry.partition()}) != 0) {
        return Invalid(absl::StrCat("the base of partition ", entry.partition(), " has no rows"));
      }
    } else if (entry.kind() != DELTA || entry.partition() + 1 != partitions_begun) {
      return Invalid(absl::StrCat("file \"", entry.file(), "\" of partition ", entry.partition(),
                                  " is out of order"));
    }
    if (absl::Status valid = ValidateEntry(manifest, entry); !valid.ok()) return valid;
    if (entry.rows() == 0) continue;
    if (before != nullptr && TimeOfName(entry.file()) <= TimeOfName(before->file())) {
      return Invalid(absl::StrCat("file ", entry.file(), " is not newer than the one before it"));
    }
    before = &entry;
  }
  if (partitions_begun == manifest.partitions()) return absl::OkStatus();
  return Invalid(absl::StrCat("partition ", partitions_begun, " has no base"));
}

}  // namespace

SnapshotTime TimeOf(const Manifest& manifest) {
  return {.generation = manifest.generation(), .step = manifest.position().step()};
}

std::string SnapshotName(const SnapshotTime& time) {
  return absl::StrFormat("g%06d-s%012d.manifest", time.generation, time.step);
}

std::string RowFileName(const RowFileId& id) {
  return absl::StrFormat("g%06d-s%012d-p%05d-%s%s.sst", id.time.generation, id.time.step,
                         Index(id.partition), id.kind == BASE ? "base" : "delta",
                         id.attempt > 0 ? absl::StrCat("-", id.attempt) : "");
}

std::string RowsFolder(const std::string& folder) {
  return folder + "/rows";
}

std::string RowFilePath(const std::string& folder, const std::string& file) {
  return absl::StrCat(RowsFolder(folder), "/", file);
}

std::optional<SnapshotTime> TimeOfName(std::string_view name) {
  const auto number = [&name](std::string_view label) -> std::optional<std::uint64_t> {
    if (!name.starts_with(label)) return std::nullopt;
    name.remove_prefix(label.size());
    const std::size_t end = std::min(name.find_first_not_of("0123456789"), name.size());
    const std::string digits(name.substr(0, end));
    name.remove_prefix(end);
    std::uint64_t value = 0;
    if (!absl::SimpleAtoi(digits, &value)) return std::nullopt;
    return value;
  };
  const std::optional<std::uint64_t> generation = number("g");
  if (!generation) return std::nullopt;
  const std::optional<std::uint64_t> step = number("-s");
  if (!step || !(name.starts_with(".") || name.starts_with("-"))) return std::nullopt;
  return SnapshotTime{.generation = *generation, .step = *step};
}

std::size_t RecordFloats(const SnapshotTable& table) {
  return (std::size_t{1} + table.slots()) * (std::size_t{table.dim()} + (table.bias() ? 1 : 0)) +
         (table.last_step() ? 1 : 0);
}

std::vector<double> PlateauFactorsOf(const Manifest& manifest) {
  if (!manifest.has_plateau()) return {};
  const SnapshotPlateau& plateau = manifest.plateau();
  std::vector<double> factors(plateau.past_factors().begin(), plateau.past_factors().end());
  factors.push_back(plateau.factor());
  return factors;
}

/// Whether blocks that are done have all done that they need.
absl::Status ValidatePosition(const Manifest& manifest) {
  const auto& next = manifest.position().partition_sub_epochs();
  if (next.empty()) return absl::OkStatus();
  const auto partitions = static_cast<int>(manifest.partitions());
  if (next.size() != partitions || std::ranges::min(next) != manifest.position().sub_epoch()) {
    return Invalid("the partitions' sub-epochs are not those of all, from the least on");
  }
  for (int p = 0; p < partitions; ++p) {
    if (next[p] > next[(p + 1) % partitions] + 1) {
      return Invalid(absl::StrCat("partition ", p, " is done with a block before what it needs"));
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateManifest(const Manifest& manifest) {
  if (manifest.format_version() != kManifestFormat) {
    return Invalid(absl::StrCat("the manifest has format version ", manifest.format_version(),
                                "; this program knows ", kManifestFormat));
  }
  if (manifest.name() != SnapshotName(TimeOf(manifest))) {
    return Invalid(absl::StrCat("the snapshot is called \"", manifest.name(), "\", not ",
                                SnapshotName(TimeOf(manifest))));
  }
  if (!std::has_single_bit(manifest.partitions()) || manifest.partitions() > kPartitionsMax) {
    return Invalid(absl::StrCat(manifest.partitions(),
                                " partitions; expected a power of two up to ", kPartitionsMax));
  }
  const auto sums = static_cast<std::uint32_t>(manifest.sums_size());
  if (sums != 0 && sums != manifest.partitions()) {
    return Invalid(
        absl::StrCat("sums of ", sums, " partitions where there are ", manifest.partitions()));
  }
  if (!manifest.best_snapshot().empty()) {
    const std::optional<SnapshotTime> best = TimeOfName(manifest.best_snapshot());
    if (!best || manifest.best_snapshot() != SnapshotName(*best) || *best > TimeOf(manifest)) {
      return Invalid(absl::StrCat("\"", manifest.best_snapshot(),
                                  "\" is not the name of this or an earlier snapshot"));
    }
  }
  if (absl::Status valid = ValidatePosition(manifest); !valid.ok()) return valid;
  if (absl::Status valid = ValidateTables(manifest); !valid.ok()) return valid;
  return ValidateFiles(manifest);
}

std::string FormatManifest(const Manifest& manifest) {
  google::protobuf::TextFormat::Printer printer;
  printer.SetUseUtf8StringEscaping(true);
  std::string text;
  printer.PrintToString(manifest, &text);
  text.insert(0, kFirstLine);
  const std::string checksum = ChecksumOf(text);
  return text.append(kChecksumLabel).append(checksum).append("\n");
}

absl::StatusOr<Manifest> ParseManifest(std::string_view contents) {
  if (!contents.starts_with(kFirstLine)) {
    return absl::InvalidArgumentError("not the manifest of a snapshot");
  }
  if (contents.size() < kChecksumLine) return absl::DataLossError("the manifest is cut short");
  const std::string_view text = contents.substr(0, contents.size() - kChecksumLine);
  std::string_view last = contents.substr(text.size());
  if (!text.ends_with('\n') || !last.starts_with(kChecksumLabel) || !last.ends_with('\n')) {
    return absl::DataLossError("the manifest is cut short: its last line is not its checksum");
  }
  last = last.substr(kChecksumLabel.size(), kChecksumDigits);
  if (last != ChecksumOf(text)) {
    return absl::DataLossError("the manifest is damaged: its checksum does not match");
  }

  // The version first, past fields that only a later program knows.
  Manifest manifest;
  const std::string readable = QuoteBareMonitor(std::string(text));
  absl::Status parsed = ParseText(readable, true, &manifest);
  if (!parsed.ok()) return parsed;
  if (manifest.format_version() == kManifestFormat) {
    manifest.Clear();
    parsed = ParseText(readable, false, &manifest);
    if (!parsed.ok()) return parsed;
  }
  absl::Status valid = ValidateManifest(manifest);
  if (!valid.ok()) return valid;
  return manifest;
}

bool HasSoundChecksum(std::string_view contents) {
  if (contents.size() < kChecksumLine) return false;
  const std::string_view text = contents.substr(0, contents.size() - kChecksumLine);
  std::string last(kChecksumLabel);
  last.append(ChecksumOf(text)).append("\n");
  return contents.ends_with(last);
}

absl::Status AsSnapshotDamage(absl::Status error) {
  error.SetPayload(kDamagePayload, absl::Cord());
  return error;
}

bool IsSnapshotDamage(const absl::Status& error) {
  return error.GetPayload(kDamagePayload).has_value();
}

absl::Status SnapshotReadError(const absl::Status& error) {
  const bool damage = absl::IsNotFound(error) || absl::IsInternal(error);
  return damage ? AsSnapshotDamage(error) : error;
}

absl::StatusOr<Manifest> ReadManifest(const std::string& path) {
  if (IsInPlaceOfAFile(path)) {
    return AsSnapshotDamage(absl::InvalidArgumentError(path + ": not a file"));
  }
  std::error_code error;
  const std::uintmax_t bytes = std::filesystem::file_size(path, error);
  if (error) return SnapshotReadError(ErrnoError(error.value(), path));
  if (bytes > kManifestBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", bytes, " bytes are too many for the manifest of a snapshot"));
  }
  absl::StatusOr<std::string> contents = ReadFile(path);
  if (!contents.ok()) return SnapshotReadError(contents.status());
  absl::StatusOr<Manifest> manifest = ParseManifest(*contents);
  if (!manifest.ok()) {
    const absl::Status why = Because(manifest.status(), path);
    return HasSoundChecksum(*contents) ? why : AsSnapshotDamage(why);
  }
  return manifest;
}

absl::Status CheckRowFiles(const std::string& folder, const Manifest& manifest) {
  for (const FileEntry& entry : manifest.files()) {
    if (entry.rows() == 0) continue;
    const std::string path = RowFilePath(folder, entry.file());
    if (IsInPlaceOfAFile(path)) {
      return AsSnapshotDamage(absl::DataLossError(path + ": not a file"));
    }
    std::error_code error;
    const std::uintmax_t bytes = std::filesystem::file_size(path, error);
    if (error) {
      const absl::Status why = SnapshotReadError(ErrnoError(error.value(), path));
      return IsSnapshotDamage(why) ? AsSnapshotDamage(absl::DataLossError(why.message())) : why;
    }
    if (bytes != entry.bytes()) {
      return AsSnapshotDamage(absl::DataLossError(
          absl::StrCat(path, ": has ", bytes, " bytes where its snapshot says ", entry.bytes())));
    }
  }
  return absl::OkStatus();
}

}  // namespace cf

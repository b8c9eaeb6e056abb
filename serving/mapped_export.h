#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/base/files.h"
#include "common/dataset/dataset.pb.h"
#include "common/snapshot/manifest.pb.h"
#include "serving/catalogue.h"
#include "serving/weight_table.h"

namespace cf {

class ExportedModel;
class ModelDescription;

/// An npy export (docs/export_format.md) that is served from: what it says of itself, and its arrays
/// as files that are mapped. However large it is, opening it reads a few kilobytes: an array is
/// looked at where it is used, by code that bears with whatever numbers are in it.
///
/// Owner:   whoever opened it; what is mapped of it needs it no longer.
/// Threads: any; constant.
/// Bounds:  model.json and the description.
class MappedExport {
 public:
  /// Whether there is a folder of that name with a model.json in it.
  static bool IsAt(const std::string& path);

  /// FailedPrecondition, in one line: the export is of another format or from before exports were
  /// served, or from a later program. DataLoss: its description is not what model.json says. Links
  /// are followed once, so that all of it is of one export where somebody swaps a link.
  static absl::StatusOr<MappedExport> Open(const std::string& path);

  MappedExport(MappedExport&&) noexcept;
  MappedExport& operator=(MappedExport&&) noexcept;
  ~MappedExport();

  /// As it was called when it was opened.
  const std::string& path() const { return path_; }
  /// The snapshot's manifest, without its row files and what tells of the machine.
  const Manifest& manifest() const;
  /// The snapshot's digest, as `cfsnapshot digest` prints it.
  const std::string& digest() const;

  /// A file NAME.npy. DataLoss unless it is an array of exactly that type and shape.
  absl::StatusOr<MappedFile> Array(const std::string& name, const std::string& descr,
                                   const std::vector<std::uint64_t>& shape) const;
  /// A table of vectors, as they are or padded. Biases are in another array; empty: it has none.
  absl::StatusOr<WeightTable> Table(const std::string& name, std::uint32_t rows, std::uint32_t dim,
                                    const std::string& biases) const;
  /// The row of the newest sample, of a feature of samples; else 0. DataLoss: the export lacks the
  /// feature, or has no such row.
  absl::StatusOr<RowId> NewestOf(const std::string& feature, std::uint32_t rows) const;
  /// By row: a genre, year or weekday.
  std::vector<std::string> NamesOf(const std::string& feature) const;

  /// Everything but the weights. DataLoss: an array is missing or of another form.
  absl::StatusOr<Catalogue> MakeCatalogue() const;

  /// Unavailable if the folder has another export now than when it was opened: what was mapped may
  /// be of both.
  absl::Status CheckUnchanged() const;

  /// Reads every file. DataLoss names the first whose checksum is not the one in model.json.
  absl::Status Verify() const;
  std::uint64_t files() const;
  /// Of all files but model.json.
  std::uint64_t bytes() const;

 private:
  MappedExport();
  absl::Status ReadDescription();
  absl::StatusOr<DatasetColumns> MapColumns() const;
  absl::Status MapText(const std::string& name, std::uint64_t rows, TextColumn& text) const;
  absl::Status MapRawIds(const std::string& name, std::uint64_t rows, bool numeric,
                         RawIdColumn& ids) const;
  // An array of one extent, however long it is.
  absl::StatusOr<MappedFile> List(const std::string& name, const std::string& descr) const;
  std::string FileOf(const std::string& name) const;
  absl::Status Damaged(const std::string& file, const std::string& what) const;

  std::string path_;
  std::string folder_;  // Where links lead.
  std::string model_text_;
  std::unique_ptr<ExportedModel> model_;
  std::unique_ptr<ModelDescription> description_;
};

}  // namespace cf

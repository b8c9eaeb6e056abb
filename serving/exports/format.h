#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <absl/status/status.h>

#include "common/snapshot/snapshot.h"
#include "serving/catalogue.h"
#include "serving/exports/export.pb.h"
#include "serving/exports/export_files.h"
#include "serving/exports/precision.h"
#include "serving/served_model.h"

namespace cf {

/// What is exported: a model with the data set that it was trained on. All three outlive it, and
/// belong together.
struct ExportSubject {
  const Snapshot& snapshot;
  const ServedModel& model;
  const Catalogue& catalogue;
};

/// How a model is exported.
struct ExportOptions {
  std::string format = "npy";  ///< Of ExportFormats().
  std::string folder = {};
  bool overwrite = false;  ///< Whether an earlier export in its place may be replaced.
  Precision precision = Precision::kFloat32;
  /// Of ONNX: tables of more MiB together are in a file of their own. A reader of protobuf takes 2 GiB,
  /// and a graph has more than tables.
  std::uint32_t single_file_mib_max = 1024;
  std::string index = {};  ///< Of an index of vectors: its kind; empty: the format's own choice.
};

/// A way to write a model for programs that are not ours. A format is a function in a file of its
/// own that returns one of these, and an entry of the list in formats.cc; what formats share is in
/// export_files.h (the folder), model_json.h and row_names.h.
///
/// Owner:   the format's file; constant.
/// Threads: any.
struct ExportFormat {
  const char* name;  ///< As --format has it.
  const char* what;  ///< What is written, in a few words for help.
  /// Those that it has.
  std::vector<Precision> precisions = {Precision::kFloat32};
  bool takes_index = false;  ///< Whether ExportOptions::index is for it.
  /// FailedPrecondition: the format cannot carry that model; says why in a line. Called before
  /// anything is written.
  absl::Status (*check)(const ExportSubject& subject, const ExportOptions& options) = nullptr;
  /// Writes everything but model.json into `files`; adds to `model` what only the format knows.
  absl::Status (*write)(const ExportSubject& subject, const ExportOptions& options,
                        ExportFiles& files, ExportedModel& model) = nullptr;
};

/// All formats, the default first.
std::span<const ExportFormat> ExportFormats();

}  // namespace cf

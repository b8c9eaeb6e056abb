#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "serving/exports/arrays.h"
#include "serving/exports/export_files.h"
#include "serving/exports/format.h"

namespace cf {

/// The copy of an array of vectors whose rows are filled up with zeros to a multiple of 64 bytes, as
/// kernels read them where they are mapped.
///
/// Owner:   who writes the array.
/// Threads: one.
/// Bounds:  a row.
class PaddedRows {
 public:
  /// Whether the array has vectors that are read as they are, and rows of another length.
  static bool Need(const ModelArray& array);
  /// Requires: Need(array). Errors are OutputFile's.
  static absl::StatusOr<PaddedRows> Create(const ModelArray& array, ExportFiles& files);

  /// Takes elements of the array, in order.
  void Write(const void* elements, std::size_t bytes);
  absl::Status Close() { return file_.Close(); }

 private:
  PaddedRows(ExportFile file, std::size_t dim, std::size_t padded_dim);

  ExportFile file_;
  std::size_t dim_;
  std::vector<float> row_;
  std::size_t filled_ = 0;  // Floats of it that are there.
};

/// Writes what serving needs beside the arrays of the model: raw ids and titles with the order to
/// find them by, ratings, counts, and the description of model and data set.
absl::Status WriteNpyIndex(const ExportSubject& subject, ExportFiles& files);

}  // namespace cf

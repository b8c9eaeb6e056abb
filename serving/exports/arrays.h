#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <absl/status/status.h>

#include "serving/exports/format.h"

namespace cf {

/// What an array is made of, little-endian.
enum class ElementType : std::uint8_t { kFloat32, kFloat16, kInt32, kInt64, kInt8, kBool };

std::size_t BytesOf(ElementType type);

/// Whose rows the first extent of an array counts.
enum class RowsOf : std::uint8_t { kUser, kItem, kOther };

/// Takes whole elements of an array, in order; an error ends the array.
using TakeElements = std::function<absl::Status(const void* elements, std::size_t bytes)>;

/// An array of a model, which need not be in memory.
///
/// Owner:   the format that writes it; the subject that it is of outlives it.
/// Threads: one.
struct ModelArray {
  std::string name;
  ElementType type = ElementType::kFloat32;
  RowsOf rows_of = RowsOf::kOther;
  std::vector<std::uint64_t> shape;  ///< One or two extents, in C order.
  /// Gives out all elements in pieces, which are whole rows of a table of vectors; returns the first error. DataLoss and FailedPrecondition as
  /// ServedModel::VisitUsers.
  std::function<absl::Status(const TakeElements& take)> visit;
};

/// Of all its elements.
std::uint64_t BytesOf(const ModelArray& array);

/// All arrays of a model, as docs/export_format.md names them. Whoever visits the users' vectors
/// before their biases reads the rows once.
std::vector<ModelArray> ArraysOf(const ExportSubject& subject);

}  // namespace cf

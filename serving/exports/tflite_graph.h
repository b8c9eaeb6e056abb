#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "serving/exports/arrays.h"
#include "serving/exports/tflite_file.h"

namespace cf {

/// A TensorFlow Lite model while it is put together: constants, and for each signature a graph that
/// uses them (docs/exports.md).
///
/// Owner:   the format.
/// Threads: one.
/// Bounds:  the constants, which are below 2 GiB.
class TfliteModel {
 public:
  /// A tensor of the graph that is being made.
  using Value = std::int32_t;

  /// Begins the graph of a signature; what follows belongs to it.
  void BeginGraph(const std::string& signature);

  /// Row numbers, int32 of any number.
  Value Input(const std::string& name);
  /// Makes `value` an output of that name.
  void Output(const std::string& name, Value value);

  /// A constant, which graphs share by its name. FailedPrecondition: all together would be larger
  /// than the format can be. Else errors are the array's.
  absl::StatusOr<Value> Table(const ModelArray& array);
  Value Floats(const std::string& name, const std::vector<float>& values,
               const std::vector<std::int32_t>& shape);

  // Extents of -1 are as many as there are row numbers.

  /// Rows of a table.
  Value Gather(Value table, Value rows);
  /// Halves as floats.
  Value Dequantize(Value halves);
  /// Steps of int8 as floats.
  Value Cast(Value steps);
  Value Add(Value a, Value b);
  Value Multiply(Value a, Value b);
  Value Logistic(Value a);
  /// Two matrices side by side.
  Value Concatenate(Value a, Value b);
  /// The sum of each row.
  Value RowSums(Value matrix);
  /// activation(input * weights^T + bias); weights are by unit and then input.
  Value Dense(Value input, Value weights, Value bias, bool relu);

  /// What was put together.
  TfliteFile& file() { return file_; }

 private:
  Value AddTensor(TfliteTensor tensor);
  Value AddOperation(TfliteOperation operation, TfliteTensor output);
  Value AddConstant(const std::string& name, std::size_t constant);
  const TfliteTensor& At(Value value) const;

  TfliteFile file_;
};

}  // namespace cf

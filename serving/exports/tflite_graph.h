#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <absl/status/statusor.h>

#include "serving/exports/arrays.h"

namespace cf {

/// A TensorFlow Lite model while it is put together: constants, and for each signature a graph that
/// uses them. Numbers of operators, types and fields are the format's (docs/exports.md).
///
/// Owner:   the format.
/// Threads: one.
/// Bounds:  the constants twice while Serialize runs; at most 2 GiB.
class TfliteModel {
 public:
  /// A tensor of the graph that is being made.
  using Value = std::int32_t;

  TfliteModel();
  ~TfliteModel();
  TfliteModel(const TfliteModel&) = delete;
  TfliteModel& operator=(const TfliteModel&) = delete;

  /// Begins the graph of a signature; what follows belongs to it.
  void BeginGraph(const std::string& signature);

  /// Row numbers, int32 of any number.
  Value Input(const std::string& name);
  /// Makes `value` an output of that name.
  void Output(const std::string& name, Value value);

  /// A constant, which graphs share by its name. Errors are the array's.
  absl::StatusOr<Value> Table(const ModelArray& array);
  Value Floats(const std::string& name, const std::vector<float>& values,
               const std::vector<std::int32_t>& shape);

  // Extents of -1 are as many as there are row numbers.

  /// Rows of a table.
  Value Gather(Value table, Value rows);
  /// Halves as floats.
  Value Dequantize(Value halves);
  Value Add(Value a, Value b);
  Value Multiply(Value a, Value b);
  Value Logistic(Value a);
  /// Two matrices side by side.
  Value Concatenate(Value a, Value b);
  /// The sum of each row.
  Value RowSums(Value matrix);
  /// activation(input * weights^T + bias); weights are by unit and then input.
  Value Dense(Value input, Value weights, Value bias, bool relu);

  /// The file. FailedPrecondition: it would be larger than the format can be.
  absl::StatusOr<std::string> Serialize(const std::string& description) const;

 private:
  struct Tensor;
  struct Operation;
  struct Graph;
  struct Constant;

  Value AddTensor(Tensor tensor);
  Value AddOperation(Operation operation, Tensor output);
  Value AddConstant(const std::string& name, std::size_t constant);
  const Tensor& At(Value value) const;

  std::vector<Constant> constants_;
  std::vector<Graph> graphs_;
};

}  // namespace cf

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "serving/exports/arrays.h"
#include "serving/exports/export_files.h"
#include "serving/exports/onnx.pb.h"

namespace cf {

/// Where the tables of an export's graphs are: inside each graph or, where that would be more than a
/// reader of protobuf takes, once for all in a file beside them.
///
/// Owner:   the format; the ExportFiles outlive it.
/// Threads: one.
/// Bounds:  a table that is inside is in memory while its graph is.
class OnnxTables {
 public:
  OnnxTables(ExportFiles* files, bool beside) : files_(files), beside_(beside) {}

  /// Fills `tensor` with the array, or with its place. Errors are the array's and the file's.
  absl::Status Fill(const ModelArray& array, onnx::TensorProto& tensor);

  /// To be called when all graphs are made.
  absl::Status Close();

 private:
  struct Place {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
  };
  absl::Status WriteBeside(const ModelArray& array);

  ExportFiles* files_;
  bool beside_;
  std::optional<ExportFile> file_;
  std::map<std::string, Place> places_;  // By array.
};

/// A value of a graph: what a node or an input is called.
using OnnxValue = std::string;

/// An ONNX graph while it is put together: nodes in the order of their making.
///
/// Owner:   the function that makes the graph; the OnnxTables outlive it.
/// Threads: one.
class OnnxGraph {
 public:
  /// Extents of inputs and outputs that are not fixed have a name.
  using Shape = std::vector<std::string>;

  OnnxGraph(const std::string& name, OnnxTables* tables);

  OnnxValue Input(const std::string& name, onnx::TensorProto::DataType type, const Shape& shape);
  /// Makes `value` an output of that name.
  void Output(const std::string& name, const OnnxValue& value, onnx::TensorProto::DataType type,
              const Shape& shape);

  /// Constants.
  OnnxValue Floats(const std::vector<float>& values, const std::vector<std::int64_t>& dims);
  OnnxValue Ints(const std::vector<std::int64_t>& values);
  OnnxValue Strings(const std::vector<std::string>& values);
  /// A table. Errors are OnnxTables::Fill's.
  absl::StatusOr<OnnxValue> Table(const ModelArray& array);

  OnnxValue Node(const std::string& operation, const std::vector<OnnxValue>& inputs);
  /// With one attribute that is a number.
  OnnxValue Node(const std::string& operation, const std::vector<OnnxValue>& inputs,
                 const std::string& attribute, std::int64_t value);
  /// TopK, which has two values: the numbers, and where they stand.
  std::pair<OnnxValue, OnnxValue> TopK(const OnnxValue& of, const OnnxValue& k);
  /// The row of each raw id, `unknown` where it has none. Raw ids are what `type` says.
  OnnxValue Rows(const OnnxValue& ids, const std::vector<std::string>& raw_ids,
                 onnx::TensorProto::DataType type);

  /// The whole model. FailedPrecondition: it is larger than any reader takes.
  absl::StatusOr<std::string> Serialize(const std::string& description) const;

 private:
  onnx::NodeProto& AddNode(const std::string& operation, const std::vector<OnnxValue>& inputs);
  onnx::TensorProto& AddConstant(onnx::TensorProto::DataType type,
                                 const std::vector<std::int64_t>& dims);
  std::string NextName() { return "v" + std::to_string(next_++); }

  OnnxTables* tables_;
  onnx::ModelProto model_;
  int next_ = 0;
};

}  // namespace cf

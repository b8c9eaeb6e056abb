#include "serving/exports/onnx_graph.h"

#include <limits>
#include <utility>

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

namespace cf {
namespace {

// What old and new readers know (docs/exports.md).
constexpr std::int64_t kFormatVersion = 8;
constexpr std::int64_t kOperators = 13;
constexpr std::int64_t kLearningOperators = 2;  // Of "ai.onnx.ml".
constexpr char kLearningDomain[] = "ai.onnx.ml";

constexpr char kTablesFile[] = "weights.bin";
// Readers map tables from a multiple of a page on.
constexpr std::uint64_t kPage = 4096;

onnx::TensorProto::DataType DataTypeOf(ElementType type) {
  switch (type) {
    case ElementType::kFloat32:
      return onnx::TensorProto::FLOAT;
    case ElementType::kFloat16:
      return onnx::TensorProto::FLOAT16;
    case ElementType::kInt64:
      return onnx::TensorProto::INT64;
    case ElementType::kInt8:
      return onnx::TensorProto::INT8;
    case ElementType::kInt32:
    case ElementType::kBool:
      break;
  }
  return onnx::TensorProto::UNDEFINED;
}

void AddEntry(const char* key, const std::string& value,
              google::protobuf::RepeatedPtrField<onnx::StringStringEntryProto>& entries) {
  onnx::StringStringEntryProto& entry = *entries.Add();
  entry.set_key(key);
  entry.set_value(value);
}

void Describe(const std::string& name, onnx::TensorProto::DataType type,
              const OnnxGraph::Shape& shape, onnx::ValueInfoProto& value) {
  value.set_name(name);
  onnx::TypeProto::Tensor& tensor = *value.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(type);
  tensor.mutable_shape();  // A single number has no extents, but a shape.
  for (const std::string& extent : shape) {
    onnx::TensorShapeProto::Dimension& dimension = *tensor.mutable_shape()->add_dim();
    std::int64_t fixed = 0;
    if (absl::SimpleAtoi(extent, &fixed)) {
      dimension.set_dim_value(fixed);
    } else {
      dimension.set_dim_param(extent);
    }
  }
}

}  // namespace

absl::Status OnnxTables::WriteBeside(const ModelArray& array) {
  if (!file_.has_value()) {
    absl::StatusOr<ExportFile> file = files_->Create(kTablesFile);
    if (!file.ok()) return file.status();
    file_.emplace(*std::move(file));
  }
  file_->Write(std::string((kPage - file_->bytes() % kPage) % kPage, '\0'));
  places_[array.name] = {.offset = file_->bytes(), .length = BytesOf(array)};
  return array.visit([this](const void* elements, std::size_t bytes) {
    file_->Write(elements, bytes);
    return file_->status();
  });
}

absl::Status OnnxTables::Fill(const ModelArray& array, onnx::TensorProto& tensor) {
  tensor.set_data_type(DataTypeOf(array.type));
  for (const std::uint64_t extent : array.shape) {
    tensor.add_dims(static_cast<std::int64_t>(extent));
  }
  if (!beside_) {
    std::string& data = *tensor.mutable_raw_data();
    data.reserve(BytesOf(array));
    return array.visit([&data](const void* elements, std::size_t bytes) {
      data.append(static_cast<const char*>(elements), bytes);
      return absl::OkStatus();
    });
  }
  if (!places_.contains(array.name)) {
    if (absl::Status written = WriteBeside(array); !written.ok()) return written;
  }
  const Place& place = places_[array.name];
  tensor.set_data_location(onnx::TensorProto::EXTERNAL);
  AddEntry("location", kTablesFile, *tensor.mutable_external_data());
  AddEntry("offset", absl::StrCat(place.offset), *tensor.mutable_external_data());
  AddEntry("length", absl::StrCat(place.length), *tensor.mutable_external_data());
  return absl::OkStatus();
}

absl::Status OnnxTables::Close() {
  return file_.has_value() ? file_->Close() : absl::OkStatus();
}

OnnxGraph::OnnxGraph(const std::string& name, OnnxTables* tables) : tables_(tables) {
  model_.set_ir_version(kFormatVersion);
  model_.set_producer_name("cfsnapshot");
  model_.mutable_graph()->set_name(name);
  onnx::OperatorSetIdProto& operators = *model_.add_opset_import();
  operators.set_domain("");
  operators.set_version(kOperators);
  onnx::OperatorSetIdProto& learning = *model_.add_opset_import();
  learning.set_domain(kLearningDomain);
  learning.set_version(kLearningOperators);
}

OnnxValue OnnxGraph::Input(const std::string& name, onnx::TensorProto::DataType type,
                           const Shape& shape) {
  Describe(name, type, shape, *model_.mutable_graph()->add_input());
  return name;
}

void OnnxGraph::Output(const std::string& name, const OnnxValue& value,
                       onnx::TensorProto::DataType type, const Shape& shape) {
  onnx::NodeProto& node = AddNode("Identity", {value});
  *node.mutable_output(0) = name;
  Describe(name, type, shape, *model_.mutable_graph()->add_output());
}

onnx::TensorProto& OnnxGraph::AddConstant(onnx::TensorProto::DataType type,
                                          const std::vector<std::int64_t>& dims) {
  onnx::TensorProto& tensor = *model_.mutable_graph()->add_initializer();
  tensor.set_name(NextName());
  tensor.set_data_type(type);
  for (const std::int64_t dim : dims) tensor.add_dims(dim);
  return tensor;
}

OnnxValue OnnxGraph::Floats(const std::vector<float>& values,
                            const std::vector<std::int64_t>& dims) {
  onnx::TensorProto& tensor = AddConstant(onnx::TensorProto::FLOAT, dims);
  tensor.set_raw_data(values.data(), values.size() * sizeof(float));
  return tensor.name();
}

OnnxValue OnnxGraph::Ints(const std::vector<std::int64_t>& values) {
  onnx::TensorProto& tensor =
      AddConstant(onnx::TensorProto::INT64, {static_cast<std::int64_t>(values.size())});
  tensor.set_raw_data(values.data(), values.size() * sizeof(std::int64_t));
  return tensor.name();
}

OnnxValue OnnxGraph::Strings(const std::vector<std::string>& values) {
  onnx::TensorProto& tensor =
      AddConstant(onnx::TensorProto::STRING, {static_cast<std::int64_t>(values.size())});
  for (const std::string& value : values) tensor.add_string_data(value);
  return tensor.name();
}

absl::StatusOr<OnnxValue> OnnxGraph::Table(const ModelArray& array) {
  onnx::TensorProto& tensor = *model_.mutable_graph()->add_initializer();
  tensor.set_name(array.name);
  if (absl::Status filled = tables_->Fill(array, tensor); !filled.ok()) return filled;
  return tensor.name();
}

onnx::NodeProto& OnnxGraph::AddNode(const std::string& operation,
                                    const std::vector<OnnxValue>& inputs) {
  onnx::NodeProto& node = *model_.mutable_graph()->add_node();
  node.set_op_type(operation);
  for (const OnnxValue& input : inputs) node.add_input(input);
  node.add_output(NextName());
  node.set_name(absl::StrCat(operation, "_", node.output(0)));
  return node;
}

OnnxValue OnnxGraph::Node(const std::string& operation, const std::vector<OnnxValue>& inputs) {
  return AddNode(operation, inputs).output(0);
}

OnnxValue OnnxGraph::Node(const std::string& operation, const std::vector<OnnxValue>& inputs,
                          const std::string& attribute, std::int64_t value) {
  onnx::NodeProto& node = AddNode(operation, inputs);
  onnx::AttributeProto& number = *node.add_attribute();
  number.set_name(attribute);
  number.set_type(onnx::AttributeProto::INT);
  number.set_i(value);
  return node.output(0);
}

std::pair<OnnxValue, OnnxValue> OnnxGraph::TopK(const OnnxValue& of, const OnnxValue& k) {
  onnx::NodeProto& node = AddNode("TopK", {of, k});
  node.add_output(NextName());
  return {node.output(0), node.output(1)};
}

OnnxValue OnnxGraph::Rows(const OnnxValue& ids, const std::vector<std::string>& raw_ids,
                          onnx::TensorProto::DataType type) {
  onnx::NodeProto& node = AddNode("LabelEncoder", {ids});
  node.set_domain(kLearningDomain);
  onnx::AttributeProto& keys = *node.add_attribute();
  onnx::AttributeProto& rows = *node.add_attribute();
  rows.set_name("values_int64s");
  rows.set_type(onnx::AttributeProto::INTS);
  const bool numbers = type == onnx::TensorProto::INT64;
  keys.set_name(numbers ? "keys_int64s" : "keys_strings");
  keys.set_type(numbers ? onnx::AttributeProto::INTS : onnx::AttributeProto::STRINGS);
  for (std::size_t row = 0; row < raw_ids.size(); ++row) {
    rows.add_ints(static_cast<std::int64_t>(row));
    std::int64_t number = 0;
    if (!numbers) {
      keys.add_strings(raw_ids[row]);
    } else if (absl::SimpleAtoi(raw_ids[row], &number)) {
      keys.add_ints(number);
    }
  }
  onnx::AttributeProto& unknown = *node.add_attribute();
  unknown.set_name("default_int64");
  unknown.set_type(onnx::AttributeProto::INT);
  unknown.set_i(static_cast<std::int64_t>(raw_ids.size()));
  return node.output(0);
}

absl::StatusOr<std::string> OnnxGraph::Serialize(const std::string& description) const {
  onnx::ModelProto described = model_;
  AddEntry("model", description, *described.mutable_metadata_props());
  std::string bytes;
  if (described.ByteSizeLong() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      !described.SerializeToString(&bytes)) {
    return absl::FailedPreconditionError(
        absl::StrCat("the graph ", model_.graph().name(),
                     " is over 2 GiB without its tables, which no reader of ONNX takes: there are "
                     "too many ids"));
  }
  return bytes;
}

}  // namespace cf

// The one file that includes FlatBuffers. Tables are written by the numbers of their fields, which
// saves the format's schema and the code that a compiler would make of it.

#include "serving/exports/tflite_graph.h"

#include <algorithm>
#include <cstring>
#include <flatbuffers/flatbuffers.h>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include "common/base/check.h"

namespace cf {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;
using flatbuffers::Vector;

constexpr char kIdentifier[] = "TFL3";
constexpr std::uint32_t kFormatVersion = 3;
constexpr std::size_t kAlignment = 16;  // Of what a buffer holds.
// Some of the 2 GiB that offsets reach stay for all that is not a constant.
constexpr std::uint64_t kConstantBytesMax = (std::uint64_t{1} << 31) - (std::uint64_t{1} << 24);

// A table of the format, of whatever kind.
struct AnyTable {};

// Numbers of fields.
enum : flatbuffers::voffset_t {
  kModelVersion = 0,
  kModelOperatorCodes = 1,
  kModelSubgraphs = 2,
  kModelDescription = 3,
  kModelBuffers = 4,
  kModelSignatures = 7,
  kCodeDeprecated = 0,
  kCodeVersion = 2,
  kCodeBuiltin = 3,
  kGraphTensors = 0,
  kGraphInputs = 1,
  kGraphOutputs = 2,
  kGraphOperators = 3,
  kGraphName = 4,
  kTensorShape = 0,
  kTensorType = 1,
  kTensorBuffer = 2,
  kTensorName = 3,
  kTensorSignature = 7,
  kBufferData = 0,
  kOperatorCode = 0,
  kOperatorInputs = 1,
  kOperatorOutputs = 2,
  kOperatorOptionsType = 3,
  kOperatorOptions = 4,
  kSignatureInputs = 0,
  kSignatureOutputs = 1,
  kSignatureKey = 2,
  kSignatureSubgraph = 4,
  kMapName = 0,
  kMapTensor = 1,
};

enum Type : std::int8_t { kFloats = 0, kHalves = 1, kInts = 2 };

// An operator, the version of it that has what is used here, and the kind of its options.
struct Operator {
  std::int32_t code;
  std::int32_t version;
  std::uint8_t options;
};
constexpr Operator kAdd = {.code = 0, .version = 1, .options = 11};
constexpr Operator kConcatenation = {.code = 2, .version = 1, .options = 10};
constexpr Operator kDequantize = {.code = 6, .version = 3, .options = 38};
constexpr Operator kFullyConnected = {.code = 9, .version = 1, .options = 8};
constexpr Operator kLogistic = {.code = 14, .version = 1, .options = 0};
constexpr Operator kMultiply = {.code = 18, .version = 1, .options = 21};
constexpr Operator kGather = {.code = 36, .version = 1, .options = 23};
constexpr Operator kSum = {.code = 74, .version = 1, .options = 27};
constexpr Operator kOperators[] = {kAdd,      kConcatenation, kDequantize, kFullyConnected,
                                   kLogistic, kMultiply,      kGather,     kSum};

std::uint32_t PlaceOf(const Operator& wanted) {
  const auto found = std::ranges::find(kOperators, wanted.code, &Operator::code);
  return static_cast<std::uint32_t>(found - std::begin(kOperators));
}

flatbuffers::voffset_t At(flatbuffers::voffset_t field) {
  return flatbuffers::FieldIndexToOffset(field);
}

Offset<AnyTable> End(FlatBufferBuilder& builder, flatbuffers::uoffset_t start) {
  return {builder.EndTable(start)};
}

Offset<AnyTable> WriteCode(FlatBufferBuilder& builder, const Operator& operation) {
  const auto start = builder.StartTable();
  // Old readers know the code by a smaller field, which all of these fit.
  builder.AddElement<std::int8_t>(At(kCodeDeprecated), static_cast<std::int8_t>(operation.code), 0);
  builder.AddElement<std::int32_t>(At(kCodeVersion), operation.version, 1);
  builder.AddElement<std::int32_t>(At(kCodeBuiltin), operation.code, 0);
  return End(builder, start);
}

}  // namespace

struct TfliteModel::Constant {
  std::string name;
  std::int8_t type = kFloats;
  std::vector<std::int32_t> shape;
  std::string bytes;
};

struct TfliteModel::Tensor {
  std::string name = {};
  std::int8_t type = kFloats;
  std::vector<std::int32_t> shape = {};  // -1: as many as there are row numbers.
  std::uint32_t buffer = 0;              // 0: no constant, else its place and 1.
};

struct TfliteModel::Operation {
  const Operator* kind = nullptr;
  std::vector<Value> inputs = {};
  // Of its options: number of the field, and value.
  std::vector<std::pair<flatbuffers::voffset_t, std::int32_t>> numbers = {};
  std::vector<std::pair<flatbuffers::voffset_t, std::int8_t>> bytes = {};
  Value output = 0;
};

struct TfliteModel::Graph {
  std::string signature;
  std::vector<Tensor> tensors = {};
  std::vector<Operation> operations = {};
  std::vector<std::pair<std::string, Value>> inputs = {};
  std::vector<std::pair<std::string, Value>> outputs = {};
};

TfliteModel::TfliteModel() = default;
TfliteModel::~TfliteModel() = default;

void TfliteModel::BeginGraph(const std::string& signature) {
  graphs_.push_back({.signature = signature});
}

const TfliteModel::Tensor& TfliteModel::At(Value value) const {
  return graphs_.back().tensors[static_cast<std::size_t>(value)];
}

TfliteModel::Value TfliteModel::AddTensor(Tensor tensor) {
  std::vector<Tensor>& tensors = graphs_.back().tensors;
  if (tensor.name.empty()) tensor.name = absl::StrCat("v", tensors.size());
  tensors.push_back(std::move(tensor));
  return static_cast<Value>(tensors.size()) - 1;
}

TfliteModel::Value TfliteModel::AddOperation(Operation operation, Tensor output) {
  operation.output = AddTensor(std::move(output));
  graphs_.back().operations.push_back(std::move(operation));
  return graphs_.back().operations.back().output;
}

TfliteModel::Value TfliteModel::Input(const std::string& name) {
  const Value value = AddTensor({.name = name, .type = kInts, .shape = {-1}});
  graphs_.back().inputs.emplace_back(name, value);
  return value;
}

void TfliteModel::Output(const std::string& name, Value value) {
  graphs_.back().outputs.emplace_back(name, value);
}

TfliteModel::Value TfliteModel::AddConstant(const std::string& name, std::size_t constant) {
  return AddTensor({.name = name,
                    .type = constants_[constant].type,
                    .shape = constants_[constant].shape,
                    .buffer = static_cast<std::uint32_t>(constant) + 1});
}

absl::StatusOr<TfliteModel::Value> TfliteModel::Table(const ModelArray& array) {
  const auto found = std::ranges::find(constants_, array.name, &Constant::name);
  if (found != constants_.end()) {
    return AddConstant(array.name, static_cast<std::size_t>(found - constants_.begin()));
  }
  Check(array.type == ElementType::kFloat32 || array.type == ElementType::kFloat16,
        "a table has floats");
  Constant constant = {.name = array.name,
                       .type = array.type == ElementType::kFloat16 ? kHalves : kFloats,
                       .shape = {},
                       .bytes = {}};
  std::uint64_t bytes = BytesOf(array);
  for (const Constant& other : constants_) bytes += other.bytes.size();
  if (bytes > kConstantBytesMax) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the model has tables of ", bytes >> 20, " MiB and more, and a tflite file ends at 2 GiB"));
  }
  for (const std::uint64_t extent : array.shape) {
    constant.shape.push_back(static_cast<std::int32_t>(extent));
  }
  constant.bytes.reserve(BytesOf(array));
  absl::Status visited = array.visit([&constant](const void* elements, std::size_t size) {
    constant.bytes.append(static_cast<const char*>(elements), size);
    return absl::OkStatus();
  });
  if (!visited.ok()) return visited;
  constants_.push_back(std::move(constant));
  return AddConstant(array.name, constants_.size() - 1);
}

TfliteModel::Value TfliteModel::Floats(const std::string& name, const std::vector<float>& values,
                                       const std::vector<std::int32_t>& shape) {
  const auto found = std::ranges::find(constants_, name, &Constant::name);
  const auto place = static_cast<std::size_t>(found - constants_.begin());
  if (found == constants_.end()) {
    constants_.push_back({.name = name, .type = kFloats, .shape = shape, .bytes = {}});
    constants_.back().bytes.assign(reinterpret_cast<const char*>(values.data()),
                                   values.size() * sizeof(float));
  }
  return AddConstant(name, place);
}

TfliteModel::Value TfliteModel::Gather(Value table, Value rows) {
  std::vector<std::int32_t> shape = At(table).shape;
  shape[0] = -1;
  return AddOperation({.kind = &kGather, .inputs = {table, rows}},
                      {.type = At(table).type, .shape = std::move(shape)});
}

TfliteModel::Value TfliteModel::Dequantize(Value halves) {
  return AddOperation({.kind = &kDequantize, .inputs = {halves}}, {.shape = At(halves).shape});
}

TfliteModel::Value TfliteModel::Add(Value a, Value b) {
  return AddOperation({.kind = &kAdd, .inputs = {a, b}}, {.shape = At(a).shape});
}

TfliteModel::Value TfliteModel::Multiply(Value a, Value b) {
  return AddOperation({.kind = &kMultiply, .inputs = {a, b}}, {.shape = At(a).shape});
}

TfliteModel::Value TfliteModel::Logistic(Value a) {
  return AddOperation({.kind = &kLogistic, .inputs = {a}}, {.shape = At(a).shape});
}

TfliteModel::Value TfliteModel::Concatenate(Value a, Value b) {
  const std::int32_t columns = At(a).shape[1] + At(b).shape[1];
  return AddOperation({.kind = &kConcatenation, .inputs = {a, b}, .numbers = {{0, 1}}},
                      {.shape = {-1, columns}});
}

TfliteModel::Value TfliteModel::RowSums(Value matrix) {
  const std::string name = "columns";
  const auto found = std::ranges::find(constants_, name, &Constant::name);
  const auto place = static_cast<std::size_t>(found - constants_.begin());
  if (found == constants_.end()) {
    constants_.push_back({.name = name, .type = kInts, .shape = {1}, .bytes = {}});
    const std::int32_t second = 1;
    constants_.back().bytes.assign(reinterpret_cast<const char*>(&second), sizeof second);
  }
  const Value columns = AddConstant(name, place);
  return AddOperation({.kind = &kSum, .inputs = {matrix, columns}}, {.shape = {-1}});
}

TfliteModel::Value TfliteModel::Dense(Value input, Value weights, Value bias, bool relu) {
  Operation operation = {.kind = &kFullyConnected, .inputs = {input, weights, bias}};
  if (relu) operation.bytes = {{0, 1}};
  return AddOperation(std::move(operation), {.shape = {-1, At(weights).shape[0]}});
}

namespace {

// A vector of tables of the format.
using Tables = Offset<Vector<Offset<AnyTable>>>;

Offset<AnyTable> WriteBuffer(FlatBufferBuilder& builder, const std::string& bytes) {
  builder.ForceVectorAlignment(bytes.size(), 1, kAlignment);
  const auto data =
      builder.CreateVector(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  const auto start = builder.StartTable();
  builder.AddOffset(At(kBufferData), data);
  return End(builder, start);
}

Tables WriteNames(FlatBufferBuilder& builder,
                  const std::vector<std::pair<std::string, std::int32_t>>& named) {
  std::vector<Offset<AnyTable>> entries;
  for (const auto& [name, tensor] : named) {
    const auto text = builder.CreateString(name);
    const auto start = builder.StartTable();
    builder.AddOffset(At(kMapName), text);
    builder.AddElement<std::uint32_t>(At(kMapTensor), static_cast<std::uint32_t>(tensor), 0);
    entries.push_back(End(builder, start));
  }
  return builder.CreateVector(entries);
}

Offset<Vector<std::int32_t>> WriteValues(
    FlatBufferBuilder& builder, const std::vector<std::pair<std::string, std::int32_t>>& named) {
  std::vector<std::int32_t> values;
  for (const auto& [name, value] : named) values.push_back(value);
  return builder.CreateVector(values);
}

// Of tensors, operations and graphs, whose types are private to the model.
template <class Tensor>
Offset<AnyTable> WriteTensor(FlatBufferBuilder& builder, const Tensor& tensor) {
  std::vector<std::int32_t> now = tensor.shape;
  std::ranges::replace(now, -1, 1);
  const auto shape = builder.CreateVector(now);
  const auto signature = builder.CreateVector(tensor.shape);
  const auto name = builder.CreateString(tensor.name);
  const auto start = builder.StartTable();
  builder.AddOffset(At(kTensorShape), shape);
  builder.AddElement<std::int8_t>(At(kTensorType), tensor.type, 0);
  builder.AddElement<std::uint32_t>(At(kTensorBuffer), tensor.buffer, 0);
  builder.AddOffset(At(kTensorName), name);
  if (now != tensor.shape) builder.AddOffset(At(kTensorSignature), signature);
  return End(builder, start);
}

template <class Operation>
Offset<AnyTable> WriteOperation(FlatBufferBuilder& builder, const Operation& operation) {
  const auto inputs = builder.CreateVector(operation.inputs);
  const auto outputs = builder.CreateVector(std::vector<std::int32_t>{operation.output});
  const auto options_start = builder.StartTable();
  for (const auto& [field, value] : operation.numbers) builder.AddElement(At(field), value, 0);
  for (const auto& [field, value] : operation.bytes) {
    builder.AddElement<std::int8_t>(At(field), value, 0);
  }
  const Offset<AnyTable> options = End(builder, options_start);
  const auto start = builder.StartTable();
  builder.AddElement<std::uint32_t>(At(kOperatorCode), PlaceOf(*operation.kind), 0);
  builder.AddOffset(At(kOperatorInputs), inputs);
  builder.AddOffset(At(kOperatorOutputs), outputs);
  if (operation.kind->options != 0) {
    builder.AddElement<std::uint8_t>(At(kOperatorOptionsType), operation.kind->options, 0);
    builder.AddOffset(At(kOperatorOptions), options);
  }
  return End(builder, start);
}

template <class Graph>
Offset<AnyTable> WriteGraph(FlatBufferBuilder& builder, const Graph& graph) {
  std::vector<Offset<AnyTable>> tensors;
  for (const auto& tensor : graph.tensors) tensors.push_back(WriteTensor(builder, tensor));
  std::vector<Offset<AnyTable>> operations;
  for (const auto& operation : graph.operations) {
    operations.push_back(WriteOperation(builder, operation));
  }
  const auto all_tensors = builder.CreateVector(tensors);
  const auto all_operations = builder.CreateVector(operations);
  const auto inputs = WriteValues(builder, graph.inputs);
  const auto outputs = WriteValues(builder, graph.outputs);
  const auto name = builder.CreateString(graph.signature);
  const auto start = builder.StartTable();
  builder.AddOffset(At(kGraphTensors), all_tensors);
  builder.AddOffset(At(kGraphInputs), inputs);
  builder.AddOffset(At(kGraphOutputs), outputs);
  builder.AddOffset(At(kGraphOperators), all_operations);
  builder.AddOffset(At(kGraphName), name);
  return End(builder, start);
}

template <class Graph>
Offset<AnyTable> WriteSignature(FlatBufferBuilder& builder, const Graph& graph,
                                std::uint32_t place) {
  const Tables inputs = WriteNames(builder, graph.inputs);
  const Tables outputs = WriteNames(builder, graph.outputs);
  const auto key = builder.CreateString(graph.signature);
  const auto start = builder.StartTable();
  builder.AddOffset(At(kSignatureInputs), inputs);
  builder.AddOffset(At(kSignatureOutputs), outputs);
  builder.AddOffset(At(kSignatureKey), key);
  builder.AddElement<std::uint32_t>(At(kSignatureSubgraph), place, 0);
  return End(builder, start);
}

}  // namespace

absl::StatusOr<std::string> TfliteModel::Serialize(const std::string& description) const {
  FlatBufferBuilder builder;
  std::vector<Offset<AnyTable>> codes;
  for (const Operator& operation : kOperators) codes.push_back(WriteCode(builder, operation));
  // The first buffer is that of all tensors that are no constants.
  std::vector<Offset<AnyTable>> buffers = {WriteBuffer(builder, "")};
  for (const Constant& constant : constants_) {
    buffers.push_back(WriteBuffer(builder, constant.bytes));
  }
  std::vector<Offset<AnyTable>> graphs;
  std::vector<Offset<AnyTable>> signatures;
  for (const Graph& graph : graphs_) {
    signatures.push_back(WriteSignature(builder, graph, static_cast<std::uint32_t>(graphs.size())));
    graphs.push_back(WriteGraph(builder, graph));
  }
  const auto all_codes = builder.CreateVector(codes);
  const auto all_graphs = builder.CreateVector(graphs);
  const auto all_buffers = builder.CreateVector(buffers);
  const auto all_signatures = builder.CreateVector(signatures);
  const auto text = builder.CreateString(description);
  const auto start = builder.StartTable();
  builder.AddElement<std::uint32_t>(cf::At(kModelVersion), kFormatVersion, 0);
  builder.AddOffset(cf::At(kModelOperatorCodes), all_codes);
  builder.AddOffset(cf::At(kModelSubgraphs), all_graphs);
  builder.AddOffset(cf::At(kModelDescription), text);
  builder.AddOffset(cf::At(kModelBuffers), all_buffers);
  builder.AddOffset(cf::At(kModelSignatures), all_signatures);
  builder.Finish(End(builder, start), kIdentifier);
  return std::string(reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize());
}

}  // namespace cf

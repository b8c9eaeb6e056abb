// The one file that includes FlatBuffers. Tables are written by the numbers of their fields, which
// saves the format's schema and the code that a compiler would make of it.

#include "serving/exports/tflite_file.h"

#include <algorithm>
#include <cstddef>
#include <flatbuffers/flatbuffers.h>
#include <iterator>

namespace cf {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;
using flatbuffers::Vector;

constexpr char kIdentifier[] = "TFL3";
constexpr std::uint32_t kFormatVersion = 3;
constexpr std::size_t kBufferAlignment = 16;  // Of what a buffer holds.

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

// An operator, the version of it that has what is used here, and the kind of its options.
struct Operator {
  TfliteOperator kind;
  std::int32_t version;
  std::uint8_t options;
};
constexpr Operator kOperators[] = {
    {.kind = TfliteOperator::kAdd, .version = 1, .options = 11},
    {.kind = TfliteOperator::kConcatenation, .version = 1, .options = 10},
    {.kind = TfliteOperator::kDequantize, .version = 3, .options = 38},  // Of halves.
    {.kind = TfliteOperator::kFullyConnected, .version = 1, .options = 8},
    {.kind = TfliteOperator::kLogistic, .version = 1, .options = 0},
    {.kind = TfliteOperator::kMultiply, .version = 1, .options = 21},
    {.kind = TfliteOperator::kGather, .version = 2, .options = 23},  // Of int8, too.
    {.kind = TfliteOperator::kCast, .version = 1, .options = 37},
    {.kind = TfliteOperator::kSum, .version = 1, .options = 27},
};

std::uint32_t PlaceOf(TfliteOperator kind) {
  const auto found = std::ranges::find(kOperators, kind, &Operator::kind);
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
  builder.AddElement<std::int8_t>(At(kCodeDeprecated), static_cast<std::int8_t>(operation.kind), 0);
  builder.AddElement<std::int32_t>(At(kCodeVersion), operation.version, 1);
  builder.AddElement<std::int32_t>(At(kCodeBuiltin), static_cast<std::int32_t>(operation.kind), 0);
  return End(builder, start);
}

// A vector of tables of the format.
using Tables = Offset<Vector<Offset<AnyTable>>>;

Offset<AnyTable> WriteBuffer(FlatBufferBuilder& builder, const std::string& bytes) {
  builder.ForceVectorAlignment(bytes.size(), 1, kBufferAlignment);
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

Offset<AnyTable> WriteTensor(FlatBufferBuilder& builder, const TfliteTensor& tensor) {
  std::vector<std::int32_t> now = tensor.shape;
  std::ranges::replace(now, -1, 1);
  const auto shape = builder.CreateVector(now);
  const auto signature = builder.CreateVector(tensor.shape);
  const auto name = builder.CreateString(tensor.name);
  const auto start = builder.StartTable();
  builder.AddOffset(At(kTensorShape), shape);
  builder.AddElement<std::int8_t>(At(kTensorType), static_cast<std::int8_t>(tensor.type), 0);
  builder.AddElement<std::uint32_t>(At(kTensorBuffer), tensor.buffer, 0);
  builder.AddOffset(At(kTensorName), name);
  if (now != tensor.shape) builder.AddOffset(At(kTensorSignature), signature);
  return End(builder, start);
}

Offset<AnyTable> WriteOperation(FlatBufferBuilder& builder, const TfliteOperation& operation) {
  const auto inputs = builder.CreateVector(operation.inputs);
  const auto outputs = builder.CreateVector(std::vector<std::int32_t>{operation.output});
  const auto options_start = builder.StartTable();
  for (const auto& [field, value] : operation.numbers) builder.AddElement(At(field), value, 0);
  for (const auto& [field, value] : operation.bytes) {
    builder.AddElement<std::int8_t>(At(field), value, 0);
  }
  const Offset<AnyTable> options = End(builder, options_start);
  const auto start = builder.StartTable();
  builder.AddElement<std::uint32_t>(At(kOperatorCode), PlaceOf(operation.kind), 0);
  builder.AddOffset(At(kOperatorInputs), inputs);
  builder.AddOffset(At(kOperatorOutputs), outputs);
  if (const std::uint8_t kind = kOperators[PlaceOf(operation.kind)].options; kind != 0) {
    builder.AddElement<std::uint8_t>(At(kOperatorOptionsType), kind, 0);
    builder.AddOffset(At(kOperatorOptions), options);
  }
  return End(builder, start);
}

Offset<AnyTable> WriteGraph(FlatBufferBuilder& builder, const TfliteGraph& graph) {
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

Offset<AnyTable> WriteSignature(FlatBufferBuilder& builder, const TfliteGraph& graph,
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

std::string BytesOf(const TfliteFile& file) {
  FlatBufferBuilder builder;
  std::vector<Offset<AnyTable>> codes;
  for (const Operator& operation : kOperators) codes.push_back(WriteCode(builder, operation));
  // The first buffer is that of all tensors that are no constants.
  std::vector<Offset<AnyTable>> buffers = {WriteBuffer(builder, "")};
  for (const TfliteConstant& constant : file.constants) {
    buffers.push_back(WriteBuffer(builder, constant.bytes));
  }
  std::vector<Offset<AnyTable>> graphs;
  std::vector<Offset<AnyTable>> signatures;
  for (const TfliteGraph& graph : file.graphs) {
    signatures.push_back(WriteSignature(builder, graph, static_cast<std::uint32_t>(graphs.size())));
    graphs.push_back(WriteGraph(builder, graph));
  }
  const auto all_codes = builder.CreateVector(codes);
  const auto all_graphs = builder.CreateVector(graphs);
  const auto all_buffers = builder.CreateVector(buffers);
  const auto all_signatures = builder.CreateVector(signatures);
  const auto text = builder.CreateString(file.description);
  const auto start = builder.StartTable();
  builder.AddElement<std::uint32_t>(At(kModelVersion), kFormatVersion, 0);
  builder.AddOffset(At(kModelOperatorCodes), all_codes);
  builder.AddOffset(At(kModelSubgraphs), all_graphs);
  builder.AddOffset(At(kModelDescription), text);
  builder.AddOffset(At(kModelBuffers), all_buffers);
  builder.AddOffset(At(kModelSignatures), all_signatures);
  builder.Finish(End(builder, start), kIdentifier);
  return std::string(reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize());
}

}  // namespace cf

#include "serving/exports/tflite_graph.h"

#include <algorithm>
#include <utility>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include "common/base/check.h"

namespace cf {
namespace {

// Some of the 2 GiB that offsets reach stay for all that is not a constant.
constexpr std::uint64_t kConstantBytesMax = (std::uint64_t{1} << 31) - (std::uint64_t{1} << 24);

TfliteType TypeOf(ElementType type) {
  switch (type) {
    case ElementType::kFloat32:
      return TfliteType::kFloat32;
    case ElementType::kFloat16:
      return TfliteType::kFloat16;
    case ElementType::kInt8:
      return TfliteType::kInt8;
    case ElementType::kInt32:
    case ElementType::kInt64:
    case ElementType::kBool:
      break;
  }
  Check(false, "a table has floats, halves or steps");
  return TfliteType::kFloat32;
}

}  // namespace

void TfliteModel::BeginGraph(const std::string& signature) {
  file_.graphs.push_back({.signature = signature});
}

const TfliteTensor& TfliteModel::At(Value value) const {
  return file_.graphs.back().tensors[static_cast<std::size_t>(value)];
}

TfliteModel::Value TfliteModel::AddTensor(TfliteTensor tensor) {
  std::vector<TfliteTensor>& tensors = file_.graphs.back().tensors;
  if (tensor.name.empty()) tensor.name = absl::StrCat("v", tensors.size());
  tensors.push_back(std::move(tensor));
  return static_cast<Value>(tensors.size()) - 1;
}

TfliteModel::Value TfliteModel::AddOperation(TfliteOperation operation, TfliteTensor output) {
  operation.output = AddTensor(std::move(output));
  file_.graphs.back().operations.push_back(std::move(operation));
  return file_.graphs.back().operations.back().output;
}

TfliteModel::Value TfliteModel::Input(const std::string& name) {
  const Value value = AddTensor({.name = name, .type = TfliteType::kInt32, .shape = {-1}});
  file_.graphs.back().inputs.emplace_back(name, value);
  return value;
}

void TfliteModel::Output(const std::string& name, Value value) {
  file_.graphs.back().outputs.emplace_back(name, value);
}

TfliteModel::Value TfliteModel::AddConstant(const std::string& name, std::size_t constant) {
  return AddTensor({.name = name,
                    .type = file_.constants[constant].type,
                    .shape = file_.constants[constant].shape,
                    .buffer = static_cast<std::uint32_t>(constant) + 1});
}

absl::StatusOr<TfliteModel::Value> TfliteModel::Table(const ModelArray& array) {
  const auto found = std::ranges::find(file_.constants, array.name, &TfliteConstant::name);
  if (found != file_.constants.end()) {
    return AddConstant(array.name, static_cast<std::size_t>(found - file_.constants.begin()));
  }
  TfliteConstant constant = {
      .name = array.name, .type = TypeOf(array.type), .shape = {}, .bytes = {}};
  std::uint64_t bytes = BytesOf(array);
  for (const TfliteConstant& other : file_.constants) bytes += other.bytes.size();
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
  file_.constants.push_back(std::move(constant));
  return AddConstant(array.name, file_.constants.size() - 1);
}

TfliteModel::Value TfliteModel::Floats(const std::string& name, const std::vector<float>& values,
                                       const std::vector<std::int32_t>& shape) {
  const auto found = std::ranges::find(file_.constants, name, &TfliteConstant::name);
  const auto place = static_cast<std::size_t>(found - file_.constants.begin());
  if (found == file_.constants.end()) {
    file_.constants.push_back(
        {.name = name, .type = TfliteType::kFloat32, .shape = shape, .bytes = {}});
    file_.constants.back().bytes.assign(reinterpret_cast<const char*>(values.data()),
                                        values.size() * sizeof(float));
  }
  return AddConstant(name, place);
}

TfliteModel::Value TfliteModel::Gather(Value table, Value rows) {
  std::vector<std::int32_t> shape = At(table).shape;
  shape[0] = -1;
  return AddOperation({.kind = TfliteOperator::kGather, .inputs = {table, rows}},
                      {.type = At(table).type, .shape = std::move(shape)});
}

TfliteModel::Value TfliteModel::Dequantize(Value halves) {
  return AddOperation({.kind = TfliteOperator::kDequantize, .inputs = {halves}},
                      {.shape = At(halves).shape});
}

TfliteModel::Value TfliteModel::Cast(Value steps) {
  return AddOperation({.kind = TfliteOperator::kCast,
                       .inputs = {steps},
                       .bytes = {{0, static_cast<std::int8_t>(TfliteType::kInt8)},
                                 {1, static_cast<std::int8_t>(TfliteType::kFloat32)}}},
                      {.shape = At(steps).shape});
}

TfliteModel::Value TfliteModel::Add(Value a, Value b) {
  return AddOperation({.kind = TfliteOperator::kAdd, .inputs = {a, b}}, {.shape = At(a).shape});
}

TfliteModel::Value TfliteModel::Multiply(Value a, Value b) {
  return AddOperation({.kind = TfliteOperator::kMultiply, .inputs = {a, b}},
                      {.shape = At(a).shape});
}

TfliteModel::Value TfliteModel::Logistic(Value a) {
  return AddOperation({.kind = TfliteOperator::kLogistic, .inputs = {a}}, {.shape = At(a).shape});
}

TfliteModel::Value TfliteModel::Concatenate(Value a, Value b) {
  const std::int32_t columns = At(a).shape[1] + At(b).shape[1];
  return AddOperation(
      {.kind = TfliteOperator::kConcatenation, .inputs = {a, b}, .numbers = {{0, 1}}},
      {.shape = {-1, columns}});
}

TfliteModel::Value TfliteModel::RowSums(Value matrix) {
  const std::string name = "columns";
  const auto found = std::ranges::find(file_.constants, name, &TfliteConstant::name);
  const auto place = static_cast<std::size_t>(found - file_.constants.begin());
  if (found == file_.constants.end()) {
    file_.constants.push_back(
        {.name = name, .type = TfliteType::kInt32, .shape = {1}, .bytes = {}});
    const std::int32_t second = 1;
    file_.constants.back().bytes.assign(reinterpret_cast<const char*>(&second), sizeof second);
  }
  const Value columns = AddConstant(name, place);
  return AddOperation({.kind = TfliteOperator::kSum, .inputs = {matrix, columns}}, {.shape = {-1}});
}

TfliteModel::Value TfliteModel::Dense(Value input, Value weights, Value bias, bool relu) {
  TfliteOperation operation = {.kind = TfliteOperator::kFullyConnected,
                               .inputs = {input, weights, bias}};
  if (relu) operation.bytes = {{0, 1}};
  return AddOperation(std::move(operation), {.shape = {-1, At(weights).shape[0]}});
}

}  // namespace cf

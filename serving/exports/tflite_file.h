#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace cf {

/// What a tensor of a TensorFlow Lite file is made of, by the format's numbers.
enum class TfliteType : std::int8_t { kFloat32 = 0, kFloat16 = 1, kInt32 = 2, kInt8 = 9 };

/// Operators, by the format's numbers.
enum class TfliteOperator : std::uint8_t {
  kAdd = 0,
  kConcatenation = 2,
  kDequantize = 6,
  kFullyConnected = 9,
  kLogistic = 14,
  kMultiply = 18,
  kGather = 36,
  kCast = 53,
  kSum = 74,
};

struct TfliteConstant {
  std::string name;
  TfliteType type = TfliteType::kFloat32;
  std::vector<std::int32_t> shape;
  std::string bytes;
};

struct TfliteTensor {
  std::string name = {};
  TfliteType type = TfliteType::kFloat32;
  std::vector<std::int32_t> shape = {};  ///< -1: as many as whoever runs it has.
  std::uint32_t buffer = 0;              ///< 0: no constant; else 1 + the place of the constant.
};

struct TfliteOperation {
  TfliteOperator kind = TfliteOperator::kAdd;
  std::vector<std::int32_t> inputs = {};  ///< Places of tensors, as is the output.
  /// Fields of its options that are not 0, by the format's numbers.
  std::vector<std::pair<std::uint16_t, std::int32_t>> numbers = {};
  std::vector<std::pair<std::uint16_t, std::int8_t>> bytes = {};
  std::int32_t output = 0;
};

struct TfliteGraph {
  std::string signature;  ///< By which it is called.
  std::vector<TfliteTensor> tensors = {};
  std::vector<TfliteOperation> operations = {};
  std::vector<std::pair<std::string, std::int32_t>> inputs = {};  ///< Name and tensor.
  std::vector<std::pair<std::string, std::int32_t>> outputs = {};
};

/// A TensorFlow Lite model: constants, and graphs that share them.
struct TfliteFile {
  std::vector<TfliteConstant> constants = {};
  std::vector<TfliteGraph> graphs = {};
  std::string description = {};
};

/// The bytes of the file. Requires: the constants are well below 2 GiB, where the format ends.
std::string BytesOf(const TfliteFile& file);

}  // namespace cf

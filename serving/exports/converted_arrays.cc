#include "serving/exports/converted_arrays.h"

#include <cmath>
#include <immintrin.h>
#include <span>
#include <utility>

#include <absl/strings/str_cat.h>

namespace cf {
namespace {

constexpr float kHalfMax = 65504;

ModelArray InHalves(ModelArray array) {
  ModelArray halves = array;
  halves.type = ElementType::kFloat16;
  halves.visit = [array = std::move(array)](const TakeElements& take) {
    std::vector<std::uint16_t> piece;
    return array.visit([&](const void* elements, std::size_t bytes) -> absl::Status {
      const std::span<const float> floats(static_cast<const float*>(elements),
                                          bytes / sizeof(float));
      piece.clear();
      for (const float value : floats) {
        if (std::abs(value) > kHalfMax) {
          return absl::FailedPreconditionError(
              absl::StrCat(array.name, " has ", value, ", and fp16 ends at ", kHalfMax));
        }
        piece.push_back(HalfOf(value));
      }
      return take(piece.data(), piece.size() * sizeof(std::uint16_t));
    });
  };
  return halves;
}

}  // namespace

const char* PrecisionName(Precision precision) {
  switch (precision) {
    case Precision::kFloat32:
      return "fp32";
    case Precision::kFloat16:
      return "fp16";
  }
  return "";
}

std::uint16_t HalfOf(float value) {
  return _cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT);
}

std::vector<ModelArray> AtPrecision(std::vector<ModelArray> arrays, Precision precision) {
  if (precision == Precision::kFloat32) return arrays;
  std::vector<ModelArray> converted;
  for (ModelArray& array : arrays) {
    const bool floats = array.type == ElementType::kFloat32;
    converted.push_back(floats ? InHalves(std::move(array)) : std::move(array));
  }
  return converted;
}

}  // namespace cf

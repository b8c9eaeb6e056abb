#include "serving/exports/converted_arrays.h"

#include <algorithm>
#include <cmath>
#include <immintrin.h>
#include <span>
#include <utility>

#include <absl/strings/str_cat.h>

namespace cf {
namespace {

constexpr float kHalfMax = 65504;
constexpr float kSteps = 127;

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
    case Precision::kInt8:
      return "int8";
  }
  return "";
}

std::uint16_t HalfOf(float value) {
  return _cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT);
}

float ScaleOf(std::span<const float> row) {
  float largest = 0;
  for (const float value : row) largest = std::max(largest, std::abs(value));
  const float scale = largest / kSteps;
  // A row of zeros has steps of any size.
  return scale > 0 ? scale : 1;
}

std::int8_t StepOf(float value, float scale) {
  const float step = std::nearbyint(value / scale);
  return static_cast<std::int8_t>(std::clamp(step, -kSteps, kSteps));
}

void RoundRow(Precision precision, std::span<float> row) {
  switch (precision) {
    case Precision::kFloat32:
      break;
    case Precision::kFloat16:
      for (float& value : row) value = RoundBias(precision, value);
      break;
    case Precision::kInt8: {
      const float scale = ScaleOf(row);
      for (float& value : row) value = static_cast<float>(StepOf(value, scale)) * scale;
      break;
    }
  }
}

float RoundBias(Precision precision, float bias) {
  return precision == Precision::kFloat16 ? _cvtsh_ss(HalfOf(bias)) : bias;
}

Int8Table InInt8(const ModelArray& array, bool keeps_last) {
  const std::size_t columns = array.shape[1];
  const std::size_t rounded = columns - (keeps_last ? 1 : 0);
  // Calls `take` with each row of the array, without what stays, and with that.
  const auto visit_rows = [array, columns, rounded](const auto& take) {
    return array.visit([&](const void* elements, std::size_t bytes) {
      const std::span<const float> floats(static_cast<const float*>(elements),
                                          bytes / sizeof(float));
      absl::Status taken;
      for (std::size_t at = 0; at < floats.size() && taken.ok(); at += columns) {
        taken = take(floats.subspan(at, rounded), floats[at + columns - 1]);
      }
      return taken;
    });
  };
  const auto steps = [visit_rows](const TakeElements& take) {
    std::vector<std::int8_t> piece;
    return visit_rows([&](std::span<const float> row, float) {
      const float scale = ScaleOf(row);
      piece.clear();
      for (const float value : row) piece.push_back(StepOf(value, scale));
      return take(piece.data(), piece.size());
    });
  };
  const auto scales = [visit_rows](const TakeElements& take) {
    return visit_rows([&](std::span<const float> row, float) {
      const float scale = ScaleOf(row);
      return take(&scale, sizeof scale);
    });
  };
  Int8Table table = {.steps = {.name = array.name,
                               .type = ElementType::kInt8,
                               .rows_of = array.rows_of,
                               .shape = {array.shape[0], rounded},
                               .visit = steps},
                     .scales = {.name = array.name + "_scales",
                                .rows_of = array.rows_of,
                                .shape = {array.shape[0], 1},
                                .visit = scales}};
  if (keeps_last) {
    table.last = ModelArray{.name = array.name + "_last",
                            .rows_of = array.rows_of,
                            .shape = {array.shape[0], 1},
                            .visit = [visit_rows](const TakeElements& take) {
                              return visit_rows([&](std::span<const float>, float last) {
                                return take(&last, sizeof last);
                              });
                            }};
  }
  return table;
}

std::vector<ModelArray> AtPrecision(std::vector<ModelArray> arrays, Precision precision) {
  if (precision == Precision::kFloat32) return arrays;
  std::vector<ModelArray> converted;
  for (ModelArray& array : arrays) {
    const bool floats = array.type == ElementType::kFloat32;
    const bool vectors =
        floats && array.shape.size() == 2 && array.shape[1] > 0 && array.rows_of != RowsOf::kOther;
    if (precision == Precision::kInt8 && vectors) {
      Int8Table table = InInt8(array, /*keeps_last=*/false);
      converted.push_back(std::move(table.steps));
      converted.push_back(std::move(table.scales));
    } else if (precision == Precision::kFloat16 && floats) {
      converted.push_back(InHalves(std::move(array)));
    } else {
      converted.push_back(std::move(array));
    }
  }
  return converted;
}

}  // namespace cf

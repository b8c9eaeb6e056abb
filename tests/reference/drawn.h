#pragma once

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <initializer_list>
#include <map>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "common/base/check.h"
#include "tests/support/paths.h"

/// Gradients and minibatches that make_optimizer_reference.py and make_ranker_reference.py draw
/// too, and what PyTorch made of them. Everything is exact in a float.
namespace cf::drawn {

inline constexpr std::uint32_t kRows = 10;
inline constexpr std::uint32_t kDim = 6;
inline constexpr std::uint32_t kSteps = 200;
inline constexpr std::uint32_t kStepsPerEpoch = 20;
inline constexpr std::uint32_t kUsers = 12;
inline constexpr std::uint32_t kItems = 9;
inline constexpr std::uint32_t kBatch = 16;
inline constexpr float kMean = 3.25F;

/// The learning rates and the regularisation of the script.
inline constexpr double kAdamRate = 0.02;
inline constexpr double kAdagradRate = 0.05;
inline constexpr double kSgdRate = 0.1;

inline std::uint32_t Draw(std::initializer_list<std::uint32_t> words) {
  std::uint32_t h = 2166136261U;
  for (const std::uint32_t word : words) h = (h ^ word) * 16777619U;
  h = (h ^ h >> 16) * 0x7feb352dU;
  h = (h ^ h >> 15) * 0x846ca68bU;
  return h ^ h >> 16;
}

/// In [-0.5, 0.5).
inline float Fraction(std::initializer_list<std::uint32_t> words) {
  return static_cast<float>(Draw(words) >> 8) * 0x1p-24F - 0.5F;
}

inline bool IsTouched(std::uint32_t step, std::uint32_t row) {
  if (row == kRows - 1) return step % 50 == 7;  // A row that hardly anybody rates.
  return row == step % (kRows - 1) || Draw({1, step, row}) % 3 == 0;
}

struct DrawnSample {
  std::uint32_t user = 0;
  std::uint32_t item = 0;
  float rating = 0;
};
inline DrawnSample SampleOf(std::uint32_t step, std::uint32_t s) {
  return {.user = Draw({5, step, s, 0}) % kUsers,
          .item = Draw({5, step, s, 1}) % kItems,
          .rating = static_cast<float>(1 + Draw({5, step, s, 2}) % 5)};
}

/// PyTorch's weights by (case, step, table, row): the vector, then the bias; of a dense layer, its
/// row.
using Figures = std::map<std::tuple<std::string, std::uint32_t, std::string, std::uint32_t>,
                         std::vector<double>>;

inline Figures ReadFigures(const std::string& file_name = "optimizers") {
  std::ifstream file(CF_SOURCE_DIR "/tests/reference/" + file_name + ".csv");
  Check(file.is_open(), "the reference is beside the tests");
  Figures figures;
  std::string line;
  std::getline(file, line);  // The header.
  while (std::getline(file, line)) {
    std::istringstream fields(line);
    std::string name;
    std::string step;
    std::string table;
    std::string row;
    std::getline(fields, name, ',');
    std::getline(fields, step, ',');
    std::getline(fields, table, ',');
    std::getline(fields, row, ',');
    std::vector<double>& values = figures[{name, static_cast<std::uint32_t>(std::stoul(step)),
                                           table, static_cast<std::uint32_t>(std::stoul(row))}];
    for (std::string value; std::getline(fields, value, ',');) values.push_back(std::stod(value));
  }
  return figures;
}

}  // namespace cf::drawn

#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "common/base/check.h"
#include "common/rows/parcel.h"

namespace cf::fuzz {

inline std::vector<RowLayout> Layouts() {
  return {RowLayout({.name = "users", .rows = 100, .dim = 3, .biases = true, .moments = 2}),
          RowLayout({.name = "items", .rows = 50, .dim = 0, .biases = true, .moments = 2})};
}

/// The tables' spans follow one another from `at` on and end at `end`.
inline void CheckSpans(const Parcel& parcel, const std::byte* at, const std::byte* end) {
  const auto follows = [&at]<class T>(std::span<T> values) {
    Check(reinterpret_cast<const std::byte*>(values.data()) >= at, "spans follow one another");
    at = reinterpret_cast<const std::byte*>(values.data() + values.size());
  };
  for (const Parcel::Table& table : parcel.tables) {
    Check(table.partial_nodes.size() == table.partial_ids.size(), "a partial has id and node");
    follows(table.partial_ids);
    follows(table.partial_nodes);
    follows(table.gradients);
    follows(table.wanted);
    follows(table.rows);
  }
  Check(at <= end, "spans end within the payload");
}

/// Shapes with small counts for both tables.
inline std::vector<ParcelShape> Shapes() {
  std::mt19937 random(20261121);
  const auto below = [&random](std::uint32_t n) {
    return static_cast<std::uint32_t>(random() % n);
  };
  std::vector<ParcelShape> shapes(20);
  for (ParcelShape& shape : shapes) {
    shape = {.from_seat = below(4), .to_seat = below(4), .turn = random()};
    for (std::size_t table = 0; table < Layouts().size(); ++table) {
      shape.tables.push_back({.partials = below(4), .wanted = below(4), .rows = below(4)});
    }
  }
  return shapes;
}

}  // namespace cf::fuzz

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/unit/paramserver/local_rows.h"

namespace cf {

// Two tables of rows whose counts no number of partitions divides.
inline constexpr std::uint32_t kPartitions = 8;
inline constexpr std::uint32_t kUserRows = 53;
inline constexpr std::uint32_t kItemRows = 19;
inline constexpr std::uint32_t kDim = 5;
inline constexpr std::size_t kWireFloats = 17;

inline std::vector<TableSpec> MakeTables(std::uint32_t moments = 2) {
  std::vector<TableSpec> tables = {MakeTable("users", kUserRows, kDim, moments),
                                   MakeTable("items", kItemRows, kDim, moments)};
  tables[1].biases.mutable_normal()->set_mean(0);
  tables[1].biases.mutable_normal()->set_deviation(0.05);
  return tables;
}

inline LocalRows::Options MakeOptions(const std::string& optimizer, std::uint32_t seats) {
  const Optimizer parsed = MakeOptimizer(optimizer);
  return {.partitions = kPartitions,
          .seats = seats,
          .tables = MakeTables(MomentsOf(parsed)),
          .optimizer = parsed};
}

/// The records of all rows, by table and id.
inline std::vector<float> AllRecords(LocalRows& local) {
  std::vector<float> all;
  for (std::uint32_t t = 0; t < 2; ++t) {
    for (std::uint32_t id = 0; id < (t == 0 ? kUserRows : kItemRows); ++id) {
      const std::vector<float> record = local.Record(TableId{t}, RowId{id});
      all.insert(all.end(), record.begin(), record.end());
    }
  }
  return all;
}

}  // namespace cf

#include "paramserver/changed_rows.h"

#include <algorithm>
#include <bit>

namespace cf {

ChangedRows::ChangedRows(std::span<const RowStore::Table> tables, Partitioning partitioning,
                         SeatRange range)
    : tables_(tables.begin(), tables.end()),
      partitioning_(partitioning),
      range_(range),
      bits_(tables.size()) {
  for (std::size_t t = 0; t < tables.size(); ++t) {
    for (std::uint32_t p = range.first; p < range.last; ++p) {
      const std::size_t words = (partitioning.RowsIn(PartitionId{p}, tables[t].rows) + 63) / 64;
      bits_[t].push_back({.changed = std::vector<std::uint64_t>(words),
                          .written = std::vector<std::uint64_t>(words)});
    }
  }
}

std::size_t ChangedRows::BytesFor(std::span<const RowStore::Table> tables,
                                  Partitioning partitioning, SeatRange range) {
  std::size_t words = 0;
  for (const RowStore::Table& table : tables) {
    for (std::uint32_t p = range.first; p < range.last; ++p) {
      words += (partitioning.RowsIn(PartitionId{p}, table.rows) + 63) / 64;
    }
  }
  return words * 2 * sizeof(std::uint64_t);
}

void ChangedRows::MarkAll() {
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    for (std::uint32_t p = range_.first; p < range_.last; ++p) {
      const std::uint32_t rows = partitioning_.RowsIn(PartitionId{p}, tables_[t].rows);
      for (std::uint32_t slot = 0; slot < rows; ++slot) {
        Mark(TableId{static_cast<std::uint32_t>(t)}, PartitionId{p}, slot);
      }
    }
  }
}

std::uint64_t ChangedRows::Count(PartitionId partition) const {
  std::uint64_t count = 0;
  for (std::uint32_t t = 0; t < bits_.size(); ++t) {
    const Bits& bits = BitsOf(TableId{t}, partition);
    for (std::size_t word = 0; word < bits.changed.size(); ++word) {
      count += static_cast<std::uint64_t>(std::popcount(bits.changed[word] | bits.written[word]));
    }
  }
  return count;
}

void ChangedRows::MarkWritten(PartitionId partition) {
  for (std::uint32_t t = 0; t < bits_.size(); ++t) {
    Bits& bits = BitsOf(TableId{t}, partition);
    for (std::size_t word = 0; word < bits.changed.size(); ++word) {
      bits.written[word] |= bits.changed[word];
      bits.changed[word] = 0;
    }
  }
}

void ChangedRows::Commit(PartitionId partition) {
  for (std::uint32_t t = 0; t < bits_.size(); ++t) {
    std::ranges::fill(BitsOf(TableId{t}, partition).written, 0);
  }
}

}  // namespace cf

#include "paramserver/changed_rows.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace cf {

ChangedRows::ChangedRows(std::span<const RowStore::Table> tables, Partitioning partitioning,
                         SeatRange range, Remember remember)
    : tables_(tables.begin(), tables.end()),
      partitioning_(partitioning),
      remember_(remember),
      bits_(tables.size()) {
  MoveTo(range);
}

void ChangedRows::MoveTo(SeatRange range) {
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    std::vector<Bits> moved;
    for (std::uint32_t p = range.first; p < range.last; ++p) {
      moved.push_back(range_.Contains(PartitionId{p}) ? std::move(bits_[t][p - range_.first])
                                                      : MakeBits(t, p));
    }
    bits_[t] = std::move(moved);
  }
  range_ = range;
}

ChangedRows::Bits ChangedRows::MakeBits(std::size_t table, std::uint32_t partition) const {
  const std::uint32_t rows = partitioning_.RowsIn(PartitionId{partition}, tables_[table].rows);
  const std::vector<std::uint64_t> none((rows + 63) / 64);
  Bits bits{.changed = none, .written = none, .committed = {}};
  if (remember_ == Remember::kCommitBefore) bits.committed = none;
  return bits;
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
    Bits& bits = BitsOf(TableId{t}, partition);
    if (remember_ == Remember::kCommitBefore) std::swap(bits.committed, bits.written);
    std::ranges::fill(bits.written, 0);
  }
}

std::vector<std::uint64_t> ChangedRows::Since(TableId table, PartitionId partition,
                                              Filed state) const {
  const Bits& bits = BitsOf(table, partition);
  std::vector<std::uint64_t> since = bits.changed;
  for (std::size_t word = 0; word < since.size(); ++word) {
    if (state != Filed::kWritten) since[word] |= bits.written[word];
    if (state == Filed::kCommittedBefore) since[word] |= bits.committed[word];
  }
  return since;
}

void ChangedRows::Restored(PartitionId partition, Filed state) {
  if (state == Filed::kWritten) Commit(partition);
  for (std::uint32_t t = 0; t < bits_.size(); ++t) {
    Bits& bits = BitsOf(TableId{t}, partition);
    std::ranges::fill(bits.changed, 0);
    std::ranges::fill(bits.written, 0);
    if (state == Filed::kCommittedBefore) std::ranges::fill(bits.committed, 0);
  }
}

}  // namespace cf

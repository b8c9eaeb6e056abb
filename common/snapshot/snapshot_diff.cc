#include "common/snapshot/snapshot_diff.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>
#include <span>
#include <utility>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include "common/base/activity.h"
#include "common/base/partition.h"
#include "common/snapshot/row_stream.h"

namespace cf {
namespace {

/// Sums of squares over the numbers of a part, or of one row of it.
struct Squares {
  double a = 0;
  double b = 0;
  double difference = 0;

  Squares& operator+=(const Squares& other) {
    a += other.a;
    b += other.b;
    difference += other.difference;
    return *this;
  }
};

bool SameBits(std::span<const float> a, std::span<const float> b) {
  return std::equal(a.begin(), a.end(), b.begin(), [](float left, float right) {
    return std::bit_cast<std::uint32_t>(left) == std::bit_cast<std::uint32_t>(right);
  });
}

Squares SquaresOf(std::span<const float> a, std::span<const float> b) {
  Squares sums;
  for (std::size_t k = 0; k < a.size(); ++k) {
    const double left = a[k];
    const double right = b[k];
    sums += {.a = left * left, .b = right * right, .difference = (right - left) * (right - left)};
  }
  return sums;
}

/// Whether `left` is listed before `right`.
bool Longer(const RowChange& left, const RowChange& right) {
  const auto length = [](const RowChange& change) {
    return std::isnan(change.norm_of_difference) ? std::numeric_limits<double>::infinity()
                                                 : change.norm_of_difference;
  };
  if (length(left) != length(right)) return length(left) > length(right);
  return left.id < right.id;
}

/// Sums up the rows of one table.
///
/// Owner:   the call of DifferenceOf.
/// Threads: one.
/// Bounds:  `largest_max` changes.
class TableSums {
 public:
  TableSums(const SnapshotTable& shape, std::size_t largest_max)
      : part_floats_(shape.dim() + (shape.bias() ? 1 : 0)),
        largest_max_(largest_max),
        squares_(1 + shape.slots()) {
    result_.name = shape.name();
    result_.rows = shape.rows();
    result_.moments.resize(shape.slots());
    result_.last_steps = shape.last_step();
  }

  void Add(RowId id, std::span<const float> a, std::span<const float> b) {
    if (!SameBits(a, b)) ++result_.rows_changed;
    for (std::size_t part = 0; part < squares_.size(); ++part) {
      const std::span<const float> part_a = a.subspan(part * part_floats_, part_floats_);
      const std::span<const float> part_b = b.subspan(part * part_floats_, part_floats_);
      const Squares row = SquaresOf(part_a, part_b);
      squares_[part] += row;
      if (SameBits(part_a, part_b)) continue;
      ++PartOf(part).rows_changed;
      if (part == 0) Offer(id, row);
    }
    if (result_.last_steps && !SameBits(a.last(1), b.last(1))) ++result_.last_steps_changed;
  }

  TableDifference Take() {
    for (std::size_t part = 0; part < squares_.size(); ++part) {
      PartDifference& sums = PartOf(part);
      sums.norm_a = std::sqrt(squares_[part].a);
      sums.norm_b = std::sqrt(squares_[part].b);
      sums.norm_of_difference = std::sqrt(squares_[part].difference);
    }
    std::sort_heap(result_.largest_changes.begin(), result_.largest_changes.end(), Longer);
    return std::move(result_);
  }

 private:
  PartDifference& PartOf(std::size_t part) {
    return part == 0 ? result_.weights : result_.moments[part - 1];
  }

  /// Keeps the row if it is among the longest so far, of which the heap has the shortest on top.
  void Offer(RowId id, const Squares& row) {
    std::vector<RowChange>& kept = result_.largest_changes;
    const RowChange change = {.id = id,
                              .norm_a = std::sqrt(row.a),
                              .norm_b = std::sqrt(row.b),
                              .norm_of_difference = std::sqrt(row.difference)};
    if (kept.size() == largest_max_) {
      if (kept.empty() || !Longer(change, kept.front())) return;
      std::pop_heap(kept.begin(), kept.end(), Longer);
      kept.pop_back();
    }
    kept.push_back(change);
    std::push_heap(kept.begin(), kept.end(), Longer);
  }

  std::size_t part_floats_;
  std::size_t largest_max_;
  std::vector<Squares> squares_;  // Of the weights, then of each moment.
  TableDifference result_;
};

absl::Status CheckSameShape(const Manifest& a, const Manifest& b) {
  const auto refuse = [](const std::string& why) {
    return absl::InvalidArgumentError(absl::StrCat("the snapshots have different shapes: ", why));
  };
  if (const std::optional<std::string> tables = FirstDifferentTable(a, b)) return refuse(*tables);
  if (a.partitions() != b.partitions()) {
    return refuse(absl::StrCat(a.partitions(), " partitions and ", b.partitions()));
  }
  if (a.data().digest() != b.data().digest()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the snapshots are of different data sets, whose ids do not mean the same: ",
                     a.data().name(), " (", a.data().digest(), ") and ", b.data().name(), " (",
                     b.data().digest(), ")"));
  }
  return absl::OkStatus();
}

absl::Status AddPartition(const Snapshot& a, const Snapshot& b, PartitionId partition,
                          std::vector<TableSums>& sums) {
  const Manifest& manifest = a.manifest();
  absl::StatusOr<PartitionRows> rows_b =
      PartitionRows::Open(b.folder(), ChainOf(b.manifest(), partition));
  if (!rows_b.ok()) return rows_b.status();
  const RowVisitor add = [&](TableId table, RowId id, std::span<const float> record) {
    const SnapshotTable& shape = manifest.tables(static_cast<int>(Index(table)));
    const absl::StatusOr<std::span<const float>> other =
        rows_b->Next(table, id, RecordFloats(shape));
    if (other.ok()) sums[Index(table)].Add(id, record, *other);
    return other.status();
  };
  if (absl::Status read = a.ReadPartition(partition, add); !read.ok()) return read;
  return rows_b->ExpectEnd();
}

}  // namespace

absl::StatusOr<std::vector<TableDifference>> DifferenceOf(const Snapshot& a, const Snapshot& b,
                                                          std::size_t largest_max) {
  if (absl::Status same = CheckSameShape(a.manifest(), b.manifest()); !same.ok()) return same;
  std::vector<TableSums> sums;
  for (const SnapshotTable& shape : a.manifest().tables()) sums.emplace_back(shape, largest_max);
  for (std::uint32_t p = 0; p < a.manifest().partitions(); ++p) {
    if (absl::Status read = AddPartition(a, b, PartitionId{p}, sums); !read.ok()) return read;
  }
  std::vector<TableDifference> differences;
  differences.reserve(sums.size());
  for (TableSums& table : sums) differences.push_back(table.Take());
  return differences;
}

}  // namespace cf

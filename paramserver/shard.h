#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/base/profile.h"
#include "common/model/tables.h"
#include "common/rows/block_rows.h"
#include "common/rows/exchange.h"
#include "common/rows/rows.h"
#include "common/snapshot/partition_writer.h"
#include "common/snapshot/snapshot.h"
#include "paramserver/arena.h"
#include "paramserver/optimizer.h"

namespace cf {

/// The rows of every table in the partitions of one server seat, and the service that applies steps
/// to them.
///
/// Owner:   the seat's process, one for each compute thread that serves.
/// Threads: the seat's compute thread; Resolve also from others of the process between steps.
/// Bounds:  memory is fixed at Open: RowsBytes. A partition's rows of a table are one slab, found
/// by slot = id / P; the spill store of
///          tables beyond memory will stand behind the slabs.
/// Invariants: a row changes only in a step that brings it a gradient, once, and is then marked as
/// changed.
class Shard : public RowHost {
 public:
  struct Options {
    std::uint32_t seat = 0;
    std::vector<TableSpec> tables;
    const OptimizerRule* optimizer = nullptr;  ///< Borrowed, as are the others.
    const KernelSet* kernels = nullptr;
    Exchange* exchange = nullptr;
    std::uint64_t seed = 0;      ///< Of the initial values.
    Profile* profile = nullptr;  ///< Of the same thread; null for none.
    /// Whether seats of this process read rows in place, and need none in their parcels.
    bool rows_in_place = true;
  };

  /// The memory that the seat's rows take.
  static std::size_t RowsBytes(const std::vector<TableSpec>& tables, Partitioning partitioning,
                               SeatRange range);

  /// ResourceExhausted where there is no memory. The rows are zeros until Initialize or Load.
  static absl::StatusOr<std::unique_ptr<Shard>> Open(Options options);

  SeatRange range() const { return range_; }

  /// Gives every row its initial values, a function of (seed, table, id).
  void Initialize();

  /// Gives the rows of `table` that are here these biases, by id. Requires: the table has biases.
  void SetBiases(TableId table, std::span<const float> biases);

  /// Takes every row from a snapshot, whose tables must be these. Errors are Snapshot's;
  /// FailedPrecondition: another shape.
  absl::Status Load(const Snapshot& snapshot);

  void Resolve(TableId table, std::span<const RowId> ids,
               std::span<const float*> rows) const override;
  void ApplyOwn(TableId table, std::uint64_t step, std::span<const RowId> ids,
                std::span<const float* const> gradients) override;
  bool CanServe() override;
  absl::Status Serve(std::uint64_t turn, bool apply, std::uint64_t step,
                     std::span<OwnPartials> own) override;

  /// For the schedule BLOCKS, of a partition that is hosted here. Its rows;
  SlabRows Slab(TableId table, PartitionId partition) const;
  /// a step on some of them;
  void ApplySlots(TableId table, PartitionId partition, std::uint64_t step,
                  const SlotGradients& gradients);
  /// all of them, as they are in memory, to `rows` and back. Those that differ have changed.
  /// Requires: rows.size() is what the partition's rows take.
  void CopyOut(TableId table, PartitionId partition, std::span<float> rows) const;
  void CopyIn(TableId table, PartitionId partition, std::span<const float> rows);

  /// lambda * sum(w^2) over all rows of `partition`, in the order of tables and ids, in double.
  double L2Penalty(PartitionId partition) const;

  /// How many rows of `partition` there are, and have changed since the last MarkClean.
  std::uint64_t Rows(PartitionId partition) const;
  std::uint64_t ChangedRows(PartitionId partition) const;

  /// The first row of `table` here, or of those that changed since the last MarkClean, with a
  /// weight or a number of its optimizer's state that is infinite or not a number.
  std::optional<RowId> FirstNotFinite(TableId table, bool changed_only) const;

  /// Writes the rows of `partition`, or only the changed ones.
  absl::Status Write(PartitionId partition, bool changed_only, PartitionWriter& writer) const;

  /// To be called when all of the shard's files of a snapshot are written.
  void MarkClean();

 private:
  struct Table {
    TableSpec spec;
    RowLayout layout;
    std::vector<float*> slabs;  // By partition of the range.
    std::vector<std::vector<std::uint64_t>>
        dirty;  // By partition of the range: a bit for each slot.
    // Where Serve finds the rows that a step touches: entry_of[partition of the range][slot].
    std::vector<std::vector<std::uint32_t>> entry_of;
  };
  // A row of the step that is being served, with its parts as a chain through parts_.
  struct Entry {
    RowId id{};
    std::uint32_t first = 0;
    std::uint32_t last = 0;
  };
  struct ChainedPart {
    TreePart part;
    std::uint32_t next = 0;
  };

  explicit Shard(Options options);

  float* RowOf(const Table& table, RowId id) const;
  void MarkDirty(Table& table, RowId id);
  bool Hosts(TableId table, RowId id) const;
  TreeSum TreeOf(const Table& table) const;
  absl::Status AwaitPushes(std::uint64_t turn);
  absl::Status Collect(const TreeSum& tree, TableId table, RowId id, const TreePart& part);
  absl::Status ApplyPushes(std::uint64_t step, std::span<OwnPartials> own,
                           std::span<Parcel> pushes);
  // The same of the only worker, which has summed each row along the whole tree.
  void ApplyAlone(std::uint64_t step, std::span<const OwnPartials> own);
  void ApplyEntries(const TreeSum& tree, TableId table, std::uint64_t step);
  absl::Status SendWanted(const Parcel& push);

  const Options options_;
  const Partitioning partitioning_;
  const SeatRange range_;
  Arena arena_;
  std::vector<Table> tables_;

  // Scratch of Serve and ApplyOwn, kept for its capacity.
  std::vector<Parcel> pushes_;
  std::vector<Entry> entries_;
  std::vector<ChainedPart> parts_;
  std::vector<TreePart> chain_;
  std::vector<const float*> sums_;
  std::vector<RowUpdate> updates_;
};

}  // namespace cf

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <absl/status/status.h>

#include "common/base/profile.h"
#include "common/model/optimizer.h"
#include "common/model/row_optimizer.h"
#include "common/model/tables.h"
#include "common/rows/exchange.h"
#include "common/rows/id_index.h"
#include "common/rows/row_copies.h"
#include "common/rows/row_host.h"
#include "paramserver/refusal_log.h"
#include "paramserver/row_store.h"

namespace cf {

/// Answers workers, turn by turn: applies the gradients that they push to the rows of one server
/// seat's partitions, and gives them the rows that they want.
///
/// Owner:   the seat's process, one for each compute thread that serves.
/// Threads: the seat's compute thread; RowsFor as RowHost has it.
/// Bounds:  what it keeps of a turn follows the batch: entries and parts of the rows that it
///          touches, and the rows that are pinned for workers of this process.
/// Invariants: a row changes only in a step that brings it a gradient, once.
class RowService : public RowHost {
 public:
  struct Options {
    std::uint32_t seat = 0;
    std::vector<TableSpec> tables;
    const OptimizerRule* optimizer = nullptr;  ///< Borrowed, as are the others.
    const KernelSet* kernels = nullptr;
    Exchange* exchange = nullptr;
    RowStore* store = nullptr;
    Profile* profile = nullptr;  ///< Of the same thread; null for none.
    /// Whether seats of this process read rows in place, and need none in their parcels.
    bool rows_in_place = true;
    std::uint64_t steps = 0;  ///< Global steps that the rows have had.
  };

  explicit RowService(Options options);

  SeatRange range() const { return range_; }

  /// What the rows' weights are. Used by the hosting thread, between turns.
  RowOptimizer& optimizer() { return optimizer_; }
  /// Global steps that have been applied.
  std::uint64_t steps() const { return steps_; }
  /// What this service has refused to apply.
  RefusalLog& refusals() { return refusals_; }
  /// Others than this service have applied steps (BLOCKS).
  void SetSteps(std::uint64_t steps) { steps_ = steps; }

  void Announce(TableId table, std::span<const RowId> ids) override;
  void Foresee(TableId table, std::span<const RowId> ids,
               std::span<const std::uint16_t> batches) override;
  bool CanServe() override;
  absl::Status Serve(const ServedTurn& turn) override;
  std::span<const float* const> RowsFor(std::uint32_t worker_seat, TableId table) const override;
  bool moves_rows() const override { return optimizer_.moves_rows(); }
  absl::Status CatchUpOwn(TableId table, std::uint64_t step, std::span<const RowId> ids) override;
  absl::Status ApplyOwn(TableId table, std::uint64_t step, std::span<const RowId> ids,
                        std::span<const float* const> gradients) override;

  /// Releases what the last turn has pinned. Called between commands, when no worker has a batch.
  void ReleaseRows();

 private:
  // What one worker of this process has pinned of one table.
  struct Pinned {
    std::vector<RowId> ids;
    std::vector<float*> rows;
    RowCopies copies;  // What `rows` are where stored rows are not what is read.
  };
  // A row of the step that is being served, with its parts as a chain through parts_.
  struct Entry {
    std::uint32_t first = 0;
    std::uint32_t last = 0;
  };
  struct ChainedPart {
    TreePart part;
    std::uint32_t next = 0;
  };

  bool Hosts(TableId table, RowId id) const;
  TreeSum TreeOf(TableId table) const;
  absl::Status AwaitPushes(std::uint64_t turn);
  absl::Status ApplyPushes(std::uint64_t step, std::span<OwnPartials> own);
  absl::Status ApplyTable(TableId table, std::uint64_t step, std::span<OwnPartials> own);
  // The same of the only worker, which has summed each row along the whole tree.
  absl::Status ApplyAlone(std::uint64_t step, std::span<const OwnPartials> own);
  absl::Status Collect(const TreeSum& tree, TableId table, RowId id, const TreePart& part);
  absl::Status ApplyEntries(const TreeSum& tree, TableId table, std::uint64_t step);
  // Updates ids[k] with gradient_of(k).
  template <class GradientOf>
  absl::Status Update(TableId table, std::uint64_t step, std::span<const RowId> ids,
                      const GradientOf& gradient_of);
  // What pushes want is asked of the store before anything is waited for.
  absl::Status AnnouncePushes();
  absl::Status PinOwn(std::span<const std::span<const RowId>> wanted);
  // Pins rows for the use of the turn. With dense Adam those of a step are brought up to date.
  absl::Status Pin(TableId table, std::span<const RowId> ids, std::span<float*> rows);
  absl::Status PinTable(TableId table, std::span<const RowId> ids, Pinned& pinned);
  void ReadPinned(TableId table, Pinned& pinned);
  absl::Status Answer(const Parcel& push);
  absl::Status CopyRows(TableId table, std::span<const RowId> ids, float* to);
  absl::Status CheckWanted(const Parcel& push) const;

  const Options options_;
  const std::vector<RowLayout> layouts_;
  const Partitioning partitioning_;
  const SeatRange range_;
  RowOptimizer optimizer_;
  RefusalLog refusals_;
  std::uint64_t steps_;
  ServedTurn::Use use_ = ServedTurn::Use::kReading;  // Of the turn that is being served.
  std::vector<std::vector<Pinned>> pinned_;  // By worker seat, by table; empty for other processes.

  // Scratch of Serve and ApplyOwn, kept for its capacity.
  std::vector<Parcel> pushes_;
  IdIndex entry_of_;  // Of the table that is being collected.
  std::vector<RowId> entry_ids_;
  std::vector<Entry> entries_;  // By entry_ids_.
  std::vector<ChainedPart> parts_;
  std::vector<TreePart> chain_;
  std::vector<float*> rows_;
  std::vector<RowUpdate> updates_;
};

}  // namespace cf

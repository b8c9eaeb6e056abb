#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>

#include "common/base/profile.h"
#include "common/rows/exchange.h"
#include "common/rows/row_copies.h"
#include "common/rows/row_host.h"

namespace cf {

/// The rows that one batch wants, and where they are once they have come.
///
/// Owner:   whoever computes the batch.
/// Threads: its compute thread.
/// Bounds:  the rows of the largest batch so far; copies of those that are not read in place.
class BatchRows {
 public:
  /// What is wanted of one server: row number places[k] of the batch has id ids[k].
  struct Wanted {
    std::vector<std::uint32_t> places;
    std::vector<RowId> ids;
  };

  BatchRows(std::size_t tables, std::size_t servers);

  /// Forgets what an earlier batch wanted. Requires: it has been released.
  void Clear();

  const Wanted& wanted(TableId table, std::uint32_t server) const {
    return tables_[Index(table)].by_server[server];
  }
  /// By row of the batch, after RowClient::Take: its weights, the padded vector and then the bias.
  std::span<const float* const> rows(TableId table) const { return tables_[Index(table)].rows; }

 private:
  friend class RowClient;
  struct Table {
    std::vector<Wanted> by_server;
    std::vector<const float*> rows;
    std::size_t count = 0;  // Of rows that are wanted.
    RowCopies copies;       // Of the own server's, where these do not stay.
  };

  std::vector<Table> tables_;
  std::vector<Parcel> replies_;  // What rows of other processes point into.
};

/// Rows as a worker sees them: it says what a coming batch wants, takes the rows, and pushes
/// gradients; the push that ends a step releases its rows. This class alone knows which of them its
/// own server has, which are read in place with another thread of the process, and which come over
/// the exchange. Turns are those of the exchange: a push of turn t carries the gradients of one
/// step and the wishes of another (StepTurns).
///
/// Owner:   the seat's process, one for each compute thread that works.
/// Threads: the seat's compute thread.
/// Bounds:  no memory but that of the batches and their parcels.
class RowClient {
 public:
  struct Options {
    std::uint32_t seat = 0;
    Exchange* exchange = nullptr;  ///< Borrowed, as are the others.
    RowHost* host = nullptr;       ///< Of the same thread; null with dedicated servers.
    /// By server seat: whose rows are read in place; null where parcels bring them.
    std::vector<const RowHost*> hosts_in_place;
    /// Whether steps are applied between a turn and the computing of its batch, so that the own
    /// server's rows are copied, too.
    bool copies_own = false;
    Profile* profile = nullptr;  ///< Of the same thread; null for none.
  };
  explicit RowClient(Options options);

  std::uint32_t seat() const { return options_.seat; }
  bool has_own_server() const { return options_.host != nullptr; }
  const Placement& placement() const { return options_.exchange->placement(); }
  std::span<const RowLayout> layouts() const { return options_.exchange->layouts(); }
  BatchRows MakeBatch() const;

  /// `batch` wants `count` more rows of the table: id_of(0), id_of(1), ... Requires: each id once.
  template <class IdOf>
  void Want(BatchRows& batch, TableId table, std::size_t count, const IdOf& id_of);

  /// Tells the own server, if there is one, what the batch wants, which is asked for some turns later.
  void Announce(const BatchRows& batch);

  /// RowHost's, of the own server, if there is one.
  void Foresee(TableId table, std::span<const RowId> ids, std::span<const std::uint16_t> batches) {
    if (has_own_server()) options_.host->Foresee(table, ids, batches);
  }

  /// The gradients of a step for one server: fills what it is given, by table.
  using FillPartials = absl::FunctionRef<void(std::uint32_t server, std::span<OwnPartials> into)>;

  /// Sends turn `turn` to every server but the own one: the gradients that `fill` gives, if it is
  /// there, and the wishes of `next`, if there is one. For the own server `fill` is called too,
  /// with `own`, if the former is there.
  void Push(std::uint64_t turn, std::optional<FillPartials> fill, std::span<OwnPartials> own,
            const BatchRows* next);

  /// Whether ServeOwn would not wait.
  bool CanServe() { return options_.host->CanServe(); }

  /// The own server's part of turn `turn`: ends global step `step`, if there is one, with the
  /// worker's own gradients, and pins what `next` wants of it, if there is one, for `use`. Errors
  /// are RowHost's. Requires: there is an own server.
  absl::Status ServeOwn(std::uint64_t turn, std::optional<std::uint64_t> step,
                        std::span<OwnPartials> own, const BatchRows* next, ServedTurn::Use use);

  /// Takes what the own server has pinned for `batch` in the turn that it served last: copies where
  /// steps will be applied before the batch is computed. What ApplyOwn does is to be done before.
  void TakeOwn(BatchRows& batch);

  /// Waits for the answers to the push of turn `turn` and points batch.rows at what it wants. They
  /// hold until the next push. The exchange's error if a peer is lost; DataLoss: one broke the
  /// protocol. Requires: TakeOwn, where there is an own server.
  absl::Status Take(std::uint64_t turn, BatchRows& batch);

  /// Waits for the answers to a push that wanted nothing.
  absl::Status AwaitAnswers(std::uint64_t turn);

  /// Gives back what brought the batch's rows.
  void Recycle(BatchRows& batch);

  /// RowHost's, of the own server.
  bool moves_rows() const { return options_.host->moves_rows(); }
  absl::Status CatchUpOwn(TableId table, std::uint64_t step, std::span<const RowId> ids) {
    return options_.host->CatchUpOwn(table, step, ids);
  }

  /// RowHost::ApplyOwn of the own server.
  absl::Status ApplyOwn(TableId table, std::uint64_t step, std::span<const RowId> ids,
                        std::span<const float* const> gradients) {
    return options_.host->ApplyOwn(table, step, ids, gradients);
  }

 private:
  bool IsOwn(std::uint32_t server) const { return has_own_server() && server == seat(); }
  void PushTo(std::uint32_t server, std::uint64_t turn, const BatchRows* next);
  absl::Status TakeFrom(std::uint32_t server, TableId table, const Parcel* reply,
                        BatchRows::Table& into) const;

  const Options options_;
  const Partitioning partitioning_;

  // Scratch.
  std::vector<OwnPartials> partials_;           // By table: of the server that is pushed to.
  std::vector<std::span<const RowId>> wanted_;  // By table: of the own server.
  std::vector<Parcel> answers_;                 // Of a turn that brings no rows.
};

template <class IdOf>
void RowClient::Want(BatchRows& batch, TableId table, std::size_t count, const IdOf& id_of) {
  BatchRows::Table& of = batch.tables_[Index(table)];
  const Placement::Role& servers = placement().servers();
  if (servers.size() == 1) {
    BatchRows::Wanted& wanted = of.by_server.front();
    wanted.places.resize(of.count + count);
    wanted.ids.resize(of.count + count);
    for (std::size_t k = 0; k < count; ++k) {
      wanted.places[of.count + k] = static_cast<std::uint32_t>(of.count + k);
      wanted.ids[of.count + k] = id_of(k);
    }
  } else {
    for (std::size_t k = 0; k < count; ++k) {
      const RowId id = id_of(k);
      BatchRows::Wanted& wanted = of.by_server[servers.SeatOf(partitioning_.Of(id))];
      wanted.places.push_back(static_cast<std::uint32_t>(of.count + k));
      wanted.ids.push_back(id);
    }
  }
  of.count += count;
}

}  // namespace cf

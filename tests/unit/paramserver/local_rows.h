#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/base/check.h"
#include "common/rows/row_client.h"
#include "paramserver/initial_values.h"
#include "paramserver/row_scan.h"
#include "paramserver/row_service.h"
#include "paramserver/slab_store.h"
#include "tests/unit/model/make_optimizer.h"

namespace cf {

/// A table for a test: vectors uniform in [-0.5, 0.5), biases zero.
inline TableSpec MakeTable(const std::string& name, std::uint32_t rows, std::uint32_t dim,
                           std::uint32_t moments) {
  TableSpec table;
  table.shape = {.name = name, .rows = rows, .dim = dim, .biases = true, .moments = moments};
  table.vectors.mutable_uniform()->set_min(-0.5);
  table.vectors.mutable_uniform()->set_max(0.5);
  table.biases.mutable_zeros();
  return table;
}

inline std::uint32_t MomentsOf(const Optimizer& optimizer) {
  return optimizer.has_adam() ? 2 : optimizer.has_adagrad() ? 1 : 0;
}

/// The rows of a job whose seats are all in this process: a store, opened but without values, and a
/// service and a client for each seat.
class LocalRows {
 public:
  struct Options {
    std::uint32_t partitions = 8;
    std::uint32_t seats = 1;
    std::vector<TableSpec> tables;
    Optimizer optimizer = MakeOptimizer("sgd {}");
    std::uint64_t steps_per_epoch = 20;
    std::uint64_t seed = 42;
    bool change_places = true;
  };

  explicit LocalRows(const Options& options)
      : options_(options),
        placement_(Placement::Make(
                       {.partitions = options.partitions, .threads = {options.seats}, .servers = 0})
                       .value()),
        rule_(options.optimizer, options.steps_per_epoch),
        layouts_(LayoutsOf(options.tables)),
        exchange_(placement_, 0, layouts_, nullptr) {
    std::vector<RowStore::Table> stored;
    for (const TableSpec& table : options.tables) {
      stored.push_back({.rows = table.shape.rows,
                        .stride = RowLayout(table.shape).stride(),
                        .change_places = options.change_places});
    }
    store_ = SlabStore::Open(stored, placement_.partitioning(), {0, options.partitions}).value();
    std::vector<const RowHost*> hosts;
    for (std::uint32_t seat = 0; seat < options.seats; ++seat) {
      services_.push_back(std::make_unique<RowService>(
          RowService::Options{.seat = seat,
                              .tables = options.tables,
                              .optimizer = &rule_,
                              .kernels = KernelsFor(KernelTarget::kBest).value(),
                              .exchange = &exchange_,
                              .store = store_.get()}));
      hosts.push_back(services_.back().get());
    }
    for (std::uint32_t seat = 0; seat < options.seats; ++seat) {
      clients_.push_back(
          std::make_unique<RowClient>(RowClient::Options{.seat = seat,
                                                         .exchange = &exchange_,
                                                         .host = services_[seat].get(),
                                                         .hosts_in_place = hosts}));
    }
  }

  const Placement& placement() const { return placement_; }
  const OptimizerRule& rule() const { return rule_; }
  Exchange& exchange() { return exchange_; }
  RowStore& store() { return *store_; }
  RowService& service(std::size_t seat = 0) { return *services_[seat]; }
  RowClient& client(std::size_t seat = 0) { return *clients_[seat]; }

  /// For what looks through rows, as the first seat's service knows them. Borrows `tables`.
  ScannedRows Scanned(const std::vector<TableSpec>& tables) {
    return {.tables = tables,
            .store = *store_,
            .optimizer = service().optimizer(),
            .steps = service().steps()};
  }

  /// What the rows of a new model are, for whoever adds to it.
  InitialRows Initial() const {
    return {options_.tables, {.seed = options_.seed, .optimizer_state = rule_.initial_state()}};
  }
  void Initialize() { Initialize(Initial()); }
  void Initialize(const InitialRows& rows) {
    for (std::uint32_t p = 0; p < options_.partitions; ++p) {
      Check(
          InitializeRows(options_.tables, placement_.partitioning(), PartitionId{p}, rows, *store_)
              .ok(),
          "a slab has room for its rows");
    }
  }

  /// The record of a row: weights and optimizer state without padding.
  std::vector<float> Record(TableId table, RowId id) {
    const RowLayout& layout = layouts_[Index(table)];
    std::vector<float> record(layout.record_floats());
    layout.ToRecord(Row(table, id), record.data());
    return record;
  }

  /// A row where it is: slabs do not move.
  float* Row(TableId table, RowId id) {
    float* row = nullptr;
    Check(store_->Pin(table, {&id, 1}, RowStore::Access::kRead, {&row, 1}).ok(),
          "a slab has every row");
    store_->Release(table, {&id, 1});
    return row;
  }

  void Resolve(TableId table, std::span<const RowId> ids, std::span<const float*> rows) {
    for (std::size_t k = 0; k < ids.size(); ++k) rows[k] = Row(table, ids[k]);
  }

  /// Applies one step to one row. `gradient`: the padded vector and the bias.
  void Apply(TableId table, std::uint64_t step, RowId id, const std::vector<float>& gradient) {
    const float* at = gradient.data();
    const std::uint32_t seat = placement_.servers().SeatOf(placement_.partitioning().Of(id));
    Check(service(seat).ApplyOwn(table, step, {&id, 1}, {&at, 1}).ok(), "a slab has every row");
  }

 private:
  const Options options_;
  Placement placement_;
  OptimizerRule rule_;
  std::vector<RowLayout> layouts_;
  Exchange exchange_;
  std::unique_ptr<RowStore> store_;
  std::vector<std::unique_ptr<RowService>> services_;
  std::vector<std::unique_ptr<RowClient>> clients_;
};

}  // namespace cf

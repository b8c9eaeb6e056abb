#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "common/base/check.h"
#include "common/config/config.h"
#include "paramserver/shard.h"

namespace cf {

/// A table for a test: vectors uniform in [-0.5, 0.5), biases zero.
inline TableSpec MakeTable(const std::string& name, std::uint32_t rows, std::uint32_t dim,
                           std::uint32_t slots) {
  TableSpec table;
  table.shape = {.name = name, .rows = rows, .dim = dim, .biases = true, .slots = slots};
  table.vectors.mutable_uniform()->set_min(-0.5);
  table.vectors.mutable_uniform()->set_max(0.5);
  table.biases.mutable_zeros();
  return table;
}

/// An optimizer from textproto, with its defaults filled in: "adam { learning_rate: 0.02 }".
inline Optimizer MakeOptimizer(const std::string& text) {
  absl::StatusOr<Job> job =
      ParseJob("model { matrix_factorization {} } optimizer {" + text + "}", "test");
  Check(job.ok(), "the test's optimizer parses");
  FillDefaults(*job);
  return job->optimizer();
}

inline std::uint32_t SlotsOf(const Optimizer& optimizer) {
  return optimizer.has_adam() ? 2 : optimizer.has_adagrad() ? 1 : 0;
}

/// All shards of a job whose seats are in this process, opened but without values.
class LocalShards {
 public:
  struct Options {
    std::uint32_t partitions = 8;
    std::uint32_t seats = 1;
    std::vector<TableSpec> tables;
    Optimizer optimizer = MakeOptimizer("sgd {}");
    std::uint64_t steps_per_epoch = 20;
    std::uint64_t seed = 42;
  };

  explicit LocalShards(const Options& options)
      : placement_(Placement::Make(
                       {.partitions = options.partitions, .threads = {options.seats}, .servers = 0})
                       .value()),
        rule_(options.optimizer, options.steps_per_epoch),
        layouts_(LayoutsOf(options.tables)),
        exchange_(placement_, 0, layouts_, nullptr) {
    for (std::uint32_t seat = 0; seat < options.seats; ++seat) {
      shards_.push_back(Shard::Open({.seat = seat,
                                     .tables = options.tables,
                                     .optimizer = &rule_,
                                     .kernels = KernelsFor(KernelTarget::kBest).value(),
                                     .exchange = &exchange_,
                                     .seed = options.seed})
                            .value());
    }
  }

  const Placement& placement() const { return placement_; }
  const OptimizerRule& rule() const { return rule_; }
  Exchange& exchange() { return exchange_; }
  Shard& shard(std::size_t seat = 0) { return *shards_[seat]; }
  Shard& ShardOf(RowId id) {
    return shard(placement_.servers().SeatOf(placement_.partitioning().Of(id)));
  }

  void Initialize() {
    for (const std::unique_ptr<Shard>& shard : shards_) shard->Initialize();
  }

  /// The record of a row: weights and optimizer state without padding. Only the weights may be
  /// read through the seam, but a row is one run.
  std::vector<float> Record(TableId table, RowId id) {
    const RowLayout& layout = layouts_[Index(table)];
    std::vector<float> record(layout.record_floats());
    layout.ToRecord(Row(table, id), record.data());
    return record;
  }

  const float* Row(TableId table, RowId id) {
    const float* row = nullptr;
    ShardOf(id).Resolve(table, std::span(&id, 1), std::span(&row, 1));
    return row;
  }

  /// Applies one step to one row. `gradient`: the padded vector and the bias.
  void Apply(TableId table, std::uint64_t step, RowId id, const std::vector<float>& gradient) {
    const float* at = gradient.data();
    ShardOf(id).ApplyOwn(table, step, std::span(&id, 1), std::span(&at, 1));
  }

 private:
  Placement placement_;
  OptimizerRule rule_;
  std::vector<RowLayout> layouts_;
  Exchange exchange_;
  std::vector<std::unique_ptr<Shard>> shards_;
};

}  // namespace cf

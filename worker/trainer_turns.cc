// A pass as turns of the exchange: pushes, the own server's part, rows.

#include <optional>

#include "common/base/check.h"
#include "common/base/fault_point.h"
#include "worker/trainer.h"

namespace cf {

absl::Status Trainer::Run(const Pass& pass, std::span<ObjectiveSums> sums) {
  Check(sums.size() == range_.size(), "sums are by partition of the seat's range");
  const StepTurns turns = pass.turns();
  served_ = 0;
  model_->BeginPass(pass);
  const std::uint64_t ahead = 1 + options_.lookahead;
  for (std::uint64_t k = 0; k < ahead && (k == 0 || turns.BringsRows(k)); ++k) {
    Make(pass, pass.first + k, BatchAt(pass.first + k));
  }
  for (std::uint64_t turn = 0; turn < turns.count(); ++turn) {
    if (!samples_.status().ok()) return samples_.status();
    FaultAt(pass.training ? "train.turn" : "score.turn");
    const bool makes = turns.BringsRows(turn + ahead);
    const std::uint64_t made = pass.first + turn + ahead;
    Minibatch& next = BatchAt(made);
    const bool makes_in_between =
        makes && pass.training && turns.EndsStep(turn) && applies_at_once_ && range_.size() > 1;
    if (turns.EndsStep(turn)) {
      const std::uint64_t step = turns.StepEndedBy(turn);  // Turn `step` brings its rows.
      Minibatch& batch = BatchAt(pass.first + step);
      absl::Status served = Serve(pass, step + 1, turn);
      if (!served.ok()) return served;
      absl::Status taken = TakeRows(pass.turn + step, batch);
      if (!taken.ok()) return taken;
      if (makes_in_between) BeginBatch(pass, made, next);
      absl::Status computed = Compute(pass, batch, makes_in_between ? &next : nullptr, sums);
      if (!computed.ok()) return computed;
      if (makes_in_between) EndBatch(next);
      options_.rows->Recycle(batch.rows);
      served = Serve(pass, 0, turn);
      if (!served.ok()) return served;
    }
    Push(pass, turn);
    if (makes && !makes_in_between) Make(pass, made, next);
    absl::Status served = Serve(pass, 0, turn + 1);
    if (!served.ok()) return served;
  }
  return samples_.status().ok() ? Rest(pass) : samples_.status();
}

absl::Status Trainer::Rest(const Pass& pass) {
  const StepTurns turns = pass.turns();
  absl::Status served = Serve(pass, turns.count(), turns.count());
  if (!served.ok()) return served;
  for (std::uint64_t turn = turns.steps; turn < turns.count(); ++turn) {
    absl::Status arrived = options_.rows->AwaitAnswers(pass.turn + turn);
    if (!arrived.ok()) return arrived;
  }
  return absl::OkStatus();
}

absl::Status Trainer::Serve(const Pass& pass, std::uint64_t due, std::uint64_t pushed) {
  if (!options_.rows->has_own_server()) return absl::OkStatus();
  while (served_ < due || (served_ < pushed && options_.rows->CanServe())) {
    absl::Status served = ServeTurn(pass, served_);
    if (!served.ok()) return served;
    ++served_;
  }
  return absl::OkStatus();
}

ServedTurn::Use Trainer::UseOf(const Pass& pass) const {
  if (!pass.training || pass.delay > 0) return ServedTurn::Use::kReading;
  return applies_at_once_ ? ServedTurn::Use::kStepButOwnUsers : ServedTurn::Use::kStep;
}

absl::Status Trainer::ServeTurn(const Pass& pass, std::uint64_t turn) {
  const StepTurns turns = pass.turns();
  Minibatch* const done = pass.training && turns.EndsStep(turn)
                              ? &BatchAt(pass.first + turns.StepEndedBy(turn))
                              : nullptr;
  // Before the turn is served: what it brings is read behind the step that it ends.
  if (done != nullptr && OwnsUsers() && !applies_at_once_) {
    absl::Status applied =
        ApplyOwnUsers(pass, *done, 0, done->tables[Index(kUsers)].batch.parts().size());
    if (!applied.ok()) return applied;
  }
  absl::Status served = options_.rows->ServeOwn(
      pass.turn + turn, done != nullptr ? std::optional(pass.StepOf(done->number)) : std::nullopt,
      done != nullptr ? std::span(GradientsOf(*done).own) : std::span<OwnPartials>(),
      turns.BringsRows(turn) ? &BatchAt(pass.first + turn).rows : nullptr, UseOf(pass));
  if (served.ok() && turns.BringsRows(turn)) {
    options_.rows->TakeOwn(BatchAt(pass.first + turn).rows);
  }
  return served;
}

void Trainer::CollectParts(const Step& done, TableId table, std::uint32_t server,
                           OwnPartials& into) {
  into.Clear();
  const TableBatch& parts = done.batch.tables[Index(table)].batch;
  float* const gradients = done.gradients[Index(table)];
  const RowLayout& layout = layouts_[Index(table)];
  const TreeSum tree(partitioning_, range_, *options_.kernels, layout.padded_dim());
  for (const std::uint32_t row : done.batch.rows.wanted(table, server).places) {
    chain_.clear();
    for (std::uint32_t part = parts.rows()[row].first_part; part != TableBatch::kNone;
         part = parts.parts()[part].next) {
      chain_.push_back(
          {tree.Leaf(parts.parts()[part].partition), gradients + part * layout.gradient_stride()});
    }
    const std::size_t left = tree.Reduce(chain_);
    for (std::size_t k = 0; k < left; ++k) {
      const auto [node, gradient] = chain_[k];
      into.ids.push_back(parts.rows()[row].id);
      into.parts.push_back({node, gradient});
    }
  }
}

void Trainer::CollectTables(const Step& done, std::uint32_t server, std::span<OwnPartials> into) {
  const Profile::Scope scope(options_.profile, Phase::kMerge);
  for (std::uint32_t table = 0; table < layouts_.size(); ++table) {
    const bool applied = OwnsUsers() && TableId{table} == kUsers;
    if (applied) {
      into[table].Clear();
    } else if (!model_->Collect(done, TableId{table}, server, into[table])) {
      CollectParts(done, TableId{table}, server, into[table]);
    }
  }
}

void Trainer::Push(const Pass& pass, std::uint64_t turn) {
  const StepTurns turns = pass.turns();
  const BatchRows* const next = turns.BringsRows(turn) ? &BatchAt(pass.first + turn).rows : nullptr;
  if (!pass.training || !turns.EndsStep(turn)) {
    return options_.rows->Push(pass.turn + turn, std::nullopt, {}, next);
  }
  Minibatch& batch = BatchAt(pass.first + turns.StepEndedBy(turn));
  const Step done = StepOf(pass, batch);
  const auto collect = [&](std::uint32_t server, std::span<OwnPartials> into) {
    CollectTables(done, server, into);
  };
  options_.rows->Push(pass.turn + turn, collect, GradientsOf(batch).own, next);
}

absl::Status Trainer::TakeRows(std::uint64_t turn, Minibatch& batch) {
  absl::Status taken = options_.rows->Take(turn, batch.rows);
  if (!taken.ok()) return taken;
  const Profile::Scope scope(options_.profile, Phase::kPull);
  for (std::uint32_t t = 0; t < layouts_.size(); ++t) {
    Minibatch::Table& work = batch.tables[t];
    const std::span<const float* const> rows = batch.rows.rows(TableId{t});
    work.part_rows.clear();
    for (const TableBatch::Part& part : work.batch.parts()) {
      work.part_rows.push_back(rows[part.row]);
    }
  }
  return absl::OkStatus();
}

}  // namespace cf

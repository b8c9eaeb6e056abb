// A pass as turns of the exchange: pushes, the own server's part, rows.

#include <algorithm>
#include <utility>

#include "common/base/check.h"
#include "worker/trainer.h"

namespace cf {
namespace {

const float* WeightsAt(const Parcel::Table& table, std::size_t k, std::size_t wire_floats) {
  return table.rows.data() + k * wire_floats;
}

}  // namespace

absl::Status Trainer::Run(const Pass& pass, std::span<ObjectiveSums> sums) {
  Check(sums.size() == range_.size(), "sums are by partition of the seat's range");
  const StepTurns turns = pass.turns();
  served_ = 0;
  Make(pass, pass.first, BatchAt(pass.first));
  for (std::uint64_t turn = 0; turn < turns.count(); ++turn) {
    const bool makes = turns.BringsRows(turn + 1);
    Minibatch& next = BatchAt(pass.first + turn + 1);
    const bool makes_in_between =
        makes && pass.training && turns.EndsStep(turn) && applies_at_once_ && range_.size() > 1;
    if (turns.EndsStep(turn)) {
      const std::uint64_t step = turns.StepEndedBy(turn);  // Turn `step` brings its rows.
      Minibatch& batch = BatchAt(pass.first + step);
      absl::Status served = Serve(pass, step + 1, turn);
      if (!served.ok()) return served;
      absl::Status taken = TakeRows(pass.turn + step, batch);
      if (!taken.ok()) return taken;
      if (makes_in_between) BeginBatch(pass, pass.first + turn + 1, next);
      Compute(pass, batch, makes_in_between ? &next : nullptr, sums);
      if (makes_in_between) EndBatch(next);
      for (Parcel& parcel : batch.replies) options_.exchange->Recycle(std::move(parcel));
      batch.replies.clear();
      served = Serve(pass, 0, turn);
      if (!served.ok()) return served;
    }
    Push(pass, turn);
    if (makes && !makes_in_between) Make(pass, pass.first + turn + 1, next);
    absl::Status served = Serve(pass, 0, turn + 1);
    if (!served.ok()) return served;
  }
  return Rest(pass);
}

absl::Status Trainer::Rest(const Pass& pass) {
  const StepTurns turns = pass.turns();
  absl::Status served = Serve(pass, turns.count(), turns.count());
  if (!served.ok()) return served;
  for (std::uint64_t turn = turns.steps; turn < turns.count(); ++turn) {
    absl::Status arrived = AwaitRows(pass.turn + turn, replies_);
    if (!arrived.ok()) return arrived;
    for (Parcel& parcel : replies_) options_.exchange->Recycle(std::move(parcel));
  }
  return absl::OkStatus();
}

absl::Status Trainer::Serve(const Pass& pass, std::uint64_t due, std::uint64_t pushed) {
  if (options_.host == nullptr) return absl::OkStatus();
  while (served_ < due || (served_ < pushed && options_.host->CanServe())) {
    absl::Status served = ServeTurn(pass, served_);
    if (!served.ok()) return served;
    ++served_;
  }
  return absl::OkStatus();
}

absl::Status Trainer::ServeTurn(const Pass& pass, std::uint64_t turn) {
  const StepTurns turns = pass.turns();
  Minibatch* const done = pass.training && turns.EndsStep(turn)
                              ? &BatchAt(pass.first + turns.StepEndedBy(turn))
                              : nullptr;
  absl::Status served = options_.host->Serve(
      pass.turn + turn, done != nullptr, done != nullptr ? pass.StepOf(*done) : 0,
      done != nullptr ? std::span(GradientsOf(*done).own) : std::span<OwnPartials>());
  if (!served.ok()) return served;
  // While the others' rows are on their way.
  if (done != nullptr && OwnsUsers() && !applies_at_once_) {
    ApplyOwnUsers(pass, *done, 0, done->tables[Index(kUsers)].batch.parts().size());
  }
  if (turns.BringsRows(turn)) ReadOwnRows(pass, BatchAt(pass.first + turn));
  return absl::OkStatus();
}

void Trainer::CollectParts(TableId table, const Minibatch& batch, std::uint32_t server,
                           OwnPartials& into) {
  into.Clear();
  const TableWork& work = batch.tables[Index(table)];
  const RowLayout& layout = layouts_[Index(table)];
  const TreeSum tree(partitioning_, range_, *options_.kernels, layout.padded_dim());
  for (const std::uint32_t row : work.by_server[server]) {
    chain_.clear();
    for (std::uint32_t part = work.batch.rows()[row].first_part; part != TableBatch::kNone;
         part = work.batch.parts()[part].next) {
      chain_.push_back({tree.Leaf(work.batch.parts()[part].partition),
                        gradients_[Index(table)] + part * layout.gradient_stride()});
    }
    const std::size_t left = tree.Reduce(chain_);
    for (std::size_t k = 0; k < left; ++k) {
      into.ids.push_back(work.batch.rows()[row].id);
      into.parts.push_back(chain_[k]);
    }
  }
}

void Trainer::CollectTables(const Minibatch* done, std::uint32_t server,
                            std::vector<OwnPartials>& into) {
  const Profile::Scope scope(options_.profile, Phase::kMerge);
  for (std::uint32_t table = 0; table < layouts_.size(); ++table) {
    const bool applied = OwnsUsers() && TableId{table} == kUsers;
    if (done != nullptr && !applied && ranker_.has_value() && IsLayer(TableId{table})) {
      CollectLayer(TableId{table}, *done, server, into[table]);
    } else if (done != nullptr && !applied) {
      CollectParts(TableId{table}, *done, server, into[table]);
    } else {
      into[table].Clear();
    }
  }
}

void Trainer::Push(const Pass& pass, std::uint64_t turn) {
  const Profile::Scope scope(options_.profile, Phase::kPush);
  const StepTurns turns = pass.turns();
  const Minibatch* const done = pass.training && turns.EndsStep(turn)
                                    ? &BatchAt(pass.first + turns.StepEndedBy(turn))
                                    : nullptr;
  const Minibatch* const next = turns.BringsRows(turn) ? &BatchAt(pass.first + turn) : nullptr;
  for (std::uint32_t server = 0; server < placement_.servers().size(); ++server) {
    const bool own = options_.host != nullptr && server == options_.seat;
    if (own && done == nullptr) continue;
    std::vector<OwnPartials>& partials = own ? GradientsOf(*done).own : outgoing_[server];
    CollectTables(done, server, partials);
    if (own) continue;

    ParcelShape shape{.from_seat = options_.seat, .to_seat = server, .turn = pass.turn + turn};
    for (std::size_t table = 0; table < layouts_.size(); ++table) {
      const std::size_t wanted = next != nullptr ? next->tables[table].by_server[server].size() : 0;
      shape.tables.push_back({.partials = static_cast<std::uint32_t>(partials[table].ids.size()),
                              .wanted = static_cast<std::uint32_t>(wanted)});
    }
    Parcel parcel = options_.exchange->MakePush(shape);
    for (std::size_t table = 0; table < layouts_.size(); ++table) {
      Parcel::Table& to = parcel.tables[table];
      std::ranges::copy(partials[table].ids, to.partial_ids.begin());
      float* gradient = to.gradients.data();
      for (std::size_t k = 0; k < partials[table].parts.size(); ++k) {
        to.partial_nodes[k] = partials[table].parts[k].node;
        gradient =
            std::copy_n(partials[table].parts[k].gradient, layouts_[table].wire_floats(), gradient);
      }
      for (std::size_t k = 0; k < to.wanted.size(); ++k) {
        to.wanted[k] =
            next->tables[table].batch.rows()[next->tables[table].by_server[server][k]].id;
      }
    }
    options_.exchange->SendPush(std::move(parcel));
  }
}

void Trainer::ReadOwnRows(const Pass& pass, Minibatch& batch) {
  const Profile::Scope scope(options_.profile, Phase::kPull);
  for (std::size_t table = 0; table < layouts_.size(); ++table) {
    TableWork& work = batch.tables[table];
    const std::vector<std::uint32_t>& wanted = work.by_server[options_.seat];
    work.rows.resize(work.batch.rows().size());
    ids_.clear();
    for (const std::uint32_t row : wanted) ids_.push_back(work.batch.rows()[row].id);
    pointers_.resize(ids_.size());
    options_.host->Resolve(TableId{static_cast<std::uint32_t>(table)}, ids_, pointers_);
    if (pass.delay > 0) {
      // Steps will change the rows before the batch is computed.
      work.copies.Resize(wanted.size(), layouts_[table]);
      for (std::size_t k = 0; k < wanted.size(); ++k) {
        std::copy_n(pointers_[k], layouts_[table].wire_floats(), work.copies.row(k));
        pointers_[k] = work.copies.row(k);
      }
    }
    for (std::size_t k = 0; k < wanted.size(); ++k) work.rows[wanted[k]] = pointers_[k];
  }
}

absl::Status Trainer::AwaitRows(std::uint64_t turn, std::vector<Parcel>& replies) {
  const Profile::Scope scope(options_.profile, Phase::kWaitRows);
  return options_.exchange->RowsTo(options_.seat).Await(turn, replies);
}

absl::Status Trainer::TakeRows(std::uint64_t turn, Minibatch& batch) {
  const Profile::Scope scope(options_.profile, Phase::kPull);
  absl::Status arrived = AwaitRows(turn, batch.replies);
  if (!arrived.ok()) return arrived;
  for (std::size_t table = 0; table < layouts_.size(); ++table) {
    TableWork& work = batch.tables[table];
    const std::span<const TableBatch::Row> rows = work.batch.rows();
    work.rows.resize(rows.size());
    std::size_t reply = 0;
    for (std::uint32_t server = 0; server < placement_.servers().size(); ++server) {
      if (options_.host != nullptr && server == options_.seat) continue;  // Read before.
      const std::vector<std::uint32_t>& wanted = work.by_server[server];
      const Parcel::Table& from = batch.replies[reply++].tables[table];
      if (const RowHost* here = options_.hosts_here[server]; here != nullptr) {
        ids_.clear();
        for (const std::uint32_t row : wanted) ids_.push_back(rows[row].id);
        pointers_.resize(ids_.size());
        here->Resolve(TableId{static_cast<std::uint32_t>(table)}, ids_, pointers_);
        for (std::size_t k = 0; k < wanted.size(); ++k) work.rows[wanted[k]] = pointers_[k];
        continue;
      }
      const std::size_t floats = layouts_[table].wire_floats();
      if (from.rows.size() != wanted.size() * floats) {
        return absl::DataLossError("a server sent another number of rows than were wanted");
      }
      for (std::size_t k = 0; k < wanted.size(); ++k)
        work.rows[wanted[k]] = WeightsAt(from, k, floats);
    }
    work.part_rows.clear();
    for (const TableBatch::Part& part : work.batch.parts())
      work.part_rows.push_back(work.rows[part.row]);
  }
  return absl::OkStatus();
}

}  // namespace cf

#include "common/rows/row_client.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"

namespace cf {

BatchRows::BatchRows(std::size_t tables, std::size_t servers) : tables_(tables) {
  for (Table& table : tables_) table.by_server.resize(servers);
}

void BatchRows::Clear() {
  Check(replies_.empty(), "a batch's parcels are given back before the next wants rows");
  for (Table& table : tables_) {
    table.count = 0;
    for (Wanted& wanted : table.by_server) {
      wanted.places.clear();
      wanted.ids.clear();
    }
  }
}

RowClient::RowClient(Options options)
    : options_(std::move(options)),
      partitioning_(placement().partitioning()),
      partials_(layouts().size()),
      wanted_(layouts().size()) {
  Check(options_.hosts_in_place.size() == placement().servers().size(), "hosts are by server seat");
}

BatchRows RowClient::MakeBatch() const {
  return {layouts().size(), placement().servers().size()};
}

void RowClient::Announce(const BatchRows& batch) {
  if (!has_own_server()) return;
  for (std::uint32_t t = 0; t < batch.tables_.size(); ++t) {
    options_.host->Announce(TableId{t}, batch.wanted(TableId{t}, seat()).ids);
  }
}

void RowClient::Push(std::uint64_t turn, std::optional<FillPartials> fill,
                     std::span<OwnPartials> own, const BatchRows* next) {
  const Profile::Scope scope(options_.profile, Phase::kPush);
  for (std::uint32_t server = 0; server < placement().servers().size(); ++server) {
    if (IsOwn(server)) {
      if (fill.has_value()) (*fill)(server, own);
      continue;
    }
    if (fill.has_value()) {
      (*fill)(server, partials_);
    } else {
      for (OwnPartials& of_table : partials_) of_table.Clear();
    }
    PushTo(server, turn, next);
  }
}

void RowClient::PushTo(std::uint32_t server, std::uint64_t turn, const BatchRows* next) {
  ParcelShape shape{.from_seat = seat(), .to_seat = server, .turn = turn};
  for (std::size_t t = 0; t < partials_.size(); ++t) {
    const std::size_t wanted = next != nullptr ? next->tables_[t].by_server[server].ids.size() : 0;
    shape.tables.push_back({.partials = static_cast<std::uint32_t>(partials_[t].ids.size()),
                            .wanted = static_cast<std::uint32_t>(wanted)});
  }
  Parcel parcel = options_.exchange->MakePush(shape);
  for (std::size_t t = 0; t < partials_.size(); ++t) {
    Parcel::Table& to = parcel.tables[t];
    std::ranges::copy(partials_[t].ids, to.partial_ids.begin());
    float* gradient = to.gradients.data();
    for (std::size_t k = 0; k < partials_[t].parts.size(); ++k) {
      to.partial_nodes[k] = partials_[t].parts[k].node;
      gradient = std::copy_n(partials_[t].parts[k].gradient, layouts()[t].wire_floats(), gradient);
    }
    if (next != nullptr) {
      std::ranges::copy(next->tables_[t].by_server[server].ids, to.wanted.begin());
    }
  }
  options_.exchange->SendPush(std::move(parcel));
}

absl::Status RowClient::ServeOwn(std::uint64_t turn, std::optional<std::uint64_t> step,
                                 std::span<OwnPartials> own, const BatchRows* next,
                                 ServedTurn::Use use) {
  for (std::size_t t = 0; t < wanted_.size(); ++t) {
    wanted_[t] = next != nullptr ? std::span<const RowId>(next->tables_[t].by_server[seat()].ids)
                                 : std::span<const RowId>();
  }
  return options_.host->Serve(
      {.turn = turn, .step = step, .use = use, .partials = own, .wanted = wanted_});
}

void RowClient::TakeOwn(BatchRows& batch) {
  const Profile::Scope scope(options_.profile, Phase::kPull);
  for (std::uint32_t t = 0; t < batch.tables_.size(); ++t) {
    BatchRows::Table& of = batch.tables_[t];
    const std::vector<std::uint32_t>& places = of.by_server[seat()].places;
    const std::span<const float* const> rows = options_.host->RowsFor(seat(), TableId{t});
    of.rows.resize(of.count);
    if (!options_.copies_own) {
      for (std::size_t k = 0; k < places.size(); ++k) of.rows[places[k]] = rows[k];
      continue;
    }
    of.copies.Resize(places.size(), layouts()[t]);
    for (std::size_t k = 0; k < places.size(); ++k) {
      std::copy_n(rows[k], layouts()[t].wire_floats(), of.copies.row(k));
      of.rows[places[k]] = of.copies.row(k);
    }
  }
}

absl::Status RowClient::Take(std::uint64_t turn, BatchRows& batch) {
  const Profile::Scope scope(options_.profile, Phase::kPull);
  absl::Status arrived;
  {
    const Profile::Scope waiting(options_.profile, Phase::kWaitRows);
    arrived = options_.exchange->RowsTo(seat()).Await(turn, batch.replies_);
  }
  if (!arrived.ok()) return arrived;
  for (std::uint32_t t = 0; t < batch.tables_.size(); ++t) {
    BatchRows::Table& into = batch.tables_[t];
    into.rows.resize(into.count);
    const Parcel* reply = batch.replies_.data();
    for (std::uint32_t server = 0; server < into.by_server.size(); ++server) {
      if (IsOwn(server)) continue;  // Taken when the turn was served.
      absl::Status taken = TakeFrom(server, TableId{t}, reply++, into);
      if (!taken.ok()) return taken;
    }
  }
  return absl::OkStatus();
}

absl::Status RowClient::TakeFrom(std::uint32_t server, TableId table, const Parcel* reply,
                                 BatchRows::Table& into) const {
  const std::vector<std::uint32_t>& places = into.by_server[server].places;
  if (const RowHost* here = options_.hosts_in_place[server]; here != nullptr) {
    const std::span<const float* const> rows = here->RowsFor(seat(), table);
    for (std::size_t k = 0; k < places.size(); ++k) into.rows[places[k]] = rows[k];
    return absl::OkStatus();
  }
  const std::span<const float> rows = reply->tables[Index(table)].rows;
  const std::size_t floats = layouts()[Index(table)].wire_floats();
  if (rows.size() != places.size() * floats) {
    return absl::DataLossError("a server sent another number of rows than were wanted");
  }
  for (std::size_t k = 0; k < places.size(); ++k) {
    into.rows[places[k]] = rows.data() + k * floats;
  }
  return absl::OkStatus();
}

absl::Status RowClient::AwaitAnswers(std::uint64_t turn) {
  const Profile::Scope scope(options_.profile, Phase::kWaitRows);
  absl::Status arrived = options_.exchange->RowsTo(seat()).Await(turn, answers_);
  if (!arrived.ok()) return arrived;
  for (Parcel& parcel : answers_) options_.exchange->Recycle(std::move(parcel));
  answers_.clear();
  return absl::OkStatus();
}

void RowClient::Recycle(BatchRows& batch) {
  for (Parcel& parcel : batch.replies_) options_.exchange->Recycle(std::move(parcel));
  batch.replies_.clear();
}

}  // namespace cf

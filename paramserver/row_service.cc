#include "paramserver/row_service.h"

#include <algorithm>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/base/check.h"

namespace cf {
namespace {

constexpr std::uint32_t kNone = ~std::uint32_t{0};

}  // namespace

RowService::RowService(Options options)
    : options_(std::move(options)),
      layouts_(LayoutsOf(options_.tables)),
      partitioning_(options_.exchange->placement().partitioning()),
      range_(options_.exchange->placement().servers().range(options_.seat)),
      optimizer_(options_.optimizer, options_.kernels, options_.tables),
      refusals_(options_.tables.size()),
      steps_(options_.steps),
      pinned_(options_.exchange->placement().workers().size()) {
  for (std::vector<Pinned>& of_worker : pinned_) of_worker.resize(layouts_.size());
}

bool RowService::Hosts(TableId table, RowId id) const {
  return Index(id) < options_.tables[Index(table)].shape.rows &&
         range_.Contains(partitioning_.Of(id));
}

TreeSum RowService::TreeOf(TableId table) const {
  return TreeSum(partitioning_, {0, partitioning_.count()}, *options_.kernels,
                 layouts_[Index(table)].padded_dim());
}

void RowService::Announce(TableId table, std::span<const RowId> ids) {
  options_.store->Announce(table, ids);
}

void RowService::Foresee(TableId table, std::span<const RowId> ids,
                         std::span<const std::uint16_t> batches) {
  options_.store->Foresee(table, ids, batches);
}

bool RowService::CanServe() {
  return options_.exchange->PushesTo(options_.seat).IsReady();
}

absl::Status RowService::AwaitPushes(std::uint64_t turn) {
  const Profile::Scope scope(options_.profile, Phase::kWaitPushes);
  return options_.exchange->PushesTo(options_.seat).Await(turn, pushes_);
}

absl::Status RowService::Serve(const ServedTurn& turn) {
  absl::Status done = AwaitPushes(turn.turn);
  if (done.ok() && turn.step.has_value()) done = ApplyPushes(*turn.step, turn.partials);
  if (!done.ok()) return done;
  if (turn.step.has_value()) steps_ = *turn.step + 1;
  // Whoever has pushed has read what it wanted before.
  ReleaseRows();
  use_ = turn.use;
  done = AnnouncePushes();
  if (done.ok()) done = PinOwn(turn.wanted);
  for (Parcel& push : pushes_) {
    if (!done.ok()) break;
    done = Answer(push);
    options_.exchange->Recycle(std::move(push));
  }
  return done;
}

std::span<const float* const> RowService::RowsFor(std::uint32_t worker_seat, TableId table) const {
  return std::span(pinned_[worker_seat][Index(table)].rows);
}

void RowService::ReleaseRows() {
  for (std::vector<Pinned>& of_worker : pinned_) {
    for (std::uint32_t t = 0; t < of_worker.size(); ++t) {
      Pinned& pinned = of_worker[t];
      if (pinned.ids.empty()) continue;
      options_.store->Release(TableId{t}, pinned.ids);
      pinned.ids.clear();
      pinned.rows.clear();
    }
  }
}

absl::Status RowService::AnnouncePushes() {
  for (const Parcel& push : pushes_) {
    // Seats of this process are this program; others may be anything.
    const bool in_place = options_.rows_in_place && options_.exchange->IsWorkerHere(push.from_seat);
    if (!in_place) {
      if (absl::Status here = CheckWanted(push); !here.ok()) return here;
    }
    for (std::uint32_t t = 0; t < layouts_.size(); ++t) {
      options_.store->Announce(TableId{t}, push.tables[t].wanted);
    }
  }
  return absl::OkStatus();
}

absl::Status RowService::PinOwn(std::span<const std::span<const RowId>> wanted) {
  const Profile::Scope scope(options_.profile, Phase::kPull);
  for (std::uint32_t t = 0; t < wanted.size(); ++t) options_.store->Announce(TableId{t}, wanted[t]);
  for (std::uint32_t t = 0; t < wanted.size(); ++t) {
    absl::Status pinned = PinTable(TableId{t}, wanted[t], pinned_[options_.seat][t]);
    if (!pinned.ok()) return pinned;
  }
  return absl::OkStatus();
}

absl::Status RowService::Pin(TableId table, std::span<const RowId> ids, std::span<float*> rows) {
  const bool catches_up =
      optimizer_.moves_rows() && (use_ == ServedTurn::Use::kStep ||
                                  (use_ == ServedTurn::Use::kStepButOwnUsers && table != kUsers));
  absl::Status pinned = options_.store->Pin(
      table, ids, catches_up ? RowStore::Access::kUpdate : RowStore::Access::kRead, rows);
  if (pinned.ok() && catches_up) optimizer_.CatchUp(table, steps_, rows);
  return pinned;
}

absl::Status RowService::PinTable(TableId table, std::span<const RowId> ids, Pinned& pinned) {
  pinned.rows.resize(ids.size());
  absl::Status done = Pin(table, ids, pinned.rows);
  if (!done.ok()) return done;
  pinned.ids.assign(ids.begin(), ids.end());
  if (use_ == ServedTurn::Use::kReading && optimizer_.moves_rows()) ReadPinned(table, pinned);
  return absl::OkStatus();
}

// The stored rows stay pinned beside their copies: the worker's gradients are for them.
void RowService::ReadPinned(TableId table, Pinned& pinned) {
  RowCopies& copies = pinned.copies;
  copies.Resize(pinned.rows.size(), layouts_[Index(table)]);
  optimizer_.Read(table, steps_, pinned.rows, copies.row(0), copies.stride());
  for (std::size_t k = 0; k < pinned.rows.size(); ++k) pinned.rows[k] = copies.row(k);
}

absl::Status RowService::ApplyPushes(std::uint64_t step, std::span<OwnPartials> own) {
  if (pushes_.empty()) return ApplyAlone(step, own);
  const Profile::Scope scope(options_.profile, Phase::kMerge);
  for (std::uint32_t t = 0; t < layouts_.size(); ++t) {
    absl::Status applied = ApplyTable(TableId{t}, step, own);
    if (!applied.ok()) return applied;
  }
  return absl::OkStatus();
}

absl::Status RowService::ApplyTable(TableId table, std::uint64_t step, std::span<OwnPartials> own) {
  const std::size_t floats = layouts_[Index(table)].wire_floats();
  const TreeSum tree = TreeOf(table);
  entry_of_.Begin();
  entry_ids_.clear();
  entries_.clear();
  parts_.clear();
  // In the order of the worker seats, which is that of their partitions, so that each row's parts
  // ascend.
  bool own_is_due = !own.empty();
  const auto collect_own = [&]() -> absl::Status {
    own_is_due = false;
    const OwnPartials& of_table = own[Index(table)];
    for (std::size_t k = 0; k < of_table.ids.size(); ++k) {
      absl::Status collected = Collect(tree, table, of_table.ids[k], of_table.parts[k]);
      if (!collected.ok()) return collected;
    }
    return absl::OkStatus();
  };
  absl::Status collected;
  for (Parcel& push : pushes_) {
    if (own_is_due && push.from_seat > options_.seat) collected = collect_own();
    const Parcel::Table& from = push.tables[Index(table)];
    for (std::size_t k = 0; collected.ok() && k < from.partial_ids.size(); ++k) {
      collected = Collect(tree, table, from.partial_ids[k],
                          {from.partial_nodes[k], from.gradients.data() + k * floats});
    }
    if (!collected.ok()) return collected;
  }
  if (own_is_due) collected = collect_own();
  if (!collected.ok()) return collected;
  return ApplyEntries(tree, table, step);
}

absl::Status RowService::Collect(const TreeSum& tree, TableId table, RowId id,
                                 const TreePart& part) {
  const std::string& name = options_.tables[Index(table)].shape.name;
  if (!Hosts(table, id)) {
    return absl::DataLossError(absl::StrCat("a gradient for row ", Index(id), " of table ", name,
                                            ", which is not hosted here"));
  }
  IdIndex::Place& place = entry_of_.Find(id);
  const bool is_first = entry_of_.IsFree(place);
  // What Reduce requires, of parts that a peer has sent.
  if (!tree.IsNode(part.node) ||
      (!is_first && !tree.IsBefore(parts_[entries_[place.number].last].part.node, part.node))) {
    return absl::DataLossError(absl::StrCat("a gradient for row ", Index(id), " of table ", name,
                                            " at node ", part.node,
                                            ", which is not its place in the tree"));
  }
  const auto index = static_cast<std::uint32_t>(parts_.size());
  parts_.push_back({part, kNone});
  if (is_first) {
    entry_of_.Take(place, {.id = id,
                           .stamp = entry_of_.StampOf(0),
                           .number = static_cast<std::uint32_t>(entries_.size())});
    entry_ids_.push_back(id);
    entries_.push_back({index, index});
  } else {
    Entry& entry = entries_[place.number];
    parts_[entry.last].next = index;
    entry.last = index;
  }
  return absl::OkStatus();
}

absl::Status RowService::ApplyEntries(const TreeSum& tree, TableId table, std::uint64_t step) {
  for (const Entry& entry : entries_) {
    if (entry.first == entry.last) continue;
    chain_.clear();
    for (std::uint32_t k = entry.first; k != kNone; k = parts_[k].next) {
      chain_.push_back(parts_[k].part);
    }
    Check(tree.Reduce(chain_) == 1, "a server holds every leaf of the tree");
  }
  // Reduce sums into the first part.
  return Update(table, step, entry_ids_,
                [this](std::size_t k) { return parts_[entries_[k].first].part.gradient; });
}

absl::Status RowService::ApplyAlone(std::uint64_t step, std::span<const OwnPartials> own) {
  for (std::uint32_t t = 0; t < own.size(); ++t) {
    absl::Status applied = Update(TableId{t}, step, own[t].ids, [&](std::size_t k) -> const float* {
      return own[t].parts[k].gradient;
    });
    if (!applied.ok()) return applied;
  }
  return absl::OkStatus();
}

absl::Status RowService::CatchUpOwn(TableId table, std::uint64_t step, std::span<const RowId> ids) {
  rows_.resize(ids.size());
  absl::Status pinned = options_.store->Pin(table, ids, RowStore::Access::kUpdate, rows_);
  if (!pinned.ok()) return pinned;
  optimizer_.CatchUp(table, step, rows_);
  options_.store->Release(table, ids);
  return absl::OkStatus();
}

absl::Status RowService::ApplyOwn(TableId table, std::uint64_t step, std::span<const RowId> ids,
                                  std::span<const float* const> gradients) {
  return Update(table, step, ids, [&](std::size_t k) { return gradients[k]; });
}

template <class GradientOf>
absl::Status RowService::Update(TableId table, std::uint64_t step, std::span<const RowId> ids,
                                const GradientOf& gradient_of) {
  const Profile::Scope scope(options_.profile, Phase::kApply);
  rows_.resize(ids.size());
  absl::Status pinned = options_.store->Pin(table, ids, RowStore::Access::kUpdate, rows_);
  if (!pinned.ok()) return pinned;
  updates_.resize(ids.size());
  for (std::size_t k = 0; k < ids.size(); ++k) updates_[k] = {rows_[k], {gradient_of(k)}};
  for (const std::uint32_t k : optimizer_.Update(table, step, updates_)) {
    refusals_.Note(table, step, ids[k]);
  }
  options_.store->Release(table, ids);
  return absl::OkStatus();
}

absl::Status RowService::CheckWanted(const Parcel& push) const {
  for (std::uint32_t t = 0; t < layouts_.size(); ++t) {
    for (const RowId id : push.tables[t].wanted) {
      if (Hosts(TableId{t}, id)) continue;
      return absl::DataLossError(absl::StrCat("seat ", push.from_seat, " wants row ", Index(id),
                                              " of table ", options_.tables[t].shape.name,
                                              ", which is not hosted here"));
    }
  }
  return absl::OkStatus();
}

absl::Status RowService::Answer(const Parcel& push) {
  const Profile::Scope scope(options_.profile, Phase::kPull);
  Exchange& exchange = *options_.exchange;
  const bool in_place = options_.rows_in_place && exchange.IsWorkerHere(push.from_seat);
  ParcelShape shape{.from_seat = options_.seat, .to_seat = push.from_seat, .turn = push.turn};
  for (const Parcel::Table& table : push.tables) {
    shape.tables.push_back(
        {.rows = in_place ? 0 : static_cast<std::uint32_t>(table.wanted.size())});
  }
  Parcel parcel = exchange.MakeRows(shape);
  for (std::uint32_t t = 0; t < layouts_.size(); ++t) {
    const std::span<const RowId> wanted = push.tables[t].wanted;
    absl::Status found = in_place ? PinTable(TableId{t}, wanted, pinned_[push.from_seat][t])
                                  : CopyRows(TableId{t}, wanted, parcel.tables[t].rows.data());
    if (!found.ok()) return found;
  }
  exchange.SendRows(std::move(parcel));
  return absl::OkStatus();
}

absl::Status RowService::CopyRows(TableId table, std::span<const RowId> ids, float* to) {
  rows_.resize(ids.size());
  absl::Status pinned = Pin(table, ids, rows_);
  if (!pinned.ok()) return pinned;
  optimizer_.Read(table, steps_, rows_, to, layouts_[Index(table)].wire_floats());
  options_.store->Release(table, ids);
  return absl::OkStatus();
}

}  // namespace cf

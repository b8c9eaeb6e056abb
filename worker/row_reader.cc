#include "worker/row_reader.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"

namespace cf {

void RowBlock::Resize(std::size_t rows, const RowLayout& layout) {
  stride_ = layout.gradient_stride();
  rows_ = rows;
  if (memory_.size() < rows * stride_ + kLanes) memory_.resize(rows * stride_ + kLanes);
  const auto address = reinterpret_cast<std::uintptr_t>(memory_.data());
  first_ = memory_.data() + (64 - address % 64) % 64 / sizeof(float);
}

RowReader::RowReader(Options options)
    : options_(std::move(options)),
      turn_(options_.turn),
      by_server_(options_.exchange->placement().servers().size()) {
}

RowReader::~RowReader() {
  for (Parcel& parcel : replies_) options_.exchange->Recycle(std::move(parcel));
}

absl::Status RowReader::Read(TableId table, std::span<const RowId> ids, RowBlock& block) {
  const Placement& placement = options_.exchange->placement();
  for (std::vector<std::uint32_t>& places : by_server_) places.clear();
  for (std::uint32_t k = 0; k < ids.size(); ++k) {
    by_server_[placement.servers().SeatOf(placement.partitioning().Of(ids[k]))].push_back(k);
  }
  Ask(table, ids);
  if (options_.host != nullptr) {
    absl::Status served = options_.host->Serve(turn_, false, 0, {});
    if (!served.ok()) return served;
  }
  absl::Status taken = Take(table, ids, block);
  ++turn_;
  return taken;
}

void RowReader::Ask(TableId table, std::span<const RowId> ids) {
  for (std::uint32_t server = 0; server < by_server_.size(); ++server) {
    if (options_.host != nullptr && server == options_.seat) continue;
    ParcelShape shape{.from_seat = options_.seat, .to_seat = server, .turn = turn_};
    shape.tables.resize(options_.exchange->layouts().size());
    shape.tables[Index(table)].wanted = static_cast<std::uint32_t>(by_server_[server].size());
    Parcel parcel = options_.exchange->MakePush(shape);
    const std::span<RowId> wanted = parcel.tables[Index(table)].wanted;
    for (std::size_t k = 0; k < wanted.size(); ++k) wanted[k] = ids[by_server_[server][k]];
    options_.exchange->SendPush(std::move(parcel));
  }
}

absl::Status RowReader::Take(TableId table, std::span<const RowId> ids, RowBlock& block) {
  for (Parcel& parcel : replies_) options_.exchange->Recycle(std::move(parcel));
  absl::Status arrived = options_.exchange->RowsTo(options_.seat).Await(turn_, replies_);
  if (!arrived.ok()) return arrived;
  const RowLayout& layout = options_.exchange->layouts()[Index(table)];
  const std::size_t floats = layout.wire_floats();
  block.Resize(ids.size(), layout);
  std::size_t reply = 0;
  for (std::uint32_t server = 0; server < by_server_.size(); ++server) {
    const std::vector<std::uint32_t>& places = by_server_[server];
    const bool own = options_.host != nullptr && server == options_.seat;
    const RowHost* here = own ? options_.host : options_.hosts_here[server];
    pointers_.resize(places.size());
    if (here != nullptr) {
      ids_.clear();
      for (const std::uint32_t place : places) ids_.push_back(ids[place]);
      here->Resolve(table, ids_, pointers_);
    } else {
      const std::span<const float> rows = replies_[reply].tables[Index(table)].rows;
      if (rows.size() != places.size() * floats) {
        return absl::DataLossError("a server sent another number of rows than were wanted");
      }
      for (std::size_t k = 0; k < places.size(); ++k) pointers_[k] = rows.data() + k * floats;
    }
    for (std::size_t k = 0; k < places.size(); ++k) {
      std::copy_n(pointers_[k], floats, block.row(places[k]));
    }
    if (!own) ++reply;
  }
  return absl::OkStatus();
}

}  // namespace cf

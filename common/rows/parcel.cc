#include "common/rows/parcel.h"

#include <utility>

#include <absl/strings/str_cat.h>

#include "common/base/check.h"

namespace cf {
namespace {

std::size_t NodeBytes(std::size_t partials) {
  return (partials * sizeof(TreeNode) + 3) / 4 * 4;
}

}  // namespace

std::size_t PayloadBytes(const ParcelHeader& header, std::span<const RowLayout> layouts) {
  std::size_t bytes = 0;
  for (std::size_t t = 0; t < layouts.size(); ++t) {
    const TableCounts& counts = header.tables(static_cast<int>(t));
    const std::size_t row_bytes = layouts[t].wire_floats() * sizeof(float);
    bytes += (std::size_t{counts.partials()} + counts.wanted()) * sizeof(RowId) +
             NodeBytes(counts.partials()) +
             (std::size_t{counts.partials()} + counts.rows()) * row_bytes;
  }
  return bytes;
}

Parcel ShapeParcel(const ParcelHeader& header, std::span<const RowLayout> layouts, Buffer payload) {
  Check(payload.size() == PayloadBytes(header, layouts),
        "a parcel's payload is as its header says");
  Parcel parcel;
  parcel.from_seat = header.from_seat();
  parcel.to_seat = header.to_seat();
  parcel.turn = header.turn();
  parcel.payload = std::move(payload);
  std::byte* at = parcel.payload.data();
  const auto take = [&at]<class T>(std::span<T>& into, std::size_t count, std::size_t bytes) {
    into = {reinterpret_cast<T*>(at), count};
    at += bytes;
  };
  for (std::size_t t = 0; t < layouts.size(); ++t) {
    const TableCounts& counts = header.tables(static_cast<int>(t));
    const std::size_t floats = layouts[t].wire_floats();
    Parcel::Table& table = parcel.tables.emplace_back();
    take(table.partial_ids, counts.partials(), counts.partials() * sizeof(RowId));
    take(table.partial_nodes, counts.partials(), NodeBytes(counts.partials()));
    take(table.gradients, counts.partials() * floats, counts.partials() * floats * sizeof(float));
    take(table.wanted, counts.wanted(), counts.wanted() * sizeof(RowId));
    take(table.rows, counts.rows() * floats, counts.rows() * floats * sizeof(float));
  }
  return parcel;
}

ParcelHeader HeaderOf(const Parcel& parcel, std::span<const RowLayout> layouts) {
  ParcelHeader header;
  header.set_from_seat(parcel.from_seat);
  header.set_to_seat(parcel.to_seat);
  header.set_turn(parcel.turn);
  for (std::size_t t = 0; t < layouts.size(); ++t) {
    const Parcel::Table& table = parcel.tables[t];
    TableCounts& counts = *header.add_tables();
    counts.set_partials(static_cast<std::uint32_t>(table.partial_ids.size()));
    counts.set_wanted(static_cast<std::uint32_t>(table.wanted.size()));
    counts.set_rows(static_cast<std::uint32_t>(table.rows.size() / layouts[t].wire_floats()));
  }
  return header;
}

absl::StatusOr<Parcel> ParseParcel(const std::string& control, Buffer payload,
                                   std::span<const RowLayout> layouts) {
  ParcelHeader header;
  if (!header.ParseFromString(control))
    return absl::DataLossError("a parcel's header does not parse");
  if (header.tables_size() != static_cast<int>(layouts.size())) {
    return absl::DataLossError(absl::StrCat("a parcel for ", header.tables_size(),
                                            " tables where the model has ", layouts.size()));
  }
  const std::size_t expected = PayloadBytes(header, layouts);
  if (expected != payload.size()) {
    return absl::DataLossError(
        absl::StrCat("a parcel of ", payload.size(), " bytes where its header says ", expected));
  }
  return ShapeParcel(header, layouts, std::move(payload));
}

}  // namespace cf

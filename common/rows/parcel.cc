#include "common/rows/parcel.h"

#include <cstring>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/base/check.h"

namespace cf {
namespace {

std::size_t NodeBytes(std::size_t partials) {
  return (partials * sizeof(TreeNode) + 3) / 4 * 4;
}

/// The first part of a record; the tables' counts follow it.
struct RecordHeader {
  std::uint64_t turn = 0;
  std::uint32_t tables = 0;
  std::uint32_t unused = 0;
};

std::size_t RecordHeaderBytes(std::size_t tables) {
  return (sizeof(RecordHeader) + tables * sizeof(ParcelShape::Counts) + 63) / 64 * 64;
}

absl::StatusOr<ParcelShape> DecodeHeader(const std::string& control, std::size_t tables) {
  ParcelHeader header;
  if (!header.ParseFromString(control))
    return absl::DataLossError("a parcel's header does not parse");
  if (header.tables_size() != static_cast<int>(tables)) {
    return absl::DataLossError(absl::StrCat("a parcel for ", header.tables_size(),
                                            " tables where the model has ", tables));
  }
  ParcelShape shape{
      .from_seat = header.from_seat(), .to_seat = header.to_seat(), .turn = header.turn()};
  for (const TableCounts& counts : header.tables()) {
    shape.tables.push_back(
        {.partials = counts.partials(), .wanted = counts.wanted(), .rows = counts.rows()});
  }
  return shape;
}

}  // namespace

std::size_t PayloadBytes(const ParcelShape& shape, std::span<const RowLayout> layouts) {
  std::size_t bytes = 0;
  for (std::size_t t = 0; t < layouts.size(); ++t) {
    const ParcelShape::Counts& counts = shape.tables[t];
    const std::size_t row_bytes = layouts[t].wire_floats() * sizeof(float);
    bytes += (std::size_t{counts.partials} + counts.wanted) * sizeof(RowId) +
             NodeBytes(counts.partials) + (std::size_t{counts.partials} + counts.rows) * row_bytes;
  }
  return bytes;
}

Parcel ShapeTransfer(const ParcelShape& shape, std::span<std::byte> bytes) {
  Parcel transfer;
  transfer.from_seat = shape.from_seat;
  transfer.to_seat = shape.to_seat;
  transfer.turn = shape.turn;
  transfer.bytes = bytes;
  return transfer;
}

Parcel ShapeParcel(const ParcelShape& shape, std::span<const RowLayout> layouts,
                   std::span<std::byte> bytes) {
  Check(bytes.size() == PayloadBytes(shape, layouts), "a parcel's bytes are as its shape says");
  Parcel parcel = ShapeTransfer(shape, bytes);
  std::byte* at = bytes.data();
  const auto take = [&at]<class T>(std::span<T>& into, std::size_t count, std::size_t size) {
    into = {reinterpret_cast<T*>(at), count};
    at += size;
  };
  for (std::size_t t = 0; t < layouts.size(); ++t) {
    const ParcelShape::Counts& counts = shape.tables[t];
    const std::size_t floats = layouts[t].wire_floats();
    Parcel::Table& table = parcel.tables.emplace_back();
    take(table.partial_ids, counts.partials, counts.partials * sizeof(RowId));
    take(table.partial_nodes, counts.partials, NodeBytes(counts.partials));
    take(table.gradients, counts.partials * floats, counts.partials * floats * sizeof(float));
    take(table.wanted, counts.wanted, counts.wanted * sizeof(RowId));
    take(table.rows, counts.rows * floats, counts.rows * floats * sizeof(float));
  }
  return parcel;
}

ParcelShape ShapeOf(const Parcel& parcel, std::span<const RowLayout> layouts) {
  ParcelShape shape{.from_seat = parcel.from_seat, .to_seat = parcel.to_seat, .turn = parcel.turn};
  for (std::size_t t = 0; t < parcel.tables.size(); ++t) {
    const Parcel::Table& table = parcel.tables[t];
    shape.tables.push_back(
        {.partials = static_cast<std::uint32_t>(table.partial_ids.size()),
         .wanted = static_cast<std::uint32_t>(table.wanted.size()),
         .rows = static_cast<std::uint32_t>(table.rows.size() / layouts[t].wire_floats())});
  }
  return shape;
}

std::size_t RecordBytes(std::size_t tables, std::size_t payload_bytes) {
  return RecordHeaderBytes(tables) + payload_bytes;
}

Parcel WriteRecord(const ParcelShape& shape, std::span<const RowLayout> layouts,
                   std::span<std::byte> record) {
  const RecordHeader header{.turn = shape.turn,
                            .tables = static_cast<std::uint32_t>(layouts.size())};
  std::memcpy(record.data(), &header, sizeof header);
  std::memcpy(record.data() + sizeof header, shape.tables.data(),
              layouts.size() * sizeof(ParcelShape::Counts));
  const std::span<std::byte> bytes = record.subspan(RecordHeaderBytes(layouts.size()));
  return layouts.empty() ? ShapeTransfer(shape, bytes) : ShapeParcel(shape, layouts, bytes);
}

std::optional<std::uint64_t> TurnOfRecord(std::span<const std::byte> record) {
  RecordHeader header;
  if (record.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, record.data(), sizeof header);
  return header.turn;
}

absl::StatusOr<Parcel> ReadRecord(const ParcelShape& seats, std::span<const RowLayout> layouts,
                                  std::span<std::byte> record) {
  const absl::Status bad = absl::DataLossError(
      absl::StrCat("a record of ", record.size(), " bytes does not fit what its header says"));
  const std::size_t header_bytes = RecordHeaderBytes(layouts.size());
  if (record.size() < header_bytes) return bad;
  // Copied before they are checked: the sender could still change them.
  RecordHeader header;
  std::memcpy(&header, record.data(), sizeof header);
  if (header.tables != layouts.size()) return bad;
  ParcelShape shape = seats;
  shape.turn = header.turn;
  shape.tables.resize(layouts.size());
  std::memcpy(shape.tables.data(), record.data() + sizeof header,
              layouts.size() * sizeof(ParcelShape::Counts));
  const std::span<std::byte> bytes = record.subspan(header_bytes);
  if (layouts.empty()) return ShapeTransfer(shape, bytes);
  if (PayloadBytes(shape, layouts) != bytes.size()) return bad;
  return ShapeParcel(shape, layouts, bytes);
}

std::string EncodeHeader(const ParcelShape& shape) {
  ParcelHeader header;
  header.set_from_seat(shape.from_seat);
  header.set_to_seat(shape.to_seat);
  header.set_turn(shape.turn);
  for (const ParcelShape::Counts& of_table : shape.tables) {
    TableCounts& counts = *header.add_tables();
    counts.set_partials(of_table.partials);
    counts.set_wanted(of_table.wanted);
    counts.set_rows(of_table.rows);
  }
  return header.SerializeAsString();
}

absl::StatusOr<Parcel> ParseParcel(const std::string& control, Buffer payload,
                                   std::span<const RowLayout> layouts) {
  const absl::StatusOr<ParcelShape> shape = DecodeHeader(control, layouts.size());
  if (!shape.ok()) return shape.status();
  const std::size_t expected = PayloadBytes(*shape, layouts);
  if (expected != payload.size()) {
    return absl::DataLossError(
        absl::StrCat("a parcel of ", payload.size(), " bytes where its header says ", expected));
  }
  Parcel parcel = ShapeParcel(*shape, layouts, payload.bytes());
  parcel.payload = std::move(payload);
  return parcel;
}

absl::StatusOr<Parcel> ParseTransfer(const std::string& control, Buffer payload) {
  const absl::StatusOr<ParcelShape> shape = DecodeHeader(control, 0);
  if (!shape.ok()) return shape.status();
  Parcel transfer = ShapeTransfer(*shape, payload.bytes());
  transfer.payload = std::move(payload);
  return transfer;
}

}  // namespace cf

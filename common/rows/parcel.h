#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <absl/container/inlined_vector.h>
#include <absl/status/statusor.h>

#include "common/base/ids.h"
#include "common/base/partition.h"
#include "common/model/layout.h"
#include "common/rows/parcel.pb.h"
#include "common/rpc/buffer.h"
#include "common/rpc/ring.h"

namespace cf {

/// Tables of a model for which a parcel needs no memory of its own: a factorisation has two.
inline constexpr std::size_t kTablesInline = 4;

/// Whom a parcel is for and how much of what it brings: its size is known before it is filled.
struct ParcelShape {
  struct Counts {
    std::uint32_t partials = 0;
    std::uint32_t wanted = 0;
    std::uint32_t rows = 0;

    bool operator==(const Counts&) const = default;
  };

  std::uint32_t from_seat = 0;
  std::uint32_t to_seat = 0;
  std::uint64_t turn = 0;
  absl::InlinedVector<Counts, kTablesInline> tables{};

  bool operator==(const ParcelShape&) const = default;
};

/// What one worker sends to one server to end a step (partial gradients) and to prepare the next
/// (ids of wanted rows), or what the server answers (rows, in the order in which they were wanted).
/// A parcel between threads of one process carries no rows: they are read in place. A transfer is a
/// parcel without tables, whose `turn` is its name and whose `bytes` mean what its sender says.
///
/// Owner:      whoever holds it; it is moved from sender to receiver.
/// Threads:    one at a time.
/// Bounds:     the mesh's limit of a frame.
/// Invariants: the spans point into `payload`, or into a ring of memory shared with another
///             process, which keeps the place until the parcel is recycled.
struct Parcel {
  struct Table {
    std::span<RowId> partial_ids;
    std::span<TreeNode> partial_nodes;
    std::span<float> gradients;  ///< wire_floats for each partial.
    std::span<RowId> wanted;
    std::span<float> rows;  ///< wire_floats for each row.
  };

  std::uint32_t from_seat = 0;
  std::uint32_t to_seat = 0;
  std::uint64_t turn = 0;
  absl::InlinedVector<Table, kTablesInline> tables{};
  std::span<std::byte> bytes{};  ///< All that it carries.
  Buffer payload{};
  RingReader* ring = nullptr;  ///< That it arrived in, as record number `record`.
  std::uint32_t record = 0;
  bool reserved = false;  ///< In the ring to its receiver, and not sent yet.
};

/// The bytes that a parcel of `shape` carries. Requires: as many tables as layouts.
std::size_t PayloadBytes(const ParcelShape& shape, std::span<const RowLayout> layouts);

/// A parcel of `shape` over `bytes`, which are the caller's to fill and to keep.
/// Requires: bytes.size() == PayloadBytes(shape, layouts).
Parcel ShapeParcel(const ParcelShape& shape, std::span<const RowLayout> layouts,
                   std::span<std::byte> bytes);

/// A transfer over `bytes`, which may be any number and have no parts.
Parcel ShapeTransfer(const ParcelShape& shape, std::span<std::byte> bytes);

/// The shape that ShapeParcel was given.
ParcelShape ShapeOf(const Parcel& parcel, std::span<const RowLayout> layouts);

/// In shared memory a record is a header of fixed form and the same bytes (docs/wire.md):
/// RecordBytes of them. WriteRecord writes the header and returns the parcel, which is the caller's
/// to fill. For a transfer `layouts` are empty and `bytes` is its size.
std::size_t RecordBytes(std::size_t tables, std::size_t payload_bytes);
Parcel WriteRecord(const ParcelShape& shape, std::span<const RowLayout> layouts,
                   std::span<std::byte> record);
/// Reads one back; the ring says which seats it is between. DataLoss: lengths that do not fit.
absl::StatusOr<Parcel> ReadRecord(const ParcelShape& seats, std::span<const RowLayout> layouts,
                                  std::span<std::byte> record);
/// The turn that the record's header names, or nothing where there is no header.
std::optional<std::uint64_t> TurnOfRecord(std::span<const std::byte> record);

/// What precedes a parcel of `shape` over TCP (docs/wire.md).
std::string EncodeHeader(const ParcelShape& shape);

/// Reads a parcel from a peer's control message and payload. DataLoss: lengths that do not fit.
absl::StatusOr<Parcel> ParseParcel(const std::string& control, Buffer payload,
                                   std::span<const RowLayout> layouts);

/// The same for a transfer, whose payload may have any length.
absl::StatusOr<Parcel> ParseTransfer(const std::string& control, Buffer payload);

}  // namespace cf

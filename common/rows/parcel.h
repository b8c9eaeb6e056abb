#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "common/base/ids.h"
#include "common/base/partition.h"
#include "common/rows/layout.h"
#include "common/rows/parcel.pb.h"
#include "common/rpc/buffer.h"

namespace cf {

/// What one worker sends to one server to end a step (partial gradients) and to prepare the next
/// (ids of wanted rows), or what the server answers (rows, in the order in which they were wanted).
/// A parcel between threads of one process carries no rows: they are read in place.
///
/// Owner:   whoever holds it; it is moved from sender to receiver. Threads: one at a time.
/// Bounds:  the mesh's limit of a frame. Invariants: the spans of `tables` point into `payload`.
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
  std::vector<Table> tables;
  Buffer payload;
};

/// The bytes that the payload of `header` takes. Requires: as many tables as layouts.
std::size_t PayloadBytes(const ParcelHeader& header, std::span<const RowLayout> layouts);

/// A parcel of the header's form over `payload`, whose bytes are the caller's to fill.
/// Requires: payload.size() == PayloadBytes(header, layouts).
Parcel ShapeParcel(const ParcelHeader& header, std::span<const RowLayout> layouts, Buffer payload);

/// The header that ShapeParcel was given.
ParcelHeader HeaderOf(const Parcel& parcel, std::span<const RowLayout> layouts);

/// Reads a parcel from a peer's control message and payload. DataLoss: lengths that do not fit.
absl::StatusOr<Parcel> ParseParcel(const std::string& control, Buffer payload,
                                   std::span<const RowLayout> layouts);

}  // namespace cf

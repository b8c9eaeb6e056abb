// What a peer's parcels meet in shared memory: a record of a ring.

#include <algorithm>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/targets/parcel_checks.h"

namespace cf::fuzz::record_target {
namespace {

/// The whole input is the record. One that is accepted lies within it and has the length of its
/// shape.
bool RunTarget(std::span<const std::byte> input) {
  Buffer copy(input.size());  // Aligned as records are.
  std::ranges::copy(input, copy.data());
  const std::span<std::byte> record = copy.bytes();
  const std::vector<RowLayout> layouts = Layouts();
  const absl::StatusOr<Parcel> parcel = ReadRecord({.from_seat = 1}, layouts, record);
  if (!parcel.ok()) {
    Check(parcel.status().code() == absl::StatusCode::kDataLoss, "a bad record is a loss of data");
    return false;
  }
  Check(TurnOfRecord(record) == parcel->turn, "a record that is accepted names its turn");
  CheckSpans(*parcel, record.data(), record.data() + record.size());
  const ParcelShape shape = ShapeOf(*parcel, layouts);
  Check(RecordBytes(layouts.size(), PayloadBytes(shape, layouts)) == record.size(),
        "a record has the length of its shape");
  Buffer again(record.size());
  WriteRecord(shape, layouts, again.bytes());
  const absl::StatusOr<Parcel> reread = ReadRecord({.from_seat = 1}, layouts, again.bytes());
  Check(reread.ok() && EncodeHeader(ShapeOf(*reread, layouts)) == EncodeHeader(shape),
        "a record written anew has the same shape and turn");
  return true;
}

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  for (const ParcelShape& shape : Shapes()) {
    std::string record(RecordBytes(shape.tables.size(), PayloadBytes(shape, Layouts())), 'x');
    WriteRecord(shape, Layouts(), std::as_writable_bytes(std::span(record)));
    seeds.push_back(record);
  }
  return seeds;
}

const bool kAdded =
    AddTarget({.name = "record", .run = RunTarget, .seeds = Seeds, .rounds = 20'000});

}  // namespace
}  // namespace cf::fuzz::record_target

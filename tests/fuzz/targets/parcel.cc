// What a peer's parcels meet over TCP: the header and the lengths of what follows it.

#include <algorithm>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/targets/parcel_checks.h"

namespace cf::fuzz::parcel_target {
namespace {

/// The first byte is the length of the header, the rest its payload. A parcel that is
/// accepted lies within its payload, every byte of it, and has the header that it came with.
bool RunTarget(std::span<const std::byte> input) {
  if (input.empty()) return false;
  const std::size_t length = std::min(std::to_integer<std::size_t>(input[0]), input.size() - 1);
  const std::string control(reinterpret_cast<const char*>(input.data() + 1), length);
  const std::span<const std::byte> bytes = input.subspan(1 + length);
  Buffer payload(bytes.size());
  std::ranges::copy(bytes, payload.data());
  const std::vector<RowLayout> layouts = Layouts();
  const absl::StatusOr<Parcel> parcel = ParseParcel(control, std::move(payload), layouts);
  if (!parcel.ok()) {
    Check(parcel.status().code() == absl::StatusCode::kDataLoss, "a bad parcel is a loss of data");
    return false;
  }
  const std::span<const std::byte> carried = parcel->payload.bytes();
  CheckSpans(*parcel, carried.data(), carried.data() + carried.size());
  ParcelHeader header;
  Check(header.ParseFromString(control), "an accepted header parses");
  header.DiscardUnknownFields();
  for (TableCounts& counts : *header.mutable_tables()) counts.DiscardUnknownFields();
  Check(EncodeHeader(ShapeOf(*parcel, layouts)) == header.SerializeAsString(),
        "a parcel has the header that it came with");
  return true;
}

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  for (const ParcelShape& shape : Shapes()) {
    const std::string control = EncodeHeader(shape);
    seeds.push_back(static_cast<char>(control.size()) + control +
                    std::string(PayloadBytes(shape, Layouts()), 'x'));
  }
  return seeds;
}

const bool kAdded =
    AddTarget({.name = "parcel", .run = RunTarget, .seeds = Seeds, .rounds = 20'000});

}  // namespace
}  // namespace cf::fuzz::parcel_target

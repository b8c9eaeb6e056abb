// Fuzzes what a peer's parcels meet, over TCP and in shared memory: the header and the lengths of
// what follows it.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string>

#include <gtest/gtest.h>

#include "common/base/check.h"
#include "common/rows/parcel.h"

namespace cf {
namespace {

std::vector<RowLayout> Layouts() {
  return {RowLayout({.name = "users", .rows = 100, .dim = 3, .biases = true, .slots = 2}),
          RowLayout({.name = "items", .rows = 50, .dim = 0, .biases = true, .slots = 2})};
}

/// The tables' spans follow one another from `at` on and end at `end`.
void CheckSpans(const Parcel& parcel, const std::byte* at, const std::byte* end) {
  const auto follows = [&at]<class T>(std::span<T> values) {
    Check(reinterpret_cast<const std::byte*>(values.data()) >= at, "spans follow one another");
    at = reinterpret_cast<const std::byte*>(values.data() + values.size());
  };
  for (const Parcel::Table& table : parcel.tables) {
    Check(table.partial_nodes.size() == table.partial_ids.size(), "a partial has id and node");
    follows(table.partial_ids);
    follows(table.partial_nodes);
    follows(table.gradients);
    follows(table.wanted);
    follows(table.rows);
  }
  Check(at <= end, "spans end within the payload");
}

/// The target: the first byte is the length of the header, the rest its payload. A parcel that is
/// accepted lies within its payload, every byte of it, and has the header that it came with.
/// Whether one was.
bool Parse(std::span<const std::byte> input) {
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

/// The same for what a peer left in shared memory: the whole input is the record. One that is
/// accepted lies within it and has the length of its shape. Whether it was.
bool ReadBack(std::span<const std::byte> input) {
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

}  // namespace
}  // namespace cf

/// For libFuzzer, where the compiler has one.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  cf::Parse(std::as_bytes(std::span(data, size)));
  cf::ReadBack(std::as_bytes(std::span(data, size)));
  return 0;
}

namespace cf {
namespace {

std::uint32_t Below(std::mt19937& random, std::size_t bound) {
  return static_cast<std::uint32_t>(random() % bound);
}

/// Small counts for both tables.
ParcelShape RandomShape(std::mt19937& random) {
  ParcelShape shape{.from_seat = Below(random, 4), .to_seat = Below(random, 4), .turn = random()};
  for (int t = 0; t < 2; ++t) {
    shape.tables.push_back(
        {.partials = Below(random, 4), .wanted = Below(random, 4), .rows = Below(random, 4)});
  }
  return shape;
}

/// A header with small counts and a payload that fits it.
std::string SoundInput(std::mt19937& random) {
  const ParcelShape shape = RandomShape(random);
  const std::string control = EncodeHeader(shape);
  return static_cast<char>(control.size()) + control +
         std::string(PayloadBytes(shape, Layouts()), 'x');
}

std::string SoundRecord(std::mt19937& random) {
  const ParcelShape shape = RandomShape(random);
  std::string record(RecordBytes(shape.tables.size(), PayloadBytes(shape, Layouts())), 'x');
  WriteRecord(shape, Layouts(), std::as_writable_bytes(std::span(record)));
  return record;
}

/// Changes, removes or adds a few of the first bytes, where the header is, which decides.
void Mutate(std::mt19937& random, std::string& input) {
  for (std::size_t changes = 1 + Below(random, 3); changes > 0; --changes) {
    const std::size_t at = Below(random, std::min<std::size_t>(input.size(), 40));
    switch (Below(random, 3)) {
      case 0:
        input[at] = static_cast<char>(random());
        break;
      case 1:
        input.erase(at, 1 + Below(random, 4));
        break;
      default:
        input.insert(at, 1, static_cast<char>(random()));
    }
    if (input.empty()) input = "x";
  }
}

bool ParseText(const std::string& input) {
  return Parse(std::as_bytes(std::span(input)));
}

bool ReadText(const std::string& input) {
  return ReadBack(std::as_bytes(std::span(input)));
}

TEST(ParcelFuzz, SoundParcels) {
  std::mt19937 random(20261121);
  for (int k = 0; k < 2'000; ++k) ASSERT_TRUE(ParseText(SoundInput(random)));
}

TEST(ParcelFuzz, MutationsOfSoundParcels) {
  std::mt19937 random(20261122);
  int accepted = 0;
  for (int k = 0; k < 50'000; ++k) {
    std::string input = SoundInput(random);
    Mutate(random, input);
    accepted += ParseText(input) ? 1 : 0;
  }
  EXPECT_GT(accepted, 0) << "some mutations change only seats and turns";
  EXPECT_LT(accepted, 50'000);
}

TEST(ParcelFuzz, SoundRecords) {
  std::mt19937 random(20261124);
  for (int k = 0; k < 2'000; ++k) ASSERT_TRUE(ReadText(SoundRecord(random)));
}

TEST(ParcelFuzz, MutationsOfSoundRecords) {
  std::mt19937 random(20261125);
  int accepted = 0;
  for (int k = 0; k < 50'000; ++k) {
    std::string record = SoundRecord(random);
    Mutate(random, record);
    accepted += ReadText(record) ? 1 : 0;
  }
  EXPECT_GT(accepted, 0) << "some mutations change only turns";
  EXPECT_LT(accepted, 50'000);
}

TEST(ParcelFuzz, RandomBytes) {
  std::mt19937 random(20261123);
  for (int k = 0; k < 50'000; ++k) {
    std::string input(Below(random, 64), '\0');
    for (char& c : input) c = static_cast<char>(random());
    ParseText(input);
    ReadText(input);
  }
}

}  // namespace
}  // namespace cf

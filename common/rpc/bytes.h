#pragma once

#include <bit>
#include <cstddef>
#include <cstring>
#include <span>

namespace cf {

static_assert(std::endian::native == std::endian::little,
              "the wire is little-endian, and so are the rows that are sent as they lie in memory");

/// Writes fixed-size fields one after the other. Requires: they fit.
class ByteWriter {
 public:
  explicit ByteWriter(std::span<std::byte> bytes) : bytes_(bytes) {}

  template <class T>
  void Put(const T& value) {
    std::memcpy(bytes_.subspan(at_, sizeof value).data(), &value, sizeof value);
    at_ += sizeof value;
  }

 private:
  std::span<std::byte> bytes_;
  std::size_t at_ = 0;
};

/// Reads what a ByteWriter wrote. Requires: as many bytes as are asked for.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <class T>
  T Get() {
    T value;
    std::memcpy(&value, bytes_.subspan(at_, sizeof value).data(), sizeof value);
    at_ += sizeof value;
    return value;
  }

 private:
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
};

}  // namespace cf

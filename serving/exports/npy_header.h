#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cf {

/// The header of an .npy file, version 1.0, of an array in C order: `descr` is "<f4", "<i8", ...;
/// `shape` has one or two extents.
std::string NpyHeader(const std::string& descr, const std::vector<std::uint64_t>& shape);

}  // namespace cf

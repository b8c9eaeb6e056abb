#include "serving/exports/npy_header.h"

#include <cstddef>

namespace cf {

std::string NpyHeader(const std::string& descr, const std::vector<std::uint64_t>& shape) {
  std::string extents;
  for (std::size_t k = 0; k < shape.size(); ++k) {
    if (k > 0) extents += " ";
    extents += std::to_string(shape[k]);
    if (k + 1 < shape.size() || shape.size() == 1) extents += ",";  // A tuple of one has a comma.
  }
  std::string text =
      "{'descr': '" + descr + "', 'fortran_order': False, 'shape': (" + extents + "), }";
  // Magic, version, length of the rest, and the rest up to a multiple of 64 with a newline last.
  constexpr std::size_t kPrefix = 10;
  const std::size_t unpadded = kPrefix + text.size() + 1;
  text.append((64 - unpadded % 64) % 64, ' ');
  text += '\n';
  std::string header = "\x93NUMPY";
  header += '\x01';
  header += '\0';
  header += static_cast<char>(text.size() & 0xff);
  header += static_cast<char>(text.size() >> 8);
  return header + text;
}

}  // namespace cf

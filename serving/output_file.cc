#include "serving/output_file.h"

#include <cerrno>
#include <cstring>
#include <unistd.h>
#include <utility>

#include "common/base/status.h"

namespace cf {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

}  // namespace

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

absl::StatusOr<OutputFile> OutputFile::Create(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return ErrnoError(errno, path);
  std::setvbuf(file, nullptr, _IOFBF, kBufferBytes);
  return OutputFile(path, file);
}

void OutputFile::Write(const void* bytes, std::size_t size) {
  if (size == 0 || error_ != 0) return;
  if (std::fwrite(bytes, 1, size, file_.get()) != size) error_ = errno;
}

absl::Status OutputFile::Close() {
  if (error_ == 0 && std::fflush(file_.get()) != 0) error_ = errno;
  if (error_ == 0 && fsync(fileno(file_.get())) != 0) error_ = errno;
  if (std::fclose(file_.release()) != 0 && error_ == 0) error_ = errno;
  return error_ == 0 ? absl::OkStatus() : ErrnoError(error_, path_);
}

}  // namespace cf

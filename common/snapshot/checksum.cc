#include "common/snapshot/checksum.h"

#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <unistd.h>
#include <vector>

#include <absl/cleanup/cleanup.h>
#include <absl/strings/str_format.h>
#include <xxhash.h>

#include "common/base/check.h"
#include "common/base/status.h"

namespace cf {

void Checksum::Free::operator()(XXH3_state_s* state) const {
  XXH3_freeState(state);
}

Checksum::Checksum() : state_(XXH3_createState()) {
  Check(state_ != nullptr && XXH3_128bits_reset(state_.get()) == XXH_OK, "a checksum can start");
}

Checksum::~Checksum() = default;

void Checksum::Update(const void* data, std::size_t bytes) {
  if (bytes != 0) XXH3_128bits_update(state_.get(), data, bytes);
}

std::string Checksum::Hex() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(state_.get());
  return absl::StrFormat("%016x%016x", std::uint64_t{hash.high64}, std::uint64_t{hash.low64});
}

absl::StatusOr<std::string> ChecksumOfFile(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return ErrnoError(errno, path);
  const absl::Cleanup close = [file] { ::close(file); };
  Checksum checksum;
  std::vector<char> buffer(std::size_t{1} << 18);
  for (;;) {
    const ssize_t got = ::read(file, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoError(errno, path);
    if (got == 0) return checksum.Hex();
    checksum.Update(buffer.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace cf

#include "common/rpc/shared_region.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <absl/strings/str_cat.h>

#include "common/base/status.h"

namespace cf {
namespace {

absl::StatusOr<std::span<std::byte>> MapBytes(int fd, std::size_t bytes) {
  void* const at =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (at == MAP_FAILED) return ErrnoError(errno, "mapping shared memory");
  return std::span(static_cast<std::byte*>(at), bytes);
}

}  // namespace

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

UniqueFd::~UniqueFd() {
  if (fd_ >= 0) ::close(fd_);
}

absl::StatusOr<SharedRegion> SharedRegion::Make(std::size_t bytes) {
  SharedRegion region;
  region.fd_ = UniqueFd(::memfd_create("cf", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (region.fd() < 0) return ErrnoError(errno, "memfd_create");
  if (::ftruncate(region.fd(), static_cast<off_t>(bytes)) != 0)
    return ErrnoError(errno, "sizing shared memory");
  if (::fcntl(region.fd(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return ErrnoError(errno, "sealing shared memory");
  absl::StatusOr<std::span<std::byte>> mapped = MapBytes(region.fd(), bytes);
  if (!mapped.ok()) return mapped.status();
  region.bytes_ = *mapped;
  return region;
}

absl::StatusOr<SharedRegion> SharedRegion::Map(UniqueFd fd, std::size_t bytes) {
  struct stat found = {};
  if (::fstat(fd.get(), &found) != 0) return ErrnoError(errno, "looking at shared memory");
  const int seals = ::fcntl(fd.get(), F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0)
    return absl::DataLossError("a peer's shared memory is not sealed against shrinking");
  if (found.st_size != static_cast<off_t>(bytes)) {
    return absl::DataLossError(absl::StrCat("a peer's shared memory has ", found.st_size,
                                            " bytes where ", bytes, " were expected"));
  }
  absl::StatusOr<std::span<std::byte>> mapped = MapBytes(fd.get(), bytes);
  if (!mapped.ok()) return mapped.status();
  SharedRegion region;
  region.fd_ = std::move(fd);
  region.bytes_ = *mapped;
  return region;
}

SharedRegion::SharedRegion(SharedRegion&& other) noexcept
    : fd_(std::move(other.fd_)), bytes_(std::exchange(other.bytes_, {})) {
}

SharedRegion& SharedRegion::operator=(SharedRegion&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

SharedRegion::~SharedRegion() {
  if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
}

}  // namespace cf

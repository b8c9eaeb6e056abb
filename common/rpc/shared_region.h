#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include <absl/status/statusor.h>

namespace cf {

/// A file descriptor that is closed with its holder.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  ~UniqueFd();

  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

/// Anonymous memory that processes share: a sealed memfd, mapped. No name leads to it, so that it
/// is gone with the last process that has it, however that ends.
///
/// Owner:   one holder in each process.
/// Threads: as what lies in it says.
/// Bounds:  as large as it was made; pages are taken when they are first touched.
class SharedRegion {
 public:
  SharedRegion() = default;
  /// Zeros. ResourceExhausted or Internal where the system refuses.
  static absl::StatusOr<SharedRegion> Make(std::size_t bytes);
  /// Maps one that a peer made. DataLoss where it is not sealed against shrinking (its pages could
  /// go away under us) or not of this size.
  static absl::StatusOr<SharedRegion> Map(UniqueFd fd, std::size_t bytes);

  SharedRegion(SharedRegion&& other) noexcept;
  SharedRegion& operator=(SharedRegion&& other) noexcept;
  ~SharedRegion();

  std::span<std::byte> bytes() const { return bytes_; }
  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
  std::span<std::byte> bytes_;
};

}  // namespace cf

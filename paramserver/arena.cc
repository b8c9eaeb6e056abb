#include "paramserver/arena.h"

#include <cerrno>
#include <cstdint>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/base/status.h"

namespace cf {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

}  // namespace

absl::StatusOr<Arena> Arena::Map(std::size_t bytes) {
  Arena arena;
  if (bytes == 0) return arena;
  // One huge page more than asked for, so that an aligned start fits.
  arena.mapped_bytes_ = (bytes + kHugePage - 1) / kHugePage * kHugePage + kHugePage;
  void* mapped = ::mmap(nullptr, arena.mapped_bytes_, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) {
    arena.mapped_bytes_ = 0;
    return ErrnoError(errno, absl::StrCat("memory for rows (", bytes >> 20, " MiB)"));
  }
  arena.mapped_ = static_cast<std::byte*>(mapped);
  const auto address = reinterpret_cast<std::uintptr_t>(mapped);
  arena.data_ = arena.mapped_ + ((kHugePage - address % kHugePage) % kHugePage);
  // Advice only: without transparent huge pages the memory serves as well.
  ::madvise(arena.data_, arena.mapped_bytes_ - kHugePage, MADV_HUGEPAGE);
  return arena;
}

void Arena::GiveBack(std::byte* first, std::size_t bytes) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t before = (page - reinterpret_cast<std::uintptr_t>(first) % page) % page;
  if (bytes < before + page) return;
  ::madvise(first + before, (bytes - before) / page * page, MADV_DONTNEED);
}

Arena::Arena(Arena&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      mapped_(std::exchange(other.mapped_, nullptr)),
      mapped_bytes_(std::exchange(other.mapped_bytes_, 0)) {
}

Arena& Arena::operator=(Arena&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(mapped_, other.mapped_);
  std::swap(mapped_bytes_, other.mapped_bytes_);
  return *this;
}

Arena::~Arena() {
  if (mapped_ != nullptr) ::munmap(mapped_, mapped_bytes_);
}

}  // namespace cf

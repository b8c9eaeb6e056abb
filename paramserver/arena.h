#pragma once

#include <cstddef>

#include <absl/status/statusor.h>

namespace cf {

/// One run of zeroed memory for all rows of a store, on huge pages where the system gives them:
/// random rows cost a TLB miss each otherwise.
///
/// Owner:   SlabStore.
/// Threads: any.
/// Bounds:  fixed at Map.
class Arena {
 public:
  Arena() = default;
  /// ResourceExhausted if the system does not give `bytes`.
  static absl::StatusOr<Arena> Map(std::size_t bytes);
  Arena(Arena&& other) noexcept;
  Arena& operator=(Arena&& other) noexcept;
  ~Arena();

  /// 2 MiB aligned.
  std::byte* data() const { return data_; }

  /// Gives the system the pages that lie in `bytes` from `first` on, of an arena: they are zeros then.
  static void GiveBack(std::byte* first, std::size_t bytes);

 private:
  std::byte* data_ = nullptr;
  std::byte* mapped_ = nullptr;
  std::size_t mapped_bytes_ = 0;
};

}  // namespace cf

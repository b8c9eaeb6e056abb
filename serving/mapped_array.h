#pragma once

#include <span>
#include <utility>
#include <vector>

#include "common/base/files.h"

namespace cf {

/// Numbers that are in memory, or in a file that is mapped: whoever reads them need not know which.
///
/// Owner:   a part of what serves.
/// Threads: any; constant. Moving keeps values().
template <class T>
class MappedArray {
 public:
  MappedArray() = default;
  explicit MappedArray(std::vector<T> values) : owned_(std::move(values)), values_(owned_) {}
  explicit MappedArray(MappedFile file) : file_(std::move(file)), values_(file_.As<T>()) {}

  std::span<const T> values() const { return values_; }
  const T& operator[](std::size_t k) const { return values_[k]; }
  std::size_t size() const { return values_.size(); }
  bool empty() const { return values_.empty(); }

 private:
  std::vector<T> owned_;
  MappedFile file_;
  std::span<const T> values_;
};

}  // namespace cf

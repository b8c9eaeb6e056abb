#include "common/rpc/buffer.h"

#include <new>
#include <utility>

namespace cf {

void Buffer::Free::operator()(std::byte* bytes) const {
  ::operator delete (bytes, std::align_val_t{kAlignment});
}

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::move(other.data_)),
      size_(std::exchange(other.size_, 0)),
      capacity_(std::exchange(other.capacity_, 0)) {
}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  data_ = std::move(other.data_);
  size_ = std::exchange(other.size_, 0);
  capacity_ = std::exchange(other.capacity_, 0);
  return *this;
}

void Buffer::Resize(std::size_t size) {
  if (size > capacity_) {
    // Free first: the old bytes are of no use to anyone, and both at once may be too much.
    data_.reset();
    size_ = capacity_ = 0;
    data_.reset(static_cast<std::byte*>(::operator new (size, std::align_val_t{kAlignment})));
    capacity_ = size;
  }
  size_ = size;
}

Buffer BufferPool::Take(std::size_t size) {
  Buffer found;
  {
    const std::lock_guard lock(mutex_);
    std::size_t best = kept_.size();
    for (std::size_t k = 0; k < kept_.size(); ++k) {
      if (kept_[k].capacity() < size) continue;
      if (best == kept_.size() || kept_[k].capacity() < kept_[best].capacity()) best = k;
    }
    if (best != kept_.size()) {
      kept_bytes_ -= kept_[best].capacity();
      found = std::move(kept_[best]);
      if (best + 1 != kept_.size()) kept_[best] = std::move(kept_.back());
      kept_.pop_back();
    }
  }
  found.Resize(size);
  return found;
}

void BufferPool::Give(Buffer buffer) {
  if (buffer.capacity() == 0) return;
  const std::lock_guard lock(mutex_);
  if (kept_.size() == kBuffersMax || buffer.capacity() > bytes_max_ - kept_bytes_) return;
  kept_bytes_ += buffer.capacity();
  kept_.push_back(std::move(buffer));
}

}  // namespace cf

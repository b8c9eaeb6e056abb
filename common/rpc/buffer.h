#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace cf {

/// Bytes of a payload: 64-byte aligned, never initialised, moved and not copied.
///
/// Owner:      whoever holds it; a message carries its own.
/// Threads:    not thread-safe.
/// Bounds:     as large as it was asked to be; shrinking keeps the capacity, so that a recycled
///             buffer costs no allocation.
/// Invariants: size() <= capacity(); a moved-from buffer is empty.
class Buffer {
 public:
  static constexpr std::size_t kAlignment = 64;

  Buffer() = default;
  /// `size` bytes of any value.
  explicit Buffer(std::size_t size) { Resize(size); }
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;

  /// Makes it `size` bytes long. Within the capacity the bytes stay; beyond it they are lost, since
  /// everyone who grows a payload is about to fill it.
  void Resize(std::size_t size);

  std::byte* data() { return data_.get(); }
  const std::byte* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }
  bool empty() const { return size_ == 0; }

  std::span<std::byte> bytes() { return {data_.get(), size_}; }
  std::span<const std::byte> bytes() const { return {data_.get(), size_}; }

  /// The bytes as numbers of type T, as many whole ones as there are.
  template <class T>
  std::span<T> As() {
    return {reinterpret_cast<T*>(data_.get()), size_ / sizeof(T)};
  }
  template <class T>
  std::span<const T> As() const {
    return {reinterpret_cast<const T*>(data_.get()), size_ / sizeof(T)};
  }

 private:
  struct Free {
    void operator()(std::byte* bytes) const;
  };

  std::unique_ptr<std::byte, Free> data_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

/// Buffers that wait to be used again: a step needs the same few sizes every time, and their pages
/// are already mapped and warm.
///
/// Owner:   Mesh.
/// Threads: any. The mutex is there because buffers change threads by design: a compute thread
///          fills one, the I/O thread (or the sender itself) gives it back once it is written. It
///          is held for a scan of at most kBuffersMax entries.
/// Bounds:  keeps at most kBuffersMax buffers and `bytes_max` bytes; what is beyond is freed.
class BufferPool {
 public:
  static constexpr std::size_t kBuffersMax = 64;

  explicit BufferPool(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  /// A buffer of `size` bytes of any value: the smallest kept one that holds them, or a new one.
  Buffer Take(std::size_t size);

  /// Takes back a buffer that nobody reads any more.
  void Give(Buffer buffer);

 private:
  const std::size_t bytes_max_;
  std::mutex mutex_;
  std::vector<Buffer> kept_;    // Guarded by mutex_.
  std::size_t kept_bytes_ = 0;  // Guarded by mutex_; the capacities of kept_.
};

}  // namespace cf

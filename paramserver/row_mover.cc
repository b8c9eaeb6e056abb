#include "paramserver/row_mover.h"

#include <algorithm>
#include <pthread.h>
#include <utility>

namespace cf {
namespace {

// What the system and a thread's calls take of its stack.
constexpr std::size_t kStackBytes = std::size_t{32} << 10;

// Threads that are woken together, since the first may have to wait for a core.
constexpr std::uint32_t kThreadsAtOnce = 4;

}  // namespace

std::size_t AroundBytes(std::size_t stored_bytes) {
  // It may begin with the last byte of a page.
  return InWholePages(stored_bytes - 1) + ScratchFile::kPageBytes;
}

absl::StatusOr<std::span<const std::byte>> ReadAround(const ScratchFile& file, std::uint64_t at,
                                                      std::size_t stored_bytes,
                                                      std::span<std::byte> pages) {
  const std::uint64_t first = at / ScratchFile::kPageBytes * ScratchFile::kPageBytes;
  const std::span<std::byte> around = pages.first(InWholePages(at + stored_bytes) - first);
  if (absl::Status read = file.Read(first, around); !read.ok()) return read;
  return std::span<const std::byte>(around.subspan(at - first, stored_bytes));
}

std::size_t RowMover::BytesFor(std::size_t floats_max) {
  return kThreads * (AroundBytes(stored_row::BytesFor(floats_max)) + kStackBytes);
}

RowMover::RowMover(ScratchFile* file, std::size_t floats_max)
    : file_(file), buffer_bytes_(AroundBytes(stored_row::BytesFor(floats_max))) {
  for (std::uint32_t k = 0; k < kThreads; ++k) {
    threads_.emplace_back([this] {
      ::pthread_setname_np(::pthread_self(), "cf-rows");
      Work();
    });
  }
}

RowMover::~RowMover() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  work_comes_.release(kThreads);
}

void RowMover::Begin(std::span<const Read> reads) {
  const std::lock_guard lock(mutex_);
  reads_.insert(reads_.end(), reads.begin(), reads.end());
}

void RowMover::Begin(const Load& load) {
  const std::lock_guard lock(mutex_);
  loads_.push_back(load);
}

void RowMover::Begin(const Write& write) {
  const std::lock_guard lock(mutex_);
  writes_.push_back(write);
}

void RowMover::Kick() {
  std::uint32_t wakes = 0;
  {
    const std::lock_guard lock(mutex_);
    if (has_work()) wakes = std::min(idle_, kThreadsAtOnce);
  }
  if (wakes > 0) work_comes_.release(wakes);
}

absl::Status RowMover::status() const {
  if (!failed_.load(std::memory_order_acquire)) return absl::OkStatus();
  const std::lock_guard lock(mutex_);
  return error_;
}

void RowMover::Fail(const absl::Status& error) {
  const std::lock_guard lock(mutex_);
  if (failed_.load(std::memory_order_relaxed)) return;
  error_ = error;
  failed_.store(true, std::memory_order_release);
}

void RowMover::Finish(std::atomic<Progress>& progress, Progress how) {
  progress.store(how, std::memory_order_release);
  progress.notify_all();
}

void RowMover::Work() {
  const Pages pages = MakePages(buffer_bytes_);
  std::unique_lock lock(mutex_);
  for (;;) {
    if (!has_work()) {
      if (ends_) return;
      ++idle_;
      lock.unlock();
      work_comes_.acquire();
      lock.lock();
      --idle_;
      continue;
    }
    const auto take = [&](auto& queue, auto&&... memory) {
      const auto what = queue.front();
      queue.pop_front();
      const bool wakes = idle_ > 0 && has_work();
      lock.unlock();
      if (wakes) work_comes_.release();
      Do(what, memory...);
      lock.lock();
    };
    if (!writes_.empty()) {
      take(writes_);
    } else if (!reads_.empty()) {
      take(reads_, std::span<std::byte>(pages.get(), buffer_bytes_));
    } else {
      take(loads_);
    }
  }
}

void RowMover::Do(const Read& read, std::span<std::byte> pages) {
  Progress how = Progress::kDone;
  if (!failed_.load(std::memory_order_relaxed)) {
    const absl::StatusOr<std::span<const std::byte>> stored =
        ReadAround(*file_, read.at, stored_row::BytesFor(read.row.size()), pages);
    if (!stored.ok()) {
      Fail(stored.status());
    } else if (!stored_row::Load(read.key, *stored, read.row)) {
      how = Progress::kNotAsWritten;
    }
  }
  rows_read_.fetch_add(1, std::memory_order_relaxed);
  Finish(*read.progress, how);
}

void RowMover::Do(const Load& load) {
  if (!failed_.load(std::memory_order_relaxed)) {
    const absl::Status loaded = file_->Read(load.at, load.pages);
    if (!loaded.ok()) Fail(loaded);
  }
  bytes_loaded_.fetch_add(load.pages.size(), std::memory_order_relaxed);
  Finish(*load.progress, Progress::kDone);
}

void RowMover::Do(const Write& write) {
  if (!failed_.load(std::memory_order_relaxed)) {
    const absl::Status written = file_->Write(write.at, write.pages);
    if (!written.ok()) Fail(written);
  }
  bytes_written_.fetch_add(write.pages.size(), std::memory_order_relaxed);
  Finish(*write.progress, Progress::kDone);
}

}  // namespace cf

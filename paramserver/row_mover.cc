#include "paramserver/row_mover.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <pthread.h>

namespace cf {
namespace {

// Reads that a thread takes at once: few, so that all threads have some.
constexpr std::size_t kTaken = 4;

}  // namespace

RowMover::RowMover(RowDatabase* database) : database_(database) {
  for (std::uint32_t k = 0; k < kReaders; ++k) {
    threads_.emplace_back([this](const std::stop_token& stop) {
      ::pthread_setname_np(::pthread_self(), "cf-read");
      ReadOn(stop);
    });
  }
  threads_.emplace_back([this](const std::stop_token& stop) {
    ::pthread_setname_np(::pthread_self(), "cf-write");
    WriteOn(stop);
  });
}

RowMover::~RowMover() {
  for (std::jthread& thread : threads_) thread.request_stop();
}

void RowMover::Begin(std::span<const Read> reads) {
  if (reads.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    reads_.insert(reads_.end(), reads.begin(), reads.end());
  }
  const std::size_t threads = std::min<std::size_t>(kReaders, (reads.size() + kTaken - 1) / kTaken);
  for (std::size_t k = 0; k < threads; ++k) reads_come_.notify_one();
}

void RowMover::Begin(const Write& write) {
  {
    const std::lock_guard lock(mutex_);
    writes_.push_back(write);
  }
  writes_come_.notify_one();
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

void RowMover::Finish(std::atomic<Progress>& progress) {
  progress.store(Progress::kDone, std::memory_order_release);
  progress.notify_all();
}

void RowMover::ReadOn(const std::stop_token& stop) {
  std::array<Read, kTaken> taken;
  for (;;) {
    std::size_t count = 0;
    {
      std::unique_lock lock(mutex_);
      if (!reads_come_.wait(lock, stop, [this] { return !reads_.empty(); })) return;
      count = std::min(kTaken, reads_.size());
      std::copy_n(reads_.begin(), count, taken.begin());
      reads_.erase(reads_.begin(), reads_.begin() + static_cast<std::ptrdiff_t>(count));
    }
    for (std::size_t k = 0; k < count; ++k) {
      if (!failed_.load(std::memory_order_relaxed)) {
        const absl::Status read = database_->Read(taken[k].key, taken[k].row);
        if (!read.ok()) Fail(read);
      }
      Finish(*taken[k].progress);
    }
    rows_read_.fetch_add(count, std::memory_order_relaxed);
  }
}

void RowMover::WriteOn(const std::stop_token& stop) {
  for (;;) {
    Write write;
    {
      std::unique_lock lock(mutex_);
      if (!writes_come_.wait(lock, stop, [this] { return !writes_.empty(); })) return;
      write = writes_.front();
      writes_.pop_front();
    }
    const std::size_t count = write.batch.keys.size();  // The batch is the owner's once it is done.
    if (!failed_.load(std::memory_order_relaxed)) {
      const absl::Status written = database_->Write(write.batch);
      if (!written.ok()) Fail(written);
    }
    Finish(*write.progress);
    rows_written_.fetch_add(count, std::memory_order_relaxed);
  }
}

}  // namespace cf

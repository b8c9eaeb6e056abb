#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "common/http/exchange.h"

namespace cf {

/// Requests that wait, and the threads that answer them. Who takes one takes with it others of the
/// same route that wait: all of them where no other thread is idle, else no more than its share.
///
/// Owner:      HttpServer.
/// Threads:    Push and size on any thread; handlers and `done` run on the workers.
/// Bounds:     `waiting_max` requests.
/// Invariants: what was pushed is handed to `done`, answered or, past its deadline, with 503.
class WorkQueue {
 public:
  struct Options {
    unsigned workers = 1;
    std::size_t waiting_max = 512;
  };
  using Bundle = std::vector<std::shared_ptr<HttpExchange>>;
  /// Takes a bundle that has been answered.
  using Done = std::function<void(Bundle bundle)>;

  WorkQueue(const Options& options, Done done);
  /// Answers what still waits, then ends the workers.
  ~WorkQueue();
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  /// False, and nothing is done, where the queue is full.
  bool Push(std::shared_ptr<HttpExchange> exchange);

  std::size_t size() const;

 private:
  void Work();
  Bundle Take();

  const Options options_;
  const Done done_;
  // The queue is where the I/O thread and all workers meet.
  mutable std::mutex mutex_;
  std::condition_variable not_empty_;
  std::deque<std::shared_ptr<HttpExchange>> waiting_;  // Guarded by mutex_.
  std::size_t idle_ = 0;                               // Guarded by mutex_: workers that wait.
  bool closing_ = false;                               // Guarded by mutex_.
  std::vector<std::jthread> workers_;
};

}  // namespace cf

#pragma once

#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace cf {

/// Runs work(task, thread) for every task below `tasks` on `threads` threads, this one among them,
/// each taking the next task in ascending order; returns when all are done. `thread` is below
/// `threads`; 0 is the caller's.
template <class Work>
void RunParallel(unsigned threads, std::size_t tasks, const Work& work) {
  std::atomic<std::size_t> next = 0;
  const auto run = [&next, tasks, &work](unsigned thread) {
    for (std::size_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < tasks;) {
      work(task, thread);
    }
  };
  std::vector<std::jthread> others;
  for (unsigned thread = 1; thread < threads && thread < tasks; ++thread) {
    others.emplace_back(run, thread);
  }
  run(0);
}

}  // namespace cf

#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace cf {

/// A thread that looks at the others now and then, and is none of those that may hang: it computes
/// nothing, opens no file and waits for no peer.
///
/// Owner:   Participant.
/// Threads: made and destroyed on one thread; `look` runs on the watch's own.
/// Bounds:  a look each period, one thread.
class Watch {
 public:
  using Look = std::function<void(std::chrono::milliseconds elapsed)>;

  /// Calls `look` once a period with the time since the last call, in which nothing more than
  /// two periods is counted: a watch that was itself kept from looking has seen nothing.
  Watch(std::chrono::milliseconds period, Look look);
  ~Watch();  ///< Waits for a look that is under way.
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 private:
  void Run();

  const std::chrono::milliseconds period_;
  const Look look_;
  std::mutex mutex_;  // Whoever destroys it tells the thread.
  std::condition_variable changed_;
  bool ends_ = false;  // Guarded by mutex_.
  std::thread thread_;
};

}  // namespace cf

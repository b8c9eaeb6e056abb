#include "coordinator/watch.h"

#include <algorithm>
#include <pthread.h>
#include <utility>

namespace cf {

Watch::Watch(std::chrono::milliseconds period, Look look)
    : period_(period), look_(std::move(look)), thread_([this] { Run(); }) {
}

Watch::~Watch() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Watch::Run() {
  using Clock = std::chrono::steady_clock;
  ::pthread_setname_np(::pthread_self(), "cf-watch");
  Clock::time_point last = Clock::now();
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (changed_.wait_for(lock, period_, [this] { return ends_; })) return;
    }
    const Clock::time_point now = Clock::now();
    const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(now - last);
    last = now;
    look_(std::min(elapsed, 2 * period_));
  }
}

}  // namespace cf

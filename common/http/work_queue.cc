#include "common/http/work_queue.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/http/router.h"

namespace cf {

WorkQueue::WorkQueue(const Options& options, Done done)
    : options_(options), done_(std::move(done)) {
  for (unsigned k = 0; k < options_.workers; ++k) workers_.emplace_back([this] { Work(); });
}

WorkQueue::~WorkQueue() {
  {
    const std::scoped_lock lock(mutex_);
    closing_ = true;
  }
  not_empty_.notify_all();
}

bool WorkQueue::Push(std::shared_ptr<HttpExchange> exchange) {
  {
    const std::scoped_lock lock(mutex_);
    if (waiting_.size() >= options_.waiting_max) return false;
    waiting_.push_back(std::move(exchange));
  }
  not_empty_.notify_one();
  return true;
}

std::size_t WorkQueue::size() const {
  const std::scoped_lock lock(mutex_);
  return waiting_.size();
}

// The first that waits, and those right behind it that are of its route; empty at the end.
WorkQueue::Bundle WorkQueue::Take() {
  Bundle bundle;
  std::unique_lock lock(mutex_);
  ++idle_;
  not_empty_.wait(lock, [this] { return closing_ || !waiting_.empty(); });
  --idle_;
  if (waiting_.empty()) return bundle;
  const Route* route = waiting_.front()->route;
  const std::size_t share = (waiting_.size() + idle_) / (idle_ + 1);
  const std::size_t most = std::min(share, route->bundle_max);
  do {
    bundle.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  } while (bundle.size() < most && !waiting_.empty() && waiting_.front()->route == route);
  return bundle;
}

void WorkQueue::Work() {
  for (;;) {
    Bundle bundle = Take();
    if (bundle.empty()) return;
    const Route* route = bundle.front()->route;
    const auto now = std::chrono::steady_clock::now();
    std::vector<HttpExchange*> in_time;
    for (const std::shared_ptr<HttpExchange>& exchange : bundle) {
      if (now < exchange->deadline) {
        in_time.push_back(exchange.get());
      } else {
        exchange->response = ErrorResponse(503, "the request has waited too long");
      }
    }
    if (!in_time.empty()) route->handle(in_time);
    done_(std::move(bundle));
  }
}

}  // namespace cf

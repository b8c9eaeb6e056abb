#include "worker/wave.h"

#include <algorithm>

#include "common/base/check.h"

namespace cf {

Wave::Wave(SeatRange range) : range_(range), began_at_(range.size()), next_(range.size()) {
}

void Wave::Begin(std::uint64_t origin, std::uint64_t last, std::span<const std::uint64_t> next) {
  Check(next.size() == range_.size(), "how far training has come is by partition of the rank");
  origin_ = origin;
  last_ = last;
  cursor_ = {};
  began_at_.assign(next.begin(), next.end());
  next_ = began_at_;
  ended_early_ = false;
}

std::uint64_t Wave::EndOf(std::uint64_t sweep, std::uint32_t number) const {
  return std::min(last_, origin_ + (sweep - 1) * range_.size() + number + 1);
}

std::optional<Wave::Visit> Wave::Find(Cursor& cursor) const {
  const std::uint32_t count = range_.size();
  for (;;) {
    if (cursor.number == count) cursor = {.sweep = cursor.sweep + 1, .number = 0};
    // What comes last in a sweep is the furthest, and so is the next sweep's first.
    if (cursor.sweep > 1 && EndOf(cursor.sweep - 1, 0) == last_) return std::nullopt;
    const std::uint32_t number = cursor.number++;
    const std::uint32_t k = count - 1 - number;
    const std::uint64_t end = EndOf(cursor.sweep, number);
    const std::uint64_t first =
        std::max(began_at_[k], cursor.sweep > 1 ? EndOf(cursor.sweep - 1, number) : origin_);
    if (first < end) {
      return Visit{.partition = PartitionId{range_.first + k}, .first = first, .last = end};
    }
  }
}

std::optional<Wave::Visit> Wave::Take() {
  std::unique_lock lock(mutex_);
  if (ended_early_) return std::nullopt;
  const std::optional<Visit> visit = Find(cursor_);
  if (!visit.has_value()) return std::nullopt;
  const std::uint32_t k = static_cast<std::uint32_t>(visit->partition) - range_.first;
  // Another thread may have the visit behind this one by now, and wait, too.
  ends_.wait(lock, [&] { return next_[k] == visit->first || ended_early_; });
  return ended_early_ ? std::nullopt : visit;
}

void Wave::End(const Visit& visit, std::uint64_t next) {
  const std::uint32_t k = static_cast<std::uint32_t>(visit.partition) - range_.first;
  {
    const std::lock_guard lock(mutex_);
    next_[k] = next;
    ended_early_ = ended_early_ || next < visit.last;
  }
  ends_.notify_all();
}

std::vector<PartitionId> Wave::Coming(std::uint32_t count) {
  std::vector<PartitionId> coming;
  const std::lock_guard lock(mutex_);
  Cursor cursor = cursor_;
  while (coming.size() < count) {
    const std::optional<Visit> visit = Find(cursor);
    if (!visit.has_value()) break;
    coming.push_back(visit->partition);
  }
  return coming;
}

}  // namespace cf

#include "common/base/profile.h"

#include <numeric>

#include "common/base/check.h"

namespace cf {

void Profile::Start() {
  Check(!running_, "a profile runs once at a time");
  running_ = true;
  current_ = Phase::kOther;
  started_ = source_.now();
  since_ = source_.ticks();
}

void Profile::Stop() {
  Check(current_ == Phase::kOther, "every scope has ended before the profile stops");
  Enter(Phase::kOther);
  ran_ += source_.now() - started_;
  running_ = false;
}

Profile::Times Profile::Take() {
  Times times{};
  const std::uint64_t sum = std::accumulate(ticks_.begin(), ticks_.end(), std::uint64_t{0});
  for (std::size_t phase = 0; phase < kPhases && sum > 0; ++phase) {
    const double share = static_cast<double>(ticks_[phase]) / static_cast<double>(sum);
    times[phase] = std::chrono::duration_cast<Clock::duration>(ran_ * share);
  }
  ticks_ = {};
  ran_ = {};
  return times;
}

}  // namespace cf

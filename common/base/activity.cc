#include "common/base/activity.h"

namespace cf {

Activity::State Activity::Look() const {
  const std::uint64_t word = word_.load(std::memory_order_seq_cst);
  const auto low = static_cast<std::uint32_t>(word);
  State state{.work = static_cast<Work>(low & (kWaits - 1)),
              .waits = (low & kWaits) != 0,
              .waits_for = kAnybody,
              .mark = word << 1};
  if (!state.waits) return state;
  state.waits_for = static_cast<int>(low >> kWhomShift) - kWhomOffset;
  const std::atomic<std::uint32_t>* const counter = counter_.load(std::memory_order_seq_cst);
  const std::uint32_t count = count_.load(std::memory_order_seq_cst);
  if (counter == nullptr || word_.load(std::memory_order_seq_cst) != word) return state;
  const std::uint32_t now = counter->load(std::memory_order_seq_cst);
  if (static_cast<std::int32_t>(now - count) < 0) return state;
  // It has come: a change that the thread itself has not made yet.
  state.waits = false;
  state.waits_for = kAnybody;
  state.mark |= 1;
  return state;
}

Activity::Here::Here(Activity* activity, Work work) : outer_(here) {
  here = activity;
  if (activity != nullptr) activity->SetWork(work);
}

Activity::Here::~Here() {
  if (here != nullptr) here->SetWork(Work::kNothing);
  here = outer_;
}

Activity::Doing::Doing(Work work) : outer_(WorkHere()) {
  if (here != nullptr) here->SetWork(work);
}

Activity::Doing::~Doing() {
  if (here != nullptr) here->SetWork(outer_);
}

Activity::Waiting::Waiting(int whom, Until until) {
  if (here == nullptr) return;
  here->counter_.store(until.counter, std::memory_order_seq_cst);
  here->count_.store(until.count, std::memory_order_seq_cst);
  here->Set(static_cast<std::uint32_t>(whom + kWhomOffset) << kWhomShift | kWaits |
            static_cast<std::uint32_t>(WorkHere()));
}

Activity::Waiting::~Waiting() {
  if (here != nullptr) here->SetWork(WorkHere());
}

Work Activity::WorkHere() {
  return here != nullptr ? static_cast<Work>(here->low() & (kWaits - 1)) : Work::kNothing;
}

}  // namespace cf

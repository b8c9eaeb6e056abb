// What a member's replies tell of its work.
#include <chrono>
#include <cstdint>
#include <vector>

#include "coordinator/member.h"

namespace cf {

void Member::AddFigures(const std::vector<ObjectiveSums>& sums, Reply& reply) const {
  for (const Seat& seat : seats_) {
    for (std::uint32_t p = seat.worked.first; p < seat.worked.last; ++p) {
      PartitionFigures& figures = *reply.add_figures();
      figures.set_partition(p);
      figures.set_loss(sums[p].loss);
      figures.set_squared_error(sums[p].squared_error);
      figures.set_absolute_error(sums[p].absolute_error);
      figures.set_samples(sums[p].samples);
    }
  }
}

void Member::AddRefusals(Reply& reply) {
  const auto add = [&reply](RefusalLog& log) {
    const std::vector<Refusals> by_table = log.Take();
    for (std::uint32_t t = 0; t < by_table.size(); ++t) {
      if (by_table[t].count == 0) continue;
      RefusedGradients& refused = *reply.add_refused();
      refused.set_table(t);
      refused.set_count(by_table[t].count);
      refused.set_step(by_table[t].step);
      refused.set_row(static_cast<std::uint32_t>(by_table[t].row));
    }
  };
  for (const Seat& seat : seats_) {
    if (seat.service != nullptr) add(seat.service->refusals());
    if (seat.block_host != nullptr) add(seat.block_host->refusals());
  }
}

void Member::AddProfile(Reply& reply) {
  Profile::Times sum{};
  for (const Seat& seat : seats_) {
    const Profile::Times times = seat.profile->Take();
    for (std::size_t phase = 0; phase < kPhases; ++phase) sum[phase] += times[phase];
  }
  RankProfile& profile = *reply.mutable_profile();
  for (const Profile::Clock::duration time : sum) {
    profile.add_nanoseconds(static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(time).count()));
  }
  const Exchange::Stats sent = exchange_->stats();
  const auto report = [&](Channel channel, Traffic& traffic) {
    const Exchange::Traffic& now = sent[static_cast<std::size_t>(channel)];
    Exchange::Traffic& before = reported_[static_cast<std::size_t>(channel)];
    traffic.set_messages(now.messages - before.messages);
    traffic.set_bytes(now.bytes - before.bytes);
    before = now;
  };
  report(Channel::kCall, *profile.mutable_call());
  report(Channel::kSharedMemory, *profile.mutable_shared_memory());
  report(Channel::kTcp, *profile.mutable_tcp());
}

}  // namespace cf

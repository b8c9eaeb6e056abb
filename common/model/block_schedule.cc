#include "common/model/block_schedule.h"

namespace cf {

std::optional<BlockSchedule> BlocksOf(const Job& job, std::uint64_t steps_per_epoch) {
  const Train& train = job.train();
  if (train.schedule() != Train::BLOCKS) return std::nullopt;
  return BlockSchedule(train.partitions(), train.rounds(), steps_per_epoch);
}

}  // namespace cf

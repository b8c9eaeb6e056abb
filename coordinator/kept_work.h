#pragma once

#include <map>
#include <optional>

#include "common/base/partition.h"
#include "coordinator/kept_partitions.h"
#include "coordinator/roster.h"
#include "coordinator/training_data.h"

namespace cf {

/// What a process keeps of its work when its generation ends by a loss, so that the next one need not
/// read it again.
///
/// Owner:   whoever runs generations; while one runs, its Participant.
/// Threads: one.
/// Bounds:  those of what is kept.
struct KeptWork {
  /// Who had which partitions, without dedicated servers; the same in every process that was set up.
  std::map<MemberId, SeatRange> places = {};
  std::optional<TrainingData> data = {};
  KeptPartitions partitions = {};
};

}  // namespace cf

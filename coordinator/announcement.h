#pragma once

#include <span>
#include <string>

#include "coordinator/console.h"
#include "coordinator/control.pb.h"
#include "coordinator/roster.h"
#include "coordinator/storage_plan.h"
#include "coordinator/training_data.h"
#include "run/status.pb.h"

namespace cf {

/// Says what is to be trained, on what and by whom, before it begins.
void Announce(const Job& job, const Roster& roster, const TrainingData& data, const SetUp& set_up,
              Console& console);

/// Says what is on disk, where ranks have no room for all of their users. `plans`: by rank.
void AnnounceStorage(std::span<const StoragePlan> plans, const std::string& directory,
                     Console& console);

/// How the ranks have come by their rows after a loss; `replies` are those to SetUp.
void AnnounceKeptRows(std::span<const Reply> replies, Console& console);

/// What the run's status says of a generation whose members still open their parts.
RunStatus FirstStatus(const GenerationNote& note, const Roster& roster, const SetUp& set_up);

}  // namespace cf

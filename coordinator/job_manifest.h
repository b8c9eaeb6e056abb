#pragma once

#include "common/snapshot/manifest.h"
#include "coordinator/member.h"

namespace cf {

/// What the manifests of all snapshots of a job have in common: versions, data, statistics, tables,
/// the job itself.
Manifest JobManifest(const Job& job, const TrainingData& data);

}  // namespace cf

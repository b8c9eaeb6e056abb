#pragma once

#include <google/protobuf/message.h>

#include "common/metrics/figures.h"
#include "common/snapshot/manifest.pb.h"

namespace cf {

/// The figures of an epoch as a manifest, a status or `cfrun status --json` has them.
EpochFigures FiguresOf(const EpochMetrics& kept);

/// The other way round, without the speed: what a snapshot keeps does not depend on a clock.
EpochMetrics KeptOf(const EpochFigures& epoch);

/// Sets epoch, step and figures of any message that has fields with these names; the others are
/// left out.
void SetFigureFields(const EpochFigures& epoch, google::protobuf::Message& into);

}  // namespace cf

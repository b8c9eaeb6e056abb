#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/base/partition.h"
#include "common/base/piece_file.h"
#include "common/dataset/dataset.h"
#include "common/dataset/split.h"
#include "worker/samples.h"

namespace cf {

/// Some partitions' samples of one kind.
struct SamplesOnDisk {
  const Dataset& data;
  const DataSplit& split;
  Partitioning partitioning;
  SeatRange range;
  SampleKind kind = SampleKind::kTraining;
  std::vector<bool> leaves_out = {};  ///< By partition of the range; empty: none.
};

/// Writes them to a new file at `path`: a section for each partition of the range, its samples in
/// canonical order. That is one way through the data set, with a piece in memory for each partition.
absl::StatusOr<std::unique_ptr<PieceFile>> WriteCanonical(const SamplesOnDisk& samples,
                                                          const std::string& path);

}  // namespace cf

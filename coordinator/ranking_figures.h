#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/config/job.pb.h"
#include "common/metrics/figures.h"
#include "coordinator/control.pb.h"

namespace cf {

/// The figures that the job asks for beside those of every job, each once: val_bce and metrics of
/// ranking. What is monitored is one of them.
std::vector<std::string> OtherFigures(const Job& job);

/// What a validation among all items was made on.
struct RankingCounts {
  std::uint64_t users = 0;           ///< With a validation sample.
  std::uint64_t positives = 0;       ///< Their validation samples.
  std::uint64_t cold_users = 0;      ///< Users of them without a training sample.
  std::uint64_t cold_positives = 0;  ///< Samples of them whose item has no training sample.

  bool operator==(const RankingCounts&) const = default;
};

struct RankingFigures {
  Figures figures;  ///< In the order of the command.
  RankingCounts counts;
};

/// "943 users with 20,000 validation samples among 1,682 items; 3 users and the items of 41 samples
/// are cold"; `what` is "validation sample".
std::string DescribeCounts(const RankingCounts& counts, std::uint64_t items,
                           const std::string& what = "validation sample");

/// Adds up what the members answered to `command`. DataLoss: a partition that is not there, or
/// another number of figures than were asked for.
absl::StatusOr<RankingFigures> AddUpLists(const MeasureLists& command,
                                          std::span<const Reply> replies, std::uint32_t partitions,
                                          std::uint32_t items);

/// The names of the metrics of ranking among `names`, each once.
MeasureLists MeasureListsCommand(std::span<const std::string> names);

}  // namespace cf

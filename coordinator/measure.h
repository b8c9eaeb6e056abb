#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/metrics/metrics.h"
#include "coordinator/control.pb.h"
#include "coordinator/member.h"

namespace cf {

/// Has every member execute a command; the replies are by rank. The error of the first that failed.
using ExecuteCommand = std::function<absl::StatusOr<std::vector<Reply>>(const Command& command)>;

/// The sums that the replies hold, by partition. DataLoss: of a partition that is not there.
absl::StatusOr<std::vector<ObjectiveSums>> SumsOf(std::span<const Reply> replies,
                                                  std::uint32_t partitions);

/// How far the replies to Train say that partitions are, by partition. DataLoss: of a partition that
/// is not there, or beyond the `legs` of an epoch.
absl::StatusOr<std::vector<std::uint64_t>> NextLegsOf(std::span<const Reply> replies,
                                                      std::uint32_t partitions, std::uint64_t legs);

/// lambda * sum(w^2) over all rows of the model.
absl::StatusOr<double> MeasurePenalty(const ExecuteCommand& execute, std::uint32_t partitions);

/// What a pass over samples found.
struct Evaluation {
  std::uint64_t samples = 0;
  std::string split = {};  ///< As results name it: "random .1, seed 42".
  Figures figures = {};    ///< The loss, the errors of a model of ratings, then the others.
  /// What figures of ranking were made on: "943 users with ..."; else empty.
  std::string ranked = {};
};

/// Adds `others` (OtherFigures) behind the figures that a pass found: those of ranking, for which the
/// members are asked again, and of others what the pass's `sums` tell; without sums none of these.
/// `what` is that which the members rank.
absl::Status AddOthers(const ExecuteCommand& execute, const Job& job, const TrainingData& data,
                       std::span<const std::string> others, std::span<const ObjectiveSums> sums,
                       const std::string& what, Evaluation& evaluation);

/// Evaluates the validation samples, or the training samples, of which there must be some; and
/// `others` (OtherFigures).
absl::StatusOr<Evaluation> MeasureSamples(const ExecuteCommand& execute, const Job& job,
                                          const TrainingData& data, bool training_samples,
                                          std::span<const std::string> others);

}  // namespace cf

// How a member ranks the validation samples of its seats.

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <absl/strings/str_cat.h>

#include "common/base/fault_point.h"
#include "common/model/scorer.h"
#include "coordinator/member.h"
#include "worker/evaluator.h"

namespace cf {
namespace {

absl::StatusOr<std::vector<RankingMetric>> MetricsOf(const MeasureLists& command) {
  std::vector<RankingMetric> metrics;
  for (const std::string& name : command.metrics()) {
    const std::optional<RankingMetric> metric = ParseRankingMetric(name);
    if (!metric.has_value()) {
      return absl::DataLossError(absl::StrCat("\"", name, "\" is no metric of ranking"));
    }
    metrics.push_back(*metric);
  }
  return metrics;
}

void AddRanks(std::uint32_t partition, const PartitionRanking& found, Reply& reply) {
  PartitionRanks& ranks = *reply.add_ranks();
  ranks.set_partition(partition);
  for (const MetricSum& sum : found.sums) {
    ranks.add_sums(sum.sum);
    ranks.add_counts(sum.count);
  }
  ranks.set_users(found.users);
  ranks.set_positives(found.positives);
  ranks.set_cold_users(found.cold_users);
  ranks.set_cold_positives(found.cold_positives);
}

void AddListed(const std::vector<std::vector<std::uint8_t>>& listed, Reply& reply) {
  while (reply.listed_size() < static_cast<int>(listed.size())) reply.add_listed();
  for (std::size_t m = 0; m < listed.size(); ++m) {
    std::string& bits = *reply.mutable_listed(static_cast<int>(m));
    bits.resize(listed[m].size());
    for (std::size_t k = 0; k < bits.size(); ++k) {
      bits[k] = static_cast<char>(static_cast<std::uint8_t>(bits[k]) | listed[m][k]);
    }
  }
}

}  // namespace

std::unique_ptr<Evaluator> Member::MakeEvaluator(const Seat& seat,
                                                 const std::vector<RankingMetric>& metrics,
                                                 std::uint64_t turn) {
  return std::make_unique<Evaluator>(
      Evaluator::Options{.rows = seat.rows.get(),
                         .turn = turn,
                         .data = &options_.data->data,
                         .split = &options_.data->split,
                         .training_samples = training_samples_,
                         .metrics = metrics,
                         .pairs = options_.pairs,
                         .scorer = options_.data->model->MakeScorer(Objective(), kernels_),
                         .added = {.features = options_.data->features,
                                   .first_table = options_.data->model->first_feature(),
                                   .kernels = &kernels_}});
}

absl::Status Member::MeasureLists(const cf::MeasureLists& command, Reply& reply) {
  const absl::StatusOr<std::vector<RankingMetric>> metrics = MetricsOf(command);
  if (!metrics.ok()) return metrics.status();
  const TrainingData& data = *options_.data;
  if (training_samples_.empty()) training_samples_ = CountTrainingSamples(data.data, data.split);
  const std::uint64_t turns = Evaluator::TurnsOf(*options_.placement, data.data, *metrics,
                                                 data.model->layers(), data.features);
  const std::uint64_t turn = turn_;
  turn_ += turns;
  std::vector<std::unique_ptr<Evaluator>> evaluators(seats_.size());
  std::vector<PartitionRanking> found(options_.job.train().partitions());
  absl::Status done = OnSeats([&](Seat& seat) {
    FaultAt("rank");
    if (seat.trainer == nullptr) return ServeReads(*seat.service, turn, turns);
    const auto k = static_cast<std::size_t>(&seat - seats_.data());
    evaluators[k] = MakeEvaluator(seat, *metrics, turn);
    return evaluators[k]->Run(std::span(found).subspan(seat.worked.first, seat.worked.size()));
  });
  if (!done.ok()) return done;
  for (std::size_t k = 0; k < seats_.size(); ++k) {
    for (std::uint32_t p = seats_[k].worked.first; p < seats_[k].worked.last; ++p) {
      AddRanks(p, found[p], reply);
    }
    if (evaluators[k] != nullptr) AddListed(evaluators[k]->listed(), reply);
  }
  return absl::OkStatus();
}

}  // namespace cf

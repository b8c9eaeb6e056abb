#include "common/metrics/names.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/strip.h>

namespace cf {
namespace {

constexpr std::pair<const char*, RankingFigure> kFigures[] = {
    {"top", RankingFigure::kTop},
    {"recall", RankingFigure::kRecall},
    {"hr", RankingFigure::kHitRate},
    {"ndcg", RankingFigure::kNdcg},
    {"mrr", RankingFigure::kMrr},
    {"coverage", RankingFigure::kCoverage},
    {"ild", RankingFigure::kIntraListDistance},
    {"novelty", RankingFigure::kNovelty},
};

constexpr const char* kRatingFigures[] = {"train_loss", "train_rmse", "val_loss",
                                          "val_rmse",   "val_mae",    "val_bce"};

constexpr char kUnmasked[] = "_unmasked";

}  // namespace

std::optional<RankingMetric> ParseRankingMetric(const std::string& name) {
  RankingMetric metric;
  const std::string masked(absl::StripSuffix(name, kUnmasked));
  metric.unmasked = masked.size() < name.size();
  for (const auto& [word, figure] : kFigures) {
    const std::string start = absl::StrCat("val_", word, "_");
    if (!absl::StartsWith(masked, start)) continue;
    metric.figure = figure;
    const std::string digits = masked.substr(start.size());
    // One spelling for each metric: no "010", no "+10".
    if (!absl::SimpleAtoi(digits, &metric.k) || absl::StrCat(metric.k) != digits) break;
    if (metric.k >= 1 && metric.k <= kRankingKMax) return metric;
  }
  return std::nullopt;
}

std::string NameOf(const RankingMetric& metric) {
  const auto* const found =
      std::find_if(std::begin(kFigures), std::end(kFigures),
                   [&](const auto& entry) { return entry.second == metric.figure; });
  return absl::StrCat("val_", found->first, "_", metric.k, metric.unmasked ? kUnmasked : "");
}

bool IsMetric(const std::string& name) {
  return std::find(std::begin(kRatingFigures), std::end(kRatingFigures), name) !=
             std::end(kRatingFigures) ||
         ParseRankingMetric(name).has_value();
}

bool IsOfRatings(const std::string& name) {
  return absl::EndsWith(name, "_rmse") || name == "val_mae" || name == "val_bce";
}

bool IsOfTraining(const std::string& name) {
  return absl::StartsWith(name, "train_");
}

bool LargerIsBetter(const std::string& name) {
  return ParseRankingMetric(name).has_value();
}

}  // namespace cf

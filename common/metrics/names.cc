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
constexpr char kSampled[] = "_sampled_";

/// Reads a whole number from 1 to `most`, which has one spelling: no "010", no "+10".
bool ReadCount(const std::string& digits, std::uint32_t most, std::uint32_t& count) {
  return absl::SimpleAtoi(digits, &count) && absl::StrCat(count) == digits && count >= 1 &&
         count <= most;
}

}  // namespace

bool GoesByPlaces(RankingFigure figure) {
  return figure != RankingFigure::kCoverage && figure != RankingFigure::kIntraListDistance &&
         figure != RankingFigure::kNovelty;
}

std::optional<RankingMetric> ParseRankingMetric(const std::string& name) {
  RankingMetric metric;
  std::string body(absl::StripSuffix(name, kUnmasked));
  metric.unmasked = body.size() < name.size();
  if (const std::size_t at = body.find(kSampled); at != std::string::npos) {
    const std::string digits = body.substr(at + sizeof kSampled - 1);
    // Of items that the user has no sample of, none is masked.
    if (metric.unmasked || !ReadCount(digits, kSampledMax, metric.sampled)) return std::nullopt;
    body.resize(at);
  }
  for (const auto& [word, figure] : kFigures) {
    const std::string start = absl::StrCat("val_", word, "_");
    if (!absl::StartsWith(body, start)) continue;
    metric.figure = figure;
    if (metric.sampled > 0 && !GoesByPlaces(figure)) break;
    if (ReadCount(body.substr(start.size()), kRankingKMax, metric.k)) return metric;
  }
  return std::nullopt;
}

std::string NameOf(const RankingMetric& metric) {
  const auto* const found =
      std::find_if(std::begin(kFigures), std::end(kFigures),
                   [&](const auto& entry) { return entry.second == metric.figure; });
  const std::string among = metric.sampled > 0 ? absl::StrCat(kSampled, metric.sampled)
                            : metric.unmasked  ? kUnmasked
                                               : "";
  return absl::StrCat("val_", found->first, "_", metric.k, among);
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

bool IsOfValidation(const std::string& name) {
  return absl::StartsWith(name, "val_");
}

bool LargerIsBetter(const std::string& name) {
  return ParseRankingMetric(name).has_value();
}

}  // namespace cf

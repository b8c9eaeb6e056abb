#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace cf {

/// A figure of how a model orders the catalogue for each user (docs/metrics.md).
enum class RankingFigure : std::uint8_t {
  kTop,                ///< Share of the positives among the first k: top-k categorical accuracy.
  kRecall,             ///< Share of a user's positives among the first k, mean over users.
  kHitRate,            ///< Share of users with a positive among the first k.
  kNdcg,               ///< Normalised discounted cumulative gain of the first k, mean over users.
  kMrr,                ///< 1 / rank of the first positive if it is among k, mean over users.
  kCoverage,           ///< Share of the catalogue that is in some user's first k.
  kIntraListDistance,  ///< Mean distance of two items of a user's first k, mean over users.
  kNovelty,            ///< Mean self-information of the items of a user's first k, mean over users.
};

inline constexpr std::uint32_t kRankingKMax = 1000;
inline constexpr std::uint32_t kSampledMax = 1000;

/// Whether the figure follows from where the positives stand, rather than from the list of the
/// first k.
bool GoesByPlaces(RankingFigure figure);

/// A ranking figure as users name it: "val_ndcg_10", "val_recall_50_unmasked",
/// "val_hr_10_sampled_100".
struct RankingMetric {
  RankingFigure figure = RankingFigure::kTop;
  std::uint32_t k = 0;
  bool unmasked = false;      ///< Items of the user's training samples are candidates too.
  std::uint32_t sampled = 0;  ///< Candidates are the positives and so many others; 0: all items.

  bool operator==(const RankingMetric&) const = default;
};

/// The metric of that name; nothing where there is none. k is from 1 to kRankingKMax, sampled from
/// 1 to kSampledMax, for figures that go by ranks.
std::optional<RankingMetric> ParseRankingMetric(const std::string& name);

std::string NameOf(const RankingMetric& metric);

/// Whether a run can be told by `name` how an epoch went: a rating figure (train_loss, train_rmse,
/// val_loss, val_rmse, val_mae, val_bce) or a ranking metric.
bool IsMetric(const std::string& name);

/// Whether the figure compares predictions with ratings: the errors, and the cross-entropy of
/// ratings.
bool IsOfRatings(const std::string& name);

bool IsOfTraining(const std::string& name);

bool IsOfValidation(const std::string& name);

/// Whether the larger value is the better one: of ranking metrics, not of losses and errors.
bool LargerIsBetter(const std::string& name);

/// What IsMetric accepts, for errors.
inline constexpr char kMetricNames[] =
    "val_loss, val_rmse, val_mae, val_bce, train_loss, train_rmse, or one of val_top_K, "
    "val_recall_K, val_hr_K, val_ndcg_K, val_mrr_K, val_coverage_K, val_ild_K, val_novelty_K, K "
    "from 1 to 1000, perhaps with _unmasked, or of the first five with _sampled_N, N from 1 to "
    "1000";

}  // namespace cf

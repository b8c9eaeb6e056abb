#include "serving/diversity.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include <absl/strings/str_split.h>

#include "common/math/symmetric.h"

namespace cf {
namespace {

constexpr std::size_t kCandidatesAPlace = 20;
// With a cap a list may have to go far down; one without enough of other genres is cut short.
constexpr std::size_t kCandidatesAPlaceCapped = 100;

// How many deviations of the candidates' scores weigh as much as a likeness of 1. So half of the scale
// of strengths costs films' lists a hundredth of their NDCG@10 (docs/results.md).
constexpr double kDeviationsOfLikeness = 4;

/// How like candidates are to each other.
class Likeness {
 public:
  virtual ~Likeness() = default;
  /// At most 1, which an item is to itself. Requires: places among the candidates.
  virtual double Of(std::size_t a, std::size_t b) const = 0;
};

/// The cosine of vectors, less their mean.
class VectorLikeness final : public Likeness {
 public:
  VectorLikeness(const WeightTable& items, std::span<const ScoredRow> candidates)
      : vectors_(candidates.size(), items.dim()) {
    std::vector<double> mean(items.dim());
    for (std::size_t c = 0; c < candidates.size(); ++c) {
      std::copy_n(items.vector(candidates[c].id), items.dim(), vectors_.row(c).begin());
      for (std::size_t k = 0; k < mean.size(); ++k) {
        mean[k] += vectors_.row(c)[k] / static_cast<double>(candidates.size());
      }
    }
    for (std::size_t c = 0; c < candidates.size(); ++c) {
      double squares = 0;
      for (std::size_t k = 0; k < mean.size(); ++k) {
        vectors_.row(c)[k] -= mean[k];
        squares += vectors_.row(c)[k] * vectors_.row(c)[k];
      }
      const double norm = std::sqrt(squares);
      for (double& value : vectors_.row(c)) value = norm > 0 ? value / norm : 0;
    }
  }

  double Of(std::size_t a, std::size_t b) const override {
    const std::span<const double> first = vectors_.row(a);
    const std::span<const double> second = vectors_.row(b);
    double sum = 0;
    for (std::size_t k = 0; k < first.size(); ++k) sum += first[k] * second[k];
    return sum;
  }

 private:
  DenseRows vectors_;
};

/// Genres by number, as they are met.
class GenreNumbers {
 public:
  explicit GenreNumbers(const Catalogue& catalogue) : data_(catalogue.data()) {}

  /// An item's; each once, ascending.
  std::vector<std::size_t> Of(RowId item) {
    const std::vector<std::string> genres =
        absl::StrSplit(data_.genres(item), '|', absl::SkipEmpty());
    std::vector<std::size_t> list;
    for (const std::string& genre : genres) {
      list.push_back(numbers_.try_emplace(genre, numbers_.size()).first->second);
    }
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
    return list;
  }

 private:
  const Dataset& data_;
  std::map<std::string, std::size_t> numbers_;
};

/// By candidate.
using GenreLists = std::vector<std::vector<std::size_t>>;

GenreLists GenresOf(const Catalogue& catalogue, std::span<const ScoredRow> candidates) {
  GenreNumbers numbers(catalogue);
  GenreLists lists;
  for (const ScoredRow& candidate : candidates) lists.push_back(numbers.Of(candidate.id));
  return lists;
}

/// The genres that two items share, of all that they have (Jaccard).
class GenreLikeness final : public Likeness {
 public:
  explicit GenreLikeness(const GenreLists& lists) : lists_(lists) {
    std::size_t genres = 0;
    for (const std::vector<std::size_t>& list : lists) {
      if (!list.empty()) genres = std::max(genres, list.back() + 1);
    }
    words_ = (genres + 63) / 64;
    bits_.resize(lists.size() * words_);
    for (std::size_t c = 0; c < lists.size(); ++c) {
      for (const std::size_t genre : lists[c]) {
        bits_[c * words_ + genre / 64] |= std::uint64_t{1} << genre % 64;
      }
    }
  }

  double Of(std::size_t a, std::size_t b) const override {
    std::size_t shared = 0;
    for (std::size_t w = 0; w < words_; ++w) {
      shared +=
          static_cast<std::size_t>(std::popcount(bits_[a * words_ + w] & bits_[b * words_ + w]));
    }
    const std::size_t all = lists_[a].size() + lists_[b].size() - shared;
    return all == 0 ? 0 : static_cast<double>(shared) / static_cast<double>(all);
  }

 private:
  const GenreLists& lists_;
  std::size_t words_ = 0;
  std::vector<std::uint64_t> bits_;  // By candidate: a bit for each genre.
};

/// How often a list may still take each genre.
class GenreCap {
 public:
  explicit GenreCap(std::optional<std::uint32_t> cap) : cap_(cap) {}

  /// Whether an item of these genres may be taken.
  bool Allows(const std::vector<std::size_t>& genres) {
    if (!cap_.has_value()) return true;
    return std::ranges::all_of(genres, [this](std::size_t genre) { return taken_[genre] < *cap_; });
  }
  void Take(const std::vector<std::size_t>& genres) {
    for (const std::size_t genre : genres) ++taken_[genre];
  }

 private:
  std::optional<std::uint32_t> cap_;
  std::map<std::size_t, std::uint32_t> taken_;  // By genre.
};

/// Scores by their mean and deviation, so that a strength means the same of whatever model; all 0 where
/// they are the same.
std::vector<double> Relevance(std::span<const ScoredRow> candidates) {
  const auto count = static_cast<double>(candidates.size());
  double mean = 0;
  for (const ScoredRow& candidate : candidates)
    mean += static_cast<double>(candidate.score) / count;
  double variance = 0;
  for (const ScoredRow& candidate : candidates) {
    const double away = static_cast<double>(candidate.score) - mean;
    variance += away * away / count;
  }
  const double unit = kDeviationsOfLikeness * std::sqrt(variance);
  std::vector<double> relevance;
  for (const ScoredRow& candidate : candidates) {
    const double away = static_cast<double>(candidate.score) - mean;
    relevance.push_back(unit > 0 ? away / unit : 0);
  }
  return relevance;
}

/// The first candidates that the cap allows: what is chosen place by place where only scores count, since
/// what it does not allow it never allows again.
std::vector<ScoredRow> FirstWithin(const Catalogue& catalogue,
                                   std::span<const ScoredRow> candidates, std::size_t top,
                                   GenreCap cap) {
  GenreNumbers numbers(catalogue);
  std::vector<ScoredRow> list;
  for (auto candidate = candidates.begin(); candidate != candidates.end() && list.size() < top;
       ++candidate) {
    const std::vector<std::size_t> genres = numbers.Of(candidate->id);
    if (!cap.Allows(genres)) continue;
    cap.Take(genres);
    list.push_back(*candidate);
  }
  return list;
}

constexpr std::size_t kNone = static_cast<std::size_t>(-1);

}  // namespace

std::size_t CandidatesFor(std::size_t top, const DiversityOptions& options) {
  if (!options.active()) return top;
  return top * (options.genre_cap.has_value() ? kCandidatesAPlaceCapped : kCandidatesAPlace);
}

std::vector<ScoredRow> Diversify(const ServedModel& model, const Catalogue& catalogue,
                                 std::span<const ScoredRow> candidates, std::size_t top,
                                 const DiversityOptions& options) {
  std::vector<ScoredRow> list;
  if (candidates.empty()) return list;
  GenreCap cap(options.genre_cap);
  if (options.strength == 0) return FirstWithin(catalogue, candidates, top, std::move(cap));
  const GenreLists genres = GenresOf(catalogue, candidates);
  std::unique_ptr<const Likeness> likeness;
  const bool has_genres =
      std::ranges::any_of(genres, [](const std::vector<std::size_t>& of) { return !of.empty(); });
  const LikenessOf wanted =
      options.likeness.value_or(has_genres ? LikenessOf::kGenres : LikenessOf::kVectors);
  if (wanted == LikenessOf::kVectors && model.items().dim() > 0) {
    likeness = std::make_unique<VectorLikeness>(model.items(), candidates);
  } else {
    likeness = std::make_unique<GenreLikeness>(genres);
  }
  const std::vector<double> relevance = Relevance(candidates);
  std::vector<double> likeness_sum(candidates.size());  // To the chosen items.
  std::vector<bool> gone(candidates.size());
  std::vector<std::size_t> chosen;
  while (chosen.size() < top) {
    std::size_t best = kNone;
    double best_value = 0;
    for (std::size_t c = 0; c < candidates.size(); ++c) {
      if (gone[c]) continue;
      if (!cap.Allows(genres[c])) {
        gone[c] = true;
        continue;
      }
      const double like = chosen.empty() ? 0 : likeness_sum[c] / static_cast<double>(chosen.size());
      const double value = (1 - options.strength) * relevance[c] - options.strength * like;
      if (best != kNone && !(value > best_value)) continue;
      best = c;
      best_value = value;
    }
    if (best == kNone) break;
    gone[best] = true;
    cap.Take(genres[best]);
    chosen.push_back(best);
    for (std::size_t c = 0; c < candidates.size(); ++c) {
      if (!gone[c]) likeness_sum[c] += likeness->Of(best, c);
    }
  }
  std::ranges::sort(chosen);
  for (const std::size_t c : chosen) list.push_back(candidates[c]);
  return list;
}

}  // namespace cf

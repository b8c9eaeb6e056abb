#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "common/model/top_list.h"
#include "serving/catalogue.h"
#include "serving/served_model.h"

namespace cf {

/// What makes two items alike.
enum class LikenessOf : std::uint8_t {
  kVectors,  ///< Where their vectors point, less what all candidates have in common,
  kGenres,   ///< or the genres that both have, of all that they have.
};

/// How much of its scores a list gives up so that its items differ.
struct DiversityOptions {
  /// From 0, where a list is of the highest scores, to 1, where after the first item only how
  /// different an item is counts.
  double strength = 0;
  /// Nothing: genres, where candidates have some, or else vectors, where the model has any.
  std::optional<LikenessOf> likeness = {};
  /// How many items of a genre a list holds at most; nothing: any number.
  std::optional<std::uint32_t> genre_cap = {};

  bool active() const { return strength > 0 || genre_cap.has_value(); }
};

/// How many candidates a list of `top` items is chosen from.
std::size_t CandidatesFor(std::size_t top, const DiversityOptions& options);

/// Chooses a list of at most `top` items, one after the other, by maximal marginal relevance (Carbonell
/// and Goldstein, 1998) with the mean for the largest likeness: of those that the cap still allows, the
/// one with the largest
///
///     (1 - strength) relevance - strength (mean likeness to the items that are chosen)
///
/// Relevance is how many times four deviations of the candidates' scores a score is above their mean;
/// likeness is the cosine of vectors, less the candidates' mean, or the share of genres. Ties go to
/// the candidate that comes first. The list is in the order of scores. Where the cap leaves too few,
/// it is shorter.
/// Requires: candidates in the order of lists.
std::vector<ScoredRow> Diversify(const ServedModel& model, const Catalogue& catalogue,
                                 std::span<const ScoredRow> candidates, std::size_t top,
                                 const DiversityOptions& options);

}  // namespace cf

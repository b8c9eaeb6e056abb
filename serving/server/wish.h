#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include <absl/status/status.h>

#include "serving/recommender.h"
#include "serving/server/endpoint.h"

namespace cf {

/// How long a list of items is where nobody says it.
inline constexpr std::size_t kItemsOfUser = 10;

/// What a request asks of lists of items.
struct Wish {
  std::size_t top = kItemsOfUser;
  Mask mask = Mask::kAll;
  std::shared_ptr<const ItemChoice> choice = {};
  bool fallback = false;
  DiversityOptions diversity = {};
  std::size_t because = 0;  ///< Reasons that each item names.

  ListOptions options() const {
    return {.top = top,
            .mask = mask,
            .choice = choice.get(),
            .fallback_popular = fallback,
            .diversity = diversity};
  }
  /// Whether the limits of varied lists hold.
  bool varied() const { return diversity.active() || because > 0; }
  /// The same for wishes that lists are the same for.
  auto key() const {
    return std::tuple(top, mask, choice.get(), fallback, diversity.strength, diversity.likeness,
                      diversity.genre_cap, because);
  }
};

/// Takes the arguments that all lists of items have, but for `genre`.
Wish TakeWish(Arguments& arguments, const EndpointLimits& limits);

/// Takes `genre`, of a request whose arguments are sound. InvalidArgument: there is no such genre.
absl::Status ChooseGenres(const LiveModel& model, const std::vector<std::string>& genres,
                          Wish& wish);

/// What a description says of all these arguments; `fallback` of what stands in.
std::vector<ArgumentNote> WishNotes(const EndpointLimits& limits, ArgumentNote::Place place,
                                    const std::string& fallback);

/// Why somebody has no list: nobody knows them, or the model has learned nothing of them.
absl::Status UnknownUser(const std::string& user);
absl::Status NothingLearned(const std::string& user);

}  // namespace cf

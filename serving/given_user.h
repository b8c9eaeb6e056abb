#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/base/ids.h"
#include "serving/catalogue.h"
#include "serving/row_loss.h"

namespace cf {

/// Somebody of whom ratings or clicks are given, whether or not the data set knows them.
struct GivenUser {
  std::string raw_user = {};            ///< Empty where nobody says who it is.
  std::optional<RowId> user = {};       ///< Where the data set knows them.
  std::vector<GivenRating> given = {};  ///< In the order in which it was given.

  /// Somebody known has their training ratings, too, and these first.
  std::vector<GivenRating> All(const Catalogue& catalogue) const;

  /// The items that `mask` leaves out of their list, ascending: of kNone none; else what they gave
  /// and what they have in the data set, as far as the mask says.
  std::vector<RowId> Own(const Catalogue& catalogue, Mask mask) const;

  /// Whether any of All() is of an item with a training sample: else a model learns nothing of them.
  bool TellsSomething(const Catalogue& catalogue) const;
};

/// The items that somebody likes, ascending: those with at least the mean of the ratings; with
/// `by_ratings` false all, since a click is no more or less than another. Of an item that is given
/// more than once the last counts.
std::vector<RowId> LikedItems(std::span<const GivenRating> given, bool by_ratings);

}  // namespace cf

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/base/ids.h"
#include "serving/catalogue.h"
#include "serving/served_model.h"

namespace cf {

/// What an answer rests on.
enum class Source : std::uint8_t {
  kModel,   ///< What the model has learned of the user and of the item.
  kFoldIn,  ///< What it has learned of the item, and the ratings that were given with the question.
  kPopular,   ///< How often everybody has rated the items.
  kItemMean,  ///< The mean training rating of the item,
  kUserMean,  ///< of the user,
  kMean,      ///< or of all.
  kNone,      ///< Nothing: there is no answer.
};

/// As lists and tables name it: "model", "fold_in", "popular", "item_mean", "user_mean", "mean", "none".
const char* NameOf(Source source);

/// Of which users and items a model has learned something. The row of one without a training sample
/// is still what was drawn for it before training, and a score that is made of it means nothing.
///
/// Owner:   Recommender; the catalogue outlives it.
/// Threads: any; constant.
/// Bounds:  a byte for each user and item, which are the catalogue's where that is of an export.
class Substance {
 public:
  Substance(const ServedModel& model, const Catalogue& catalogue);
  Substance(Substance&&) = default;
  Substance& operator=(Substance&&) = default;

  /// Whether the user has a training sample (a history is made of these, too), or lists are the same
  /// for everybody.
  bool OfUser(RowId user) const { return users_[Index(user)] != 0; }

  /// Whether the item has a training sample, or a feature that another item with one has, too (a
  /// genre).
  bool OfItem(RowId item) const { return items_[Index(item)] != 0; }

  /// What the model's own lists rest on: kModel, or kPopular where counting is all that it does.
  Source lists() const { return lists_; }

 private:
  std::vector<std::uint8_t> own_users_;
  std::vector<std::uint8_t> own_items_;
  std::span<const std::uint8_t> users_;  // Of these, or of the catalogue.
  std::span<const std::uint8_t> items_;
  Source lists_ = Source::kModel;
};

}  // namespace cf

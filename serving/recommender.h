#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/base/ids.h"
#include "common/model/top_list.h"
#include "serving/catalogue.h"
#include "serving/diversity.h"
#include "serving/item_choice.h"
#include "serving/item_sieve.h"
#include "serving/served_model.h"
#include "serving/substance.h"

namespace cf {

/// What may be in a list of items.
struct ListOptions {
  std::size_t top = 10;  ///< Its length at most.
  /// Items with fewer training ratings are left out; nothing: those of which the model has learned
  /// nothing (Substance). With 0 there may be such, too.
  std::optional<std::uint32_t> min_ratings = {};
  Mask mask = Mask::kAll;              ///< Which of the user's own items are left out.
  const ItemChoice* choice = nullptr;  ///< What else decides; null: nothing. Borrowed.
  /// Whether a user of whom the model has learned nothing gets the most rated items.
  bool fallback_popular = false;
  /// Of lists by the model; those by popularity are what they are.
  DiversityOptions diversity = {};
};

/// A list of items, the best first, and what it rests on. With kModel and kFoldIn the scores are raw
/// sums (ServedModel::RawScore), with kPopular numbers of training ratings; with kNone it is empty.
struct ItemList {
  Source source = Source::kNone;
  std::vector<ScoredRow> items;

  bool operator==(const ItemList&) const = default;

  /// Whether the model scores all of several items alike, so that their order is only that of ids:
  /// how often they are rated.
  bool all_alike() const {
    return (source == Source::kModel || source == Source::kFoldIn) && items.size() > 1 &&
           items.front().score == items.back().score;
  }
};

/// Lists for many users.
struct ManyUsersOptions {
  ListOptions list;
  unsigned threads = 0;  ///< 0: as many as the machine has.
};

/// Takes the list of a user. An error ends the search and is returned.
using ListVisitor = std::function<absl::Status(RowId user, const ItemList& list)>;

/// Finds the best rows of a model by scoring all of them. Lists of items for a user and of users
/// for an item are ranked by raw sums (ServedModel::RawScore; ranking by the predicted rating would
/// be the same, since the links are monotonic).
///
/// Owner:   whoever made it; the model and the catalogue outlive it.
/// Threads: any; calls do not disturb each other, and set the float mode of the calling thread.
/// Bounds:  an ItemSieve; a call holds its list and one tile of scores; ForAllUsers a list for each
///          of a few thousand users.
class Recommender {
 public:
  /// FailedPrecondition: model and catalogue have different numbers of rows.
  static absl::StatusOr<Recommender> Make(const ServedModel& model, const Catalogue& catalogue);

  /// The items with the highest raw sums for `user`. Where the model has learned nothing of the
  /// user, the most rated items if they are asked for, else none.
  ItemList TopItems(RowId user, const ListOptions& options) const;

  /// The same for a user who is in no table, but for the items that are `left_out`, ascending: those
  /// that the mask leaves out, and whatever else. What `choice` says of single users is nobody's here.
  ItemList TopItems(const UserRow& user, std::span<const RowId> left_out,
                    const ListOptions& options) const;

  /// The best of `candidates`, ascending, for a user who is in no table; of `options` the length and
  /// the diversity count. Takes no longer for all that is not among them.
  ItemList BestOf(const UserRow& user, std::span<const RowId> candidates,
                  const ListOptions& options) const;

  /// The items with the most training ratings, but for those of nobody: what to show to somebody
  /// unknown.
  ItemList PopularItems(const ListOptions& options) const;

  /// The users with the highest raw sums, among those of whom the model has learned something, but
  /// for those whose list leaves `item` out (`mask` and `choice`). Empty if the model has learned
  /// nothing of the item.
  std::vector<ScoredRow> TopUsers(RowId item, const ListOptions& options) const;

  /// The items whose vectors have the highest cosine with that of `item`, itself left out; a vector
  /// of zeros has the cosine 0 with every other. FailedPrecondition: the model has no vectors, or
  /// has learned nothing of the item.
  absl::StatusOr<std::vector<ScoredRow>> SimilarItems(RowId item, const ListOptions& options) const;

  /// Of `among`, ascending, the items whose vectors have the highest cosine with that of `item`, where
  /// it is above 0: what somebody who likes these may like it for. Without the item itself and those
  /// of which the model has learned nothing; none where the model has no vectors.
  std::vector<ScoredRow> NearestAmong(RowId item, std::span<const RowId> among,
                                      std::size_t top) const;

  /// The same for users, of those of whom the model has learned something.
  absl::StatusOr<std::vector<ScoredRow>> SimilarUsers(RowId user, std::size_t top) const;

  /// Calls `visit` on the calling thread with TopItems of each of `users`, in their order.
  absl::Status ForUsers(std::span<const RowId> users, const ManyUsersOptions& options,
                        const ListVisitor& visit) const;
  /// The same for all users, by ascending id.
  absl::Status ForAllUsers(const ManyUsersOptions& options, const ListVisitor& visit) const;

  const Substance& substance() const { return substance_; }
  /// What a place of a list rests on: that of the list, or nothing, where options let in an item of
  /// which the model has learned nothing.
  Source SourceOf(const ItemList& list, RowId item) const {
    return substance_.OfItem(item) ? list.source : Source::kNone;
  }

 private:
  Recommender(const ServedModel& model, const Catalogue& catalogue);

  bool Allows(RowId item, const ListOptions& options) const;
  bool Allows(RowId user, RowId item, const ListOptions& options) const;
  template <class Allowed>
  std::vector<ScoredRow> MostAlike(const WeightTable& table, RowId row, std::size_t top,
                                   const Allowed& allowed) const;
  template <class Allowed>
  ItemList MostRated(std::size_t top, const Allowed& allowed) const;
  ItemList PopularFor(RowId user, const ListOptions& options) const;
  // What lists for somebody who is in no table rest on.
  Source FoldInSource() const;
  ItemList TopCandidates(RowId user, const ListOptions& options,
                         ServedModel::Workspace& workspace) const;
  ItemList ListOf(TopList& candidates, Source source, const ListOptions& options) const;
  template <class Score, class Allowed>
  void OfferTile(std::uint32_t first, const std::optional<ItemSieve::Query>& query, TopList& top,
                 const Score& score, const Allowed& allowed) const;
  std::optional<ItemSieve::Query> QueryOf(const float* vector, float bias) const;
  void AddTile(std::uint32_t first) const;
  void ListUsers(std::span<const RowId> users, std::span<ItemList> lists,
                 const ListOptions& options, ServedModel::Workspace& workspace) const;

  const ServedModel* model_;
  const Catalogue* catalogue_;
  Substance substance_;
  // Of lists of items; null where the model's raw sums are no dot products. Its tiles are made by
  // whoever first scores them.
  std::unique_ptr<ItemSieve> sieve_;
};

}  // namespace cf

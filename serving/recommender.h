#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include <absl/status/status.h>

#include "common/base/ids.h"
#include "common/model/top_list.h"
#include "serving/catalogue.h"
#include "serving/served_model.h"

namespace cf {

/// What may be in a list of items.
struct ListOptions {
  std::size_t top = 10;           ///< Its length at most.
  std::uint32_t min_ratings = 0;  ///< Items with fewer training ratings are left out.
};

/// A list for each of all users.
struct AllUsersOptions {
  ListOptions list;
  unsigned threads = 0;  ///< 0: as many as the machine has.
};

/// Takes the list of a user. An error ends the search and is returned.
using ListVisitor = std::function<absl::Status(RowId user, std::span<const ScoredRow> items)>;

/// Finds the best rows of a model by scoring all of them. Lists of items for a user and of users
/// for an item hold raw sums (ServedModel::RawScore; ranking by the predicted rating would be the
/// same, since the links are monotonic) and never a pair that is in the data set.
///
/// Owner:   whoever made it; the model and the catalogue outlive it.
/// Threads: any; calls do not disturb each other, and set the float mode of the calling thread.
/// Bounds:  a call holds its list and one tile of scores; ForAllUsers a list for each of a few
///          thousand users.
class Recommender {
 public:
  /// FailedPrecondition: model and catalogue have different numbers of rows.
  static absl::StatusOr<Recommender> Make(const ServedModel& model, const Catalogue& catalogue);

  /// The items with the highest raw sums among those that `user` has not seen.
  std::vector<ScoredRow> TopItems(RowId user, const ListOptions& options) const;

  /// The users with the highest raw sums among those who have not seen `item`.
  std::vector<ScoredRow> TopUsers(RowId item, std::size_t top) const;

  /// The items whose vectors have the highest cosine with that of `item`, itself left out; a vector
  /// of zeros has the cosine 0 with every other.
  std::vector<ScoredRow> SimilarItems(RowId item, const ListOptions& options) const;

  /// The items with the most training ratings: what to show to somebody unknown. The scores are
  /// these numbers.
  std::vector<ScoredRow> PopularItems(std::size_t top) const;

  /// Calls `visit` on the calling thread with TopItems of every user, by ascending id.
  absl::Status ForAllUsers(const AllUsersOptions& options, const ListVisitor& visit) const;

 private:
  Recommender(const ServedModel& model, const Catalogue& catalogue)
      : model_(&model), catalogue_(&catalogue) {}

  void OfferItems(RowId user, std::uint32_t first_item, std::span<const float> raw,
                  std::uint32_t min_ratings, TopList& list) const;
  void ListUsers(std::uint32_t first_user, std::span<std::vector<ScoredRow>> lists,
                 const ListOptions& options, ServedModel::Workspace& workspace) const;

  const ServedModel* model_;
  const Catalogue* catalogue_;
};

}  // namespace cf

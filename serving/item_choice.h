#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/base/ids.h"
#include "common/dataset/dataset.h"

namespace cf {

/// Items that are named for everybody, and items that are named for single users.
struct NamedItems {
  std::vector<RowId> for_all = {};
  std::vector<UserItem> for_users = {};
};

/// Which items lists may hold, whatever the model says of them: those with one of some genres, but
/// for those that are excluded, and of candidates, where there are any, only these.
///
/// Owner:      whoever asks for lists.
/// Threads:    any; constant.
/// Bounds:     a bit for each item; the pairs that are named.
/// Invariants: pairs are in order, each once.
class ItemChoice {
 public:
  struct Options {
    std::vector<std::string> genres = {};  ///< As FindGenre returns them; none: any, or no genre.
    NamedItems excluded = {};
    std::optional<NamedItems> candidates = {};
  };
  ItemChoice(const Dataset& data, Options options);

  /// Whether somebody's list may hold the item.
  bool Allows(RowId item) const { return allowed_[Index(item)]; }
  /// The same for this user, as far as candidates do not name single users.
  bool Allows(RowId user, RowId item) const;

  /// Whether candidates name single users; then lists are made of CandidatesOf() alone.
  bool names_users() const { return !candidates_.empty(); }
  /// The user's own candidates, by ascending item.
  std::span<const UserItem> CandidatesOf(RowId user) const;
  /// Whom candidates name, ascending, each once.
  std::vector<RowId> Users() const;

 private:
  std::vector<bool> allowed_;
  std::vector<UserItem> excluded_;
  std::vector<UserItem> candidates_;
};

}  // namespace cf

#include "serving/item_choice.h"

#include <algorithm>
#include <utility>

#include "serving/lookup.h"

namespace cf {
namespace {

std::vector<UserItem> InOrder(std::vector<UserItem> pairs) {
  std::sort(pairs.begin(), pairs.end());
  pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
  return pairs;
}

}  // namespace

ItemChoice::ItemChoice(const Dataset& data, Options options)
    : allowed_(data.items(), !options.candidates.has_value()),
      excluded_(InOrder(std::move(options.excluded.for_users))) {
  if (options.candidates.has_value()) {
    for (const RowId item : options.candidates->for_all) allowed_[Index(item)] = true;
    for (const UserItem& pair : options.candidates->for_users) allowed_[Index(pair.item)] = true;
    candidates_ = InOrder(std::move(options.candidates->for_users));
  }
  for (const RowId item : options.excluded.for_all) allowed_[Index(item)] = false;
  if (options.genres.empty()) return;
  for (std::uint32_t k = 0; k < allowed_.size(); ++k) {
    allowed_[k] = allowed_[k] && std::any_of(options.genres.begin(), options.genres.end(),
                                             [&](const std::string& genre) {
                                               return HasGenre(data, RowId{k}, genre);
                                             });
  }
}

bool ItemChoice::Allows(RowId user, RowId item) const {
  return Allows(item) && !std::binary_search(excluded_.begin(), excluded_.end(),
                                             UserItem{.user = user, .item = item});
}

std::span<const UserItem> ItemChoice::CandidatesOf(RowId user) const {
  const auto [first, last] =
      std::equal_range(candidates_.begin(), candidates_.end(), UserItem{.user = user, .item = {}},
                       [](const UserItem& a, const UserItem& b) { return a.user < b.user; });
  return {first, last};
}

std::vector<RowId> ItemChoice::Users() const {
  std::vector<RowId> users;
  for (const UserItem& pair : candidates_) {
    if (users.empty() || users.back() != pair.user) users.push_back(pair.user);
  }
  return users;
}

}  // namespace cf

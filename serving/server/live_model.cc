#include "serving/server/live_model.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <span>
#include <sys/stat.h>
#include <utility>

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>

#include "serving/lookup.h"

namespace cf {
namespace {

// Choices of items that are kept: all single genres, and some of several.
constexpr std::size_t kChoicesMax = 64;

// How often an export is opened that another one has replaced meanwhile.
constexpr int kTriesMax = 5;

std::string Lower(std::string text) {
  absl::AsciiStrToLower(&text);
  return text;
}

// What the first of two models is asked for: lists are made different by the one that ranks.
ListOptions Proposals(ListOptions options, std::size_t proposed) {
  options.top = std::max(proposed, options.top);
  options.diversity = {};
  return options;
}

/// Which file is at a path, with where links lead to; another text once that has been swapped.
std::string WhatIsAt(const std::string& path) {
  std::error_code error;
  const std::string place = std::filesystem::weakly_canonical(path, error);
  struct stat is = {};
  if (::stat(path.c_str(), &is) != 0) return place;
  return absl::StrCat(place, " ", is.st_dev, " ", is.st_ino, " ", is.st_mtim.tv_sec, " ",
                      is.st_mtim.tv_nsec);
}

}  // namespace

absl::StatusOr<LiveModel::Named> LiveModel::OpenNamed(const OpenModel::Options& options) {
  absl::StatusOr<std::unique_ptr<OpenModel>> open = OpenModel::Open(options);
  for (int tries = 1; absl::IsUnavailable(open.status()) && tries < kTriesMax; ++tries) {
    open = OpenModel::Open(options);
  }
  if (!open.ok()) return open.status();
  absl::StatusOr<std::string> digest = (*open)->Digest();
  if (!digest.ok()) return digest.status();
  const std::string version = (*open)->manifest().name();
  return Named{.open = *std::move(open),
               .name = {.digest = *std::move(digest), .version = version}};
}

absl::StatusOr<std::shared_ptr<const LiveModel>> LiveModel::Open(const ServedPaths& paths) {
  absl::StatusOr<Named> model = OpenNamed(paths.model);
  if (!model.ok()) return model.status();
  if (paths.rank.snapshot.empty()) {
    return std::shared_ptr<const LiveModel>(new LiveModel(*std::move(model), Named()));
  }
  absl::StatusOr<Named> rank = OpenNamed(paths.rank);
  if (!rank.ok()) return rank.status();
  if (rank->open->data().digest() != model->open->data().digest()) {
    return absl::FailedPreconditionError(
        absl::StrCat(paths.rank.snapshot, " is of another data set than ", paths.model.snapshot,
                     ", so it cannot rank what that proposes"));
  }
  return std::shared_ptr<const LiveModel>(new LiveModel(*std::move(model), *std::move(rank)));
}

LiveModel::LiveModel(Named model, Named rank)
    : open_(std::move(model.open)),
      name_(std::move(model.name)),
      rank_(std::move(rank.open)),
      rank_name_(std::move(rank.name)) {
  std::set<std::string> joined;
  for (std::uint32_t k = 0; k < open_->data().items(); ++k) {
    joined.insert(open_->data().genres(RowId{k}));
  }
  for (const std::string& genres : joined) {
    for (const auto& genre : absl::StrSplit(genres, '|', absl::SkipEmpty())) {
      genres_.emplace(Lower(std::string(genre)), std::string(genre));
    }
  }
}

absl::StatusOr<std::shared_ptr<const ItemChoice>> LiveModel::OfGenres(
    const std::vector<std::string>& genres) const {
  if (genres.empty()) return nullptr;
  std::vector<std::string> names;
  for (const std::string& genre : genres) {
    const auto found = genres_.find(Lower(genre));
    if (found == genres_.end()) return FindGenre(open_->data(), genre).status();
    names.push_back(found->second);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  {
    const std::scoped_lock lock(mutex_);
    const auto made = choices_.find(names);
    if (made != choices_.end()) return made->second;
  }
  auto choice =
      std::make_shared<const ItemChoice>(open_->data(), ItemChoice::Options{.genres = names});
  const std::scoped_lock lock(mutex_);
  if (choices_.size() < kChoicesMax) choices_.emplace(std::move(names), choice);
  return choice;
}

const OpenModel* LiveModel::rated() const {
  if (scoring().model().spec().predicts_ratings()) return &scoring();
  return open_->model().spec().predicts_ratings() ? open_.get() : nullptr;
}

absl::Status LiveModel::CanFoldIn() const {
  absl::Status possible = FoldIn::Possible(open_->model(), open_->catalogue());
  if (rank_ != nullptr) possible.Update(FoldIn::Possible(rank_->model(), rank_->catalogue()));
  return possible;
}

absl::StatusOr<UserRow> LiveModel::FoldInOf::Solve(const OpenModel& open,
                                                   const GivenUser& user) const {
  std::call_once(once_, [&] { made_.emplace(FoldIn::Make(open.model(), open.catalogue())); });
  if (!made_->ok()) return made_->status();
  return (*made_)->Solve(user.All(open.catalogue()));
}

absl::StatusOr<ItemList> LiveModel::ForGiven(const GivenUser& user, const ListOptions& options,
                                             std::size_t proposed) const {
  const absl::StatusOr<UserRow> row = fold_in_.Solve(*open_, user);
  if (!row.ok()) return row.status();
  const std::vector<RowId> own = user.Own(open_->catalogue(), options.mask);
  if (rank_ == nullptr) return open_->recommender().TopItems(*row, own, options);
  const absl::StatusOr<UserRow> rank_row = rank_fold_in_.Solve(*rank_, user);
  if (!rank_row.ok()) return rank_row.status();
  const ItemList list = open_->recommender().TopItems(*row, own, Proposals(options, proposed));
  std::vector<RowId> candidates;
  for (const ScoredRow& proposal : list.items) candidates.push_back(proposal.id);
  std::sort(candidates.begin(), candidates.end());
  return rank_->recommender().BestOf(*rank_row, candidates, options);
}

absl::Status LiveModel::ForUsers(std::span<const RowId> users, const ManyUsersOptions& options,
                                 std::size_t proposed, const ListVisitor& visit) const {
  if (rank_ == nullptr) return open_->recommender().ForUsers(users, options, visit);
  ManyUsersOptions proposals = options;
  proposals.list = Proposals(options.list, proposed);
  std::vector<ItemList> lists;
  ItemChoice::Options rules{.candidates = NamedItems()};
  const absl::Status made =
      open_->recommender().ForUsers(users, proposals, [&](RowId user, const ItemList& list) {
        if (list.source == open_->substance().lists()) {
          for (const ScoredRow& row : list.items) {
            rules.candidates->for_users.push_back({.user = user, .item = row.id});
          }
        }
        lists.push_back(list);
        return absl::OkStatus();
      });
  if (!made.ok()) return made;
  const ItemChoice choice(rank_->data(), std::move(rules));
  const ManyUsersOptions ranking = {.list = {.top = options.list.top,
                                             .min_ratings = 0,
                                             .mask = Mask::kNone,
                                             .choice = &choice,
                                             .diversity = options.list.diversity},
                                    .threads = options.threads};
  std::size_t next = 0;
  return rank_->recommender().ForUsers(users, ranking, [&](RowId user, const ItemList& list) {
    ItemList& first = lists[next++];
    if (first.source == open_->substance().lists()) return visit(user, list);
    first.items.resize(std::min(first.items.size(), options.list.top));
    return visit(user, first);
  });
}

Prediction LiveModel::PredictOrFallBack(std::optional<RowId> user,
                                        std::optional<RowId> item) const {
  const std::scoped_lock lock(mutex_);
  if (!fallback_.has_value()) {
    fallback_.emplace(scoring().model(), scoring().catalogue(), scoring().substance(), true);
  }
  return fallback_->Predict(user, item);
}

std::string ModelKeeper::WhatIsThere() const {
  const std::string& rank = paths_.rank.snapshot;
  return absl::StrCat(WhatIsAt(paths_.model.snapshot), "\n", rank.empty() ? "" : WhatIsAt(rank));
}

absl::Status ModelKeeper::Open() {
  std::string found = WhatIsThere();
  absl::StatusOr<std::shared_ptr<const LiveModel>> model = LiveModel::Open(paths_);
  std::shared_ptr<const LiveModel> old;  // Freed where nobody waits for the lock.
  const std::scoped_lock lock(mutex_);
  found_ = std::move(found);
  if (!model.ok()) {
    ++failed_;
    return model.status();
  }
  ++opened_;
  old = std::exchange(current_, *std::move(model));
  return absl::OkStatus();
}

bool ModelKeeper::HasMoved() const {
  const std::string now = WhatIsThere();
  const std::scoped_lock lock(mutex_);
  return now != found_;
}

std::shared_ptr<const LiveModel> ModelKeeper::Current() const {
  const std::scoped_lock lock(mutex_);
  return current_;
}

std::uint64_t ModelKeeper::opened() const {
  const std::scoped_lock lock(mutex_);
  return opened_;
}

std::uint64_t ModelKeeper::failed() const {
  const std::scoped_lock lock(mutex_);
  return failed_;
}

}  // namespace cf

#include "serving/server/list_endpoints.h"

#include <map>
#include <memory>
#include <optional>
#include <utility>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include "common/kernels/kernels.h"
#include "serving/server/posted_lists.h"
#include "serving/server/wish.h"

namespace cf {
namespace {

using Place = ArgumentNote::Place;

constexpr std::size_t kUsersOfItem = 1000;

// Requests that one pass over the items serves. With 64 floats a user their vectors take 8 KiB, which
// stay in the first-level cache beside the items that go by.
constexpr std::size_t kBundleMax = 32;

std::string ListAnswer(const LiveModel& model, const std::string& user, const ItemList& list,
                       const Reasons& reasons) {
  JsonWriter json;
  json.BeginObject();
  json.Member("user", user);
  WriteItems(model, list, reasons, json);
  json.Member("source", NameOf(list.source));
  WriteModel(model, json);
  json.EndObject();
  return json.Take();
}

/// Answers requests for one user each, those that ask for the same kind of list in one pass.
class UserLists {
 public:
  UserLists(const ModelKeeper& keeper, const EndpointLimits& limits, BundleFigures* figures)
      : keeper_(keeper), limits_(limits), figures_(figures) {}

  void operator()(std::span<HttpExchange* const> bundle) const {
    SetFloatMode();
    const std::shared_ptr<const LiveModel> model = keeper_.Current();
    std::map<decltype(Wish().key()), Group> groups;
    for (HttpExchange* exchange : bundle) {
      absl::Status read = absl::UnavailableError("no model has been opened yet");
      if (model != nullptr) read = Read(*model, *exchange, groups);
      if (!read.ok()) exchange->response = Refusal(read);
    }
    for (const auto& [key, group] : groups) Answer(*model, group);
    figures_->bundles.fetch_add(1, std::memory_order_relaxed);
    figures_->requests.fetch_add(bundle.size(), std::memory_order_relaxed);
  }

 private:
  struct Group {
    Wish wish;
    std::vector<RowId> users;
    std::vector<HttpExchange*> exchanges;
  };

  absl::Status Read(const LiveModel& model, HttpExchange& exchange,
                    std::map<decltype(Wish().key()), Group>& groups) const {
    Arguments arguments = Arguments::OfQuery(exchange.request.target.query);
    Wish wish = TakeWish(arguments, limits_);
    const std::vector<std::string> genres = arguments.Texts("genre");
    if (absl::Status sound = arguments.Finish(); !sound.ok()) return sound;
    if (absl::Status chosen = ChooseGenres(model, genres, wish); !chosen.ok()) return chosen;
    const std::string& raw = exchange.parameters[0];
    const std::optional<RowId> user = model.open().data().FindUser(raw);
    if (!user.has_value()) {
      if (!wish.fallback) return UnknownUser(raw);
      exchange.response.body =
          ListAnswer(model, raw, model.open().recommender().PopularItems(wish.options()), {});
      return absl::OkStatus();
    }
    Group& group = groups[wish.key()];
    group.wish = std::move(wish);
    group.users.push_back(*user);
    group.exchanges.push_back(&exchange);
    return absl::OkStatus();
  }

  void Answer(const LiveModel& model, const Group& group) const {
    std::size_t next = 0;
    const absl::Status visited = model.ForUsers(
        group.users, {.list = group.wish.options(), .threads = 1}, limits_.proposed,
        [&](RowId user, const ItemList& list) {
          HttpExchange& exchange = *group.exchanges[next++];
          const std::string& raw = exchange.parameters[0];
          if (list.source == Source::kNone) {
            exchange.response = Refusal(NothingLearned(raw));
          } else {
            const Reasons reasons = ReasonsOf(model, {.user = user}, group.wish.because);
            exchange.response.body = ListAnswer(model, raw, list, reasons);
          }
          return absl::OkStatus();
        });
    for (; !visited.ok() && next < group.exchanges.size(); ++next) {
      group.exchanges[next]->response = Refusal(visited);
    }
  }

  const ModelKeeper& keeper_;
  const EndpointLimits limits_;
  BundleFigures* const figures_;
};

absl::StatusOr<std::string> UsersOfItem(const LiveModel& model, const EndpointLimits& limits,
                                        const HttpExchange& exchange) {
  Arguments arguments = Arguments::OfQuery(exchange.request.target.query);
  const std::size_t top = arguments.Count("k", kUsersOfItem, limits.users_max);
  const Mask mask = TakeMask(arguments);
  if (absl::Status sound = arguments.Finish(); !sound.ok()) return sound;
  const absl::StatusOr<RowId> item = FindItem(model, exchange.parameters[0]);
  if (!item.ok()) return item.status();
  const OpenModel& open = model.open();
  if (!open.substance().OfItem(*item)) {
    return absl::FailedPreconditionError(
        absl::StrCat("item '", exchange.parameters[0],
                     "' has no training sample, so a list of users would rest on nothing"));
  }
  if (open.model().spec().counts_items()) {
    return absl::FailedPreconditionError(
        "the model counts ratings of items, so it has no users that an item is better for");
  }
  std::vector<ScoredRow> users = open.recommender().TopUsers(*item, {.top = top, .mask = mask});
  for (ScoredRow& row : users) row.score = PredictedRating(open.model().objective(), row.score);
  JsonWriter json;
  json.BeginObject();
  json.Member("item", exchange.parameters[0]);
  json.Member("title", open.data().title(*item));
  WriteUsers(model, users, json);
  WriteModel(model, json);
  json.EndObject();
  return json.Take();
}

}  // namespace

std::vector<HttpEndpoint> ListEndpoints(const ModelKeeper& keeper, const EndpointLimits& limits,
                                        BundleFigures* figures) {
  std::vector<ArgumentNote> arguments =
      WishNotes(limits, Place::kQuery,
                "What a user gets whom the model does not know: the most rated items.");
  arguments.insert(arguments.begin(), UserInPath());
  std::vector<HttpEndpoint> endpoints;
  endpoints.push_back({.route = {.method = "GET",
                                 .pattern = "/v1/users/{id}/recommendations",
                                 .handle = UserLists(keeper, limits, figures),
                                 .bundle_max = kBundleMax},
                       .name = "recommendForUser",
                       .what = "The items that the model recommends to a user.",
                       .arguments = std::move(arguments),
                       .answer = "ItemList",
                       .refusals = {404}});
  endpoints.push_back(PostedLists(keeper, limits));
  endpoints.push_back(
      {.route = {.method = "GET",
                 .pattern = "/v1/items/{id}/users",
                 .handle = OneByOne(keeper,
                                    [limits](const LiveModel& model, const HttpExchange& exchange) {
                                      return UsersOfItem(model, limits, exchange);
                                    })},
       .name = "usersForItem",
       .what =
           "The users to show an item to: those whom the model predicts the highest scores for.",
       .arguments = {ItemInPath(), CountNote(kUsersOfItem, limits.users_max, Place::kQuery),
                     MaskNote(Place::kQuery)},
       .answer = "UsersOfItem",
       .refusals = {404, 409}});
  return endpoints;
}

}  // namespace cf

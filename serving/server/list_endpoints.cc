#include "serving/server/list_endpoints.h"

#include <map>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include "common/kernels/kernels.h"
#include "serving/item_choice.h"

namespace cf {
namespace {

using Place = ArgumentNote::Place;
using Type = ArgumentNote::Type;

constexpr std::size_t kUsersOfItem = 1000;
constexpr std::size_t kItemsOfUser = 10;

// Requests that one pass over the items serves. With 64 floats a user their vectors take 8 KiB, which
// stay in the first-level cache beside the items that go by.
constexpr std::size_t kBundleMax = 32;

// From so many users on, a request's lists are made by all threads.
constexpr std::size_t kUsersOfThread = 64;

/// What a request asks of lists of items.
struct Wish {
  std::size_t top = 0;
  Mask mask = Mask::kAll;
  std::shared_ptr<const ItemChoice> choice;
  bool fallback = false;

  ListOptions options() const {
    return {.top = top, .mask = mask, .choice = choice.get(), .fallback_popular = fallback};
  }
  auto key() const { return std::tuple(top, mask, choice.get(), fallback); }
};

// The arguments that all lists of items have, but for genres.
Wish TakeWish(Arguments& arguments, const EndpointLimits& limits) {
  Wish wish;
  wish.top = arguments.Count("k", kItemsOfUser, limits.list_max);
  wish.mask = TakeMask(arguments);
  wish.fallback = arguments.Word("fallback", {"popular"}).has_value();
  return wish;
}

// A genre that there is not is a mistake in the request, wherever the error comes from.
absl::Status WrongGenre(const absl::Status& status) {
  return absl::InvalidArgumentError(std::string(status.message()));
}

std::string ListAnswer(const LiveModel& model, const std::string& user, const ItemList& list) {
  JsonWriter json;
  json.BeginObject();
  json.Member("user", user);
  WriteItems(model, list, json);
  json.Member("source", NameOf(list.source));
  WriteModel(model, json);
  json.EndObject();
  return json.Take();
}

absl::Status NothingLearned(const std::string& user) {
  return absl::NotFoundError(absl::StrCat(
      "user '", user, "' has no training sample; fallback=popular gives the most rated items"));
}

absl::Status Unknown(const std::string& user) {
  return absl::NotFoundError(
      absl::StrCat("no user '", user, "'; fallback=popular gives the most rated items"));
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
    absl::StatusOr<std::shared_ptr<const ItemChoice>> choice = model.OfGenres(genres);
    if (!choice.ok()) return WrongGenre(choice.status());
    wish.choice = *std::move(choice);
    const std::string& raw = exchange.parameters[0];
    const std::optional<RowId> user = model.open().data().FindUser(raw);
    if (!user.has_value()) {
      if (!wish.fallback) return Unknown(raw);
      exchange.response.body =
          ListAnswer(model, raw, model.open().recommender().PopularItems(wish.options()));
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
    const absl::Status visited =
        model.ForUsers(group.users, {.list = group.wish.options(), .threads = 1}, limits_.proposed,
                       [&](RowId, const ItemList& list) {
                         HttpExchange& exchange = *group.exchanges[next++];
                         const std::string& raw = exchange.parameters[0];
                         if (list.source == Source::kNone) {
                           exchange.response = Refusal(NothingLearned(raw));
                         } else {
                           exchange.response.body = ListAnswer(model, raw, list);
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

/// The items of these raw ids; those that nobody knows go to `unknown`.
std::vector<RowId> KnownItems(const LiveModel& model, const std::vector<std::string>& raw_ids,
                              std::vector<std::string>& unknown) {
  std::vector<RowId> items;
  for (const std::string& raw : raw_ids) {
    const std::optional<RowId> item = model.open().data().FindItem(raw);
    if (item.has_value()) {
      items.push_back(*item);
    } else {
      unknown.push_back(raw);
    }
  }
  return items;
}

/// A request of POST /v1/recommendations.
struct ManyWish {
  Wish wish;
  std::vector<std::string> users;
  std::vector<std::string> unknown_items;
};

absl::StatusOr<ManyWish> ReadManyWish(const LiveModel& model, const EndpointLimits& limits,
                                      const std::string& body) {
  absl::StatusOr<Arguments> arguments = Arguments::OfBody(body);
  if (!arguments.ok()) return arguments.status();
  ManyWish many;
  many.wish = TakeWish(*arguments, limits);
  many.users = arguments->Texts("users");
  const std::vector<std::string> genres = arguments->Texts("genre");
  const bool has_candidates = arguments->Has("candidates");
  const std::vector<std::string> candidates = arguments->Texts("candidates");
  const std::vector<std::string> excluded = arguments->Texts("exclude");
  if (absl::Status sound = arguments->Finish(); !sound.ok()) return sound;
  if (many.users.empty() || many.users.size() > limits.many_users_max) {
    return absl::InvalidArgumentError(
        absl::StrCat("'users' is a list of 1 to ", limits.many_users_max, " users"));
  }
  absl::StatusOr<std::shared_ptr<const ItemChoice>> of_genres = model.OfGenres(genres);
  if (!of_genres.ok()) return WrongGenre(of_genres.status());
  many.wish.choice = *std::move(of_genres);
  if (!has_candidates && excluded.empty()) return many;
  ItemChoice::Options rules;
  for (std::uint32_t k = 0; many.wish.choice != nullptr && k < model.open().data().items(); ++k) {
    if (!many.wish.choice->Allows(RowId{k})) rules.excluded.for_all.push_back(RowId{k});
  }
  for (const RowId item : KnownItems(model, excluded, many.unknown_items)) {
    rules.excluded.for_all.push_back(item);
  }
  if (has_candidates) {
    rules.candidates.emplace();
    rules.candidates->for_all = KnownItems(model, candidates, many.unknown_items);
  }
  many.wish.choice = std::make_shared<const ItemChoice>(model.open().data(), std::move(rules));
  return many;
}

void WriteListOfMany(const LiveModel& model, const std::string& user, const ItemList& list,
                     const absl::Status& refused, JsonWriter& json) {
  json.BeginObject();
  json.Member("user", user);
  WriteItems(model, list, json);
  json.Member("source", NameOf(list.source));
  if (list.source == Source::kNone) json.Member("error", std::string(refused.message()));
  json.EndObject();
}

absl::StatusOr<std::string> ListsOfMany(const LiveModel& model, const EndpointLimits& limits,
                                        const HttpExchange& exchange) {
  const absl::StatusOr<ManyWish> many = ReadManyWish(model, limits, exchange.request.body);
  if (!many.ok()) return many.status();
  const Recommender& recommender = model.open().recommender();
  std::vector<std::optional<RowId>> asked;
  std::vector<RowId> known;
  for (const std::string& raw : many->users) {
    asked.push_back(model.open().data().FindUser(raw));
    if (asked.back().has_value()) known.push_back(*asked.back());
  }
  std::vector<ItemList> lists;
  const unsigned threads = known.size() < kUsersOfThread ? 1 : limits.threads;
  const absl::Status made =
      model.ForUsers(known, {.list = many->wish.options(), .threads = threads}, limits.proposed,
                     [&lists](RowId, const ItemList& list) {
                       lists.push_back(list);
                       return absl::OkStatus();
                     });
  if (!made.ok()) return made;
  const ItemList popular = many->wish.fallback && known.size() < asked.size()
                               ? recommender.PopularItems(many->wish.options())
                               : ItemList();
  JsonWriter json;
  json.BeginObject();
  json.Key("lists");
  json.BeginArray();
  std::size_t next = 0;
  for (std::size_t k = 0; k < asked.size(); ++k) {
    const std::string& raw = many->users[k];
    if (asked[k].has_value()) {
      WriteListOfMany(model, raw, lists[next++], NothingLearned(raw), json);
    } else {
      WriteListOfMany(model, raw, popular, Unknown(raw), json);
    }
  }
  json.EndArray();
  json.Key("unknown_items");
  json.BeginArray();
  for (const std::string& raw : many->unknown_items) json.String(raw);
  json.EndArray();
  WriteModel(model, json);
  json.EndObject();
  return json.Take();
}

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

ArgumentNote ListNote(const std::string& name, const std::string& what, bool required = false) {
  return {.name = name,
          .place = Place::kBody,
          .type = Type::kTexts,
          .what = what,
          .required = required};
}

}  // namespace

std::vector<HttpEndpoint> ListEndpoints(const ModelKeeper& keeper, const EndpointLimits& limits,
                                        BundleFigures* figures) {
  std::vector<HttpEndpoint> endpoints;
  endpoints.push_back(
      {.route = {.method = "GET",
                 .pattern = "/v1/users/{id}/recommendations",
                 .handle = UserLists(keeper, limits, figures),
                 .bundle_max = kBundleMax},
       .name = "recommendForUser",
       .what = "The items that the model recommends to a user.",
       .arguments = {UserInPath(), CountNote(kItemsOfUser, limits.list_max, Place::kQuery),
                     MaskNote(Place::kQuery), GenreNote(Place::kQuery),
                     FallbackNote(
                         Place::kQuery,
                         "What a user gets whom the model does not know: the most rated items.")},
       .answer = "ItemList",
       .refusals = {404}});
  endpoints.push_back(
      {.route = {.method = "POST",
                 .pattern = "/v1/recommendations",
                 .handle = OneByOne(keeper,
                                    [limits](const LiveModel& model, const HttpExchange& exchange) {
                                      return ListsOfMany(model, limits, exchange);
                                    })},
       .name = "recommendForMany",
       .what = "Lists of items for many users, perhaps of some candidates only.",
       .arguments = {ListNote("users",
                              absl::StrCat("Up to ", limits.many_users_max, " users, by raw ids."),
                              true),
                     CountNote(kItemsOfUser, limits.list_max, Place::kBody), MaskNote(Place::kBody),
                     GenreNote(Place::kBody),
                     FallbackNote(
                         Place::kBody,
                         "What users get whom the model does not know: the most rated items. "
                         "Else their lists are empty and say why."),
                     ListNote("candidates", "The items that lists are made of, by raw ids."),
                     ListNote("exclude", "Items that no list holds, by raw ids.")},
       .answer = "ListsOfMany"});
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

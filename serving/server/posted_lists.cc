#include "serving/server/posted_lists.h"

#include <optional>
#include <utility>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include "serving/item_choice.h"
#include "serving/server/wish.h"

namespace cf {
namespace {

using Place = ArgumentNote::Place;
using Type = ArgumentNote::Type;

// From so many users on, a request's lists are made by all threads.
constexpr std::size_t kUsersOfThread = 64;

/// What a body says, as it stands there.
struct Body {
  Wish wish;
  std::vector<std::string> genres;
  std::optional<std::vector<std::string>> users;  // Or else
  std::optional<std::vector<Arguments::Record>> ratings;
  std::optional<std::vector<std::string>> clicks;
  std::optional<std::string> user;  // Whose ratings or clicks these are.
  std::optional<std::vector<std::string>> candidates;
  std::vector<std::string> excluded;
};

// InvalidArgument unless a list is as long as it may be.
absl::Status CheckCount(const std::string& name, std::size_t count, std::size_t most,
                        const std::string& of_what) {
  if (count > 0 && count <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("'", name, "' is a list of 1 to ", most, " ", of_what));
}

absl::Status CheckBody(const Body& body, const EndpointLimits& limits) {
  const int kinds = (body.users.has_value() ? 1 : 0) + (body.ratings.has_value() ? 1 : 0) +
                    (body.clicks.has_value() ? 1 : 0);
  if (kinds != 1) {
    return absl::InvalidArgumentError(
        "one of 'users', 'ratings' and 'clicks' says whose lists are asked for");
  }
  if (body.ratings.has_value()) {
    return CheckCount("ratings", body.ratings->size(), limits.given_max,
                      "objects with item and rating");
  }
  if (body.clicks.has_value()) {
    return CheckCount("clicks", body.clicks->size(), limits.given_max, "items");
  }
  if (body.user.has_value()) {
    return absl::InvalidArgumentError("'user' says whose 'ratings' or 'clicks' are given");
  }
  absl::Status counted = CheckCount("users", body.users->size(), limits.many_users_max, "users");
  if (counted.ok() && body.wish.varied()) {
    counted = CheckCount("users", body.users->size(), limits.varied_max,
                         "users with diversity, genre_cap or because");
  }
  return counted;
}

absl::StatusOr<Body> ReadBody(const EndpointLimits& limits, const std::string& text) {
  absl::StatusOr<Arguments> arguments = Arguments::OfBody(text);
  if (!arguments.ok()) return arguments.status();
  const auto texts = [&](const std::string& name) {
    std::optional<std::vector<std::string>> found;
    const bool there = arguments->Has(name);
    std::vector<std::string> taken = arguments->Texts(name);
    if (there) found = std::move(taken);
    return found;
  };
  Body body;
  body.wish = TakeWish(*arguments, limits);
  body.users = texts("users");
  const bool rates = arguments->Has("ratings");
  std::vector<Arguments::Record> ratings = arguments->Records("ratings", {"item", "rating"});
  if (rates) body.ratings = std::move(ratings);
  body.clicks = texts("clicks");
  body.user = arguments->Text("user");
  body.genres = arguments->Texts("genre");
  body.candidates = texts("candidates");
  body.excluded = arguments->Texts("exclude");
  if (absl::Status sound = arguments->Finish(); !sound.ok()) return sound;
  if (absl::Status checked = CheckBody(body, limits); !checked.ok()) return checked;
  return body;
}

/// Makes the choice of items that the body asks for; items of it that nobody knows go to `unknown`.
absl::Status ChooseItems(const LiveModel& model, const Body& body, Wish& wish,
                         std::vector<std::string>& unknown) {
  if (absl::Status chosen = ChooseGenres(model, body.genres, wish); !chosen.ok()) return chosen;
  if (!body.candidates.has_value() && body.excluded.empty()) return absl::OkStatus();
  ItemChoice::Options rules;
  for (std::uint32_t k = 0; wish.choice != nullptr && k < model.open().data().items(); ++k) {
    if (!wish.choice->Allows(RowId{k})) rules.excluded.for_all.push_back(RowId{k});
  }
  for (const RowId item : KnownItems(model, body.excluded, unknown)) {
    rules.excluded.for_all.push_back(item);
  }
  if (body.candidates.has_value()) {
    rules.candidates.emplace();
    rules.candidates->for_all = KnownItems(model, *body.candidates, unknown);
  }
  wish.choice = std::make_shared<const ItemChoice>(model.open().data(), std::move(rules));
  return absl::OkStatus();
}

void WriteUnknown(const std::vector<std::string>& unknown, JsonWriter& json) {
  json.Key("unknown_items");
  json.BeginArray();
  for (const std::string& raw : unknown) json.String(raw);
  json.EndArray();
}

/// Who is described, and what they gave: items that nobody knows go to `unknown`.
absl::StatusOr<GivenUser> ReadGiven(const LiveModel& model, const Body& body,
                                    std::vector<std::string>& unknown) {
  if (model.rated() != nullptr && body.clicks.has_value()) {
    return absl::FailedPreconditionError(
        "the model learns from ratings, so clicks tell it nothing: give 'ratings'");
  }
  GivenUser user;
  if (body.user.has_value()) {
    user.raw_user = *body.user;
    user.user = model.open().data().FindUser(*body.user);
  }
  const auto add = [&](const std::string& raw, float rating) {
    const std::optional<RowId> item = model.open().data().FindItem(raw);
    if (item.has_value()) {
      user.given.push_back({.item = *item, .rating = rating});
    } else {
      unknown.push_back(raw);
    }
  };
  if (body.clicks.has_value()) {
    for (const std::string& raw : *body.clicks) add(raw, 1);
    return user;
  }
  for (const Arguments::Record& record : *body.ratings) {
    const std::optional<float> rating = FloatOf(record.at("rating"));
    if (!rating.has_value()) {
      return absl::InvalidArgumentError(absl::StrCat("the rating of item '", record.at("item"),
                                                     "' is no number: '", record.at("rating"),
                                                     "'"));
    }
    add(record.at("item"), *rating);
  }
  return user;
}

// A list that rests on nothing that was given. NotFound unless the most rated items stand in.
absl::StatusOr<ItemList> ListOfNobody(const LiveModel& model, const GivenUser& user,
                                      const Wish& wish) {
  if (!wish.fallback) {
    return absl::NotFoundError(
        "of no item that is given has the model learned anything; fallback=popular gives the most "
        "rated items");
  }
  if (!user.user.has_value()) return model.open().recommender().PopularItems(wish.options());
  return model.open().recommender().TopItems(*user.user, wish.options());
}

absl::StatusOr<std::string> ListOfGiven(const LiveModel& model, const EndpointLimits& limits,
                                        const Body& body) {
  if (absl::Status possible = model.CanFoldIn(); !possible.ok()) return possible;
  std::vector<std::string> unknown;
  const absl::StatusOr<GivenUser> user = ReadGiven(model, body, unknown);
  if (!user.ok()) return user.status();
  Wish wish = body.wish;
  if (absl::Status chosen = ChooseItems(model, body, wish, unknown); !chosen.ok()) return chosen;
  // Where counting is all that a model does its list is the same for everybody.
  const bool same_for_all = model.open().substance().lists() == Source::kPopular;
  const absl::StatusOr<ItemList> list =
      same_for_all || user->TellsSomething(model.open().catalogue())
          ? model.ForGiven(*user, wish.options(), limits.proposed)
          : ListOfNobody(model, *user, wish);
  if (!list.ok()) return list.status();
  JsonWriter json;
  json.BeginObject();
  if (body.user.has_value()) json.Member("user", *body.user);
  WriteItems(model, *list, ReasonsOf(model, *user, wish.because), json);
  json.Member("source", NameOf(list->source));
  WriteUnknown(unknown, json);
  WriteModel(model, json);
  json.EndObject();
  return json.Take();
}

void WriteListOfMany(const LiveModel& model, const std::string& user, const ItemList& list,
                     const Reasons& reasons, const absl::Status& refused, JsonWriter& json) {
  json.BeginObject();
  json.Member("user", user);
  WriteItems(model, list, reasons, json);
  json.Member("source", NameOf(list.source));
  if (list.source == Source::kNone) json.Member("error", std::string(refused.message()));
  json.EndObject();
}

absl::StatusOr<std::string> ListsOfMany(const LiveModel& model, const EndpointLimits& limits,
                                        const Body& body) {
  Wish wish = body.wish;
  std::vector<std::string> unknown;
  if (absl::Status chosen = ChooseItems(model, body, wish, unknown); !chosen.ok()) return chosen;
  std::vector<std::optional<RowId>> asked;
  std::vector<RowId> known;
  for (const std::string& raw : *body.users) {
    asked.push_back(model.open().data().FindUser(raw));
    if (asked.back().has_value()) known.push_back(*asked.back());
  }
  std::vector<ItemList> lists;
  const unsigned threads = known.size() < kUsersOfThread ? 1 : limits.threads;
  const absl::Status made = model.ForUsers(known, {.list = wish.options(), .threads = threads},
                                           limits.proposed, [&lists](RowId, const ItemList& list) {
                                             lists.push_back(list);
                                             return absl::OkStatus();
                                           });
  if (!made.ok()) return made;
  const ItemList popular = wish.fallback && known.size() < asked.size()
                               ? model.open().recommender().PopularItems(wish.options())
                               : ItemList();
  JsonWriter json;
  json.BeginObject();
  json.Key("lists");
  json.BeginArray();
  std::size_t next = 0;
  for (std::size_t k = 0; k < asked.size(); ++k) {
    const std::string& raw = (*body.users)[k];
    if (asked[k].has_value()) {
      const Reasons reasons = ReasonsOf(model, {.user = asked[k]}, wish.because);
      WriteListOfMany(model, raw, lists[next++], reasons, NothingLearned(raw), json);
    } else {
      WriteListOfMany(model, raw, popular, {}, UnknownUser(raw), json);
    }
  }
  json.EndArray();
  WriteUnknown(unknown, json);
  WriteModel(model, json);
  json.EndObject();
  return json.Take();
}

ArgumentNote ListNote(const std::string& name, std::size_t most, const std::string& what) {
  return {.name = name, .place = Place::kBody, .type = Type::kTexts, .what = what, .most = most};
}

}  // namespace

HttpEndpoint PostedLists(const ModelKeeper& keeper, const EndpointLimits& limits) {
  std::vector<ArgumentNote> arguments = {
      ListNote("users", limits.many_users_max,
               absl::StrCat("Users, by raw ids; at most ", limits.varied_max,
                            " with diversity, genre_cap or because.")),
      {.name = "ratings",
       .place = Place::kBody,
       .type = Type::kRecords,
       .what = "What somebody rated, on the scale of the training ratings: they are folded in. Of "
               "a model of clicks each counts as one. Of an item that comes again the last counts.",
       .words = {"item", "rating"},
       .numbers = {"rating"},
       .most = limits.given_max},
      ListNote("clicks", limits.given_max,
               "What somebody clicked, by raw ids, of a model that learns from clicks."),
      {.name = "user",
       .place = Place::kBody,
       .type = Type::kText,
       .what = "Whose ratings or clicks these are, by raw id: what somebody known did in training "
               "counts, too. Whom the model does not know is somebody new."}};
  for (ArgumentNote& note : WishNotes(
           limits, Place::kBody,
           "What they get of whom the model has learned nothing: the most rated items. Else "
           "lists of many are empty and say why, and a list of what is given is not found.")) {
    arguments.push_back(std::move(note));
  }
  arguments.push_back(ListNote("candidates", 0, "The items that lists are made of, by raw ids."));
  arguments.push_back(ListNote("exclude", 0, "Items that no list holds, by raw ids."));
  return {.route = {.method = "POST",
                    .pattern = "/v1/recommendations",
                    .handle = OneByOne(
                        keeper,
                        [limits](const LiveModel& model,
                                 const HttpExchange& exchange) -> absl::StatusOr<std::string> {
                          const absl::StatusOr<Body> body = ReadBody(limits, exchange.request.body);
                          if (!body.ok()) return body.status();
                          return body->users.has_value() ? ListsOfMany(model, limits, *body)
                                                         : ListOfGiven(model, limits, *body);
                        })},
          .name = "recommend",
          .what =
              "Lists of items for many users, or one for somebody whose ratings or clicks are "
              "given; perhaps of some candidates only.",
          .arguments = std::move(arguments),
          .one_of = {"users", "ratings", "clicks"},
          .answer = "PostedLists",
          .refusals = {404, 409}};
}

}  // namespace cf

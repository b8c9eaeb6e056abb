#include "serving/server/item_endpoints.h"

#include <optional>
#include <utility>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include "serving/title_search.h"

namespace cf {
namespace {

using Place = ArgumentNote::Place;
using Type = ArgumentNote::Type;

constexpr std::size_t kSimilar = 10;
constexpr std::size_t kFound = 20;

// What people type for a title is shorter.
constexpr std::size_t kQueryBytesMax = 200;

absl::StatusOr<std::string> SimilarItems(const LiveModel& model, const EndpointLimits& limits,
                                         const HttpExchange& exchange) {
  Arguments arguments = Arguments::OfQuery(exchange.request.target.query);
  const std::size_t top = arguments.Count("k", kSimilar, limits.list_max);
  const std::vector<std::string> genres = arguments.Texts("genre");
  if (absl::Status sound = arguments.Finish(); !sound.ok()) return sound;
  const absl::StatusOr<std::shared_ptr<const ItemChoice>> choice = model.OfGenres(genres);
  if (!choice.ok()) return absl::InvalidArgumentError(std::string(choice.status().message()));
  const std::string& raw = exchange.parameters[0];
  const absl::StatusOr<RowId> item = FindItem(model, raw);
  if (!item.ok()) return item.status();
  const absl::StatusOr<std::vector<ScoredRow>> similar =
      model.open().recommender().SimilarItems(*item, {.top = top, .choice = choice->get()});
  if (!similar.ok()) return similar.status();
  JsonWriter json;
  json.BeginObject();
  json.Member("item", raw);
  json.Member("title", model.open().data().title(*item));
  WriteItems(model, *similar, json);
  WriteModel(model, json);
  json.EndObject();
  return json.Take();
}

absl::StatusOr<std::string> SimilarUsers(const LiveModel& model, const EndpointLimits& limits,
                                         const HttpExchange& exchange) {
  Arguments arguments = Arguments::OfQuery(exchange.request.target.query);
  const std::size_t top = arguments.Count("k", kSimilar, limits.users_max);
  if (absl::Status sound = arguments.Finish(); !sound.ok()) return sound;
  const std::string& raw = exchange.parameters[0];
  const absl::StatusOr<RowId> user = FindUser(model, raw);
  if (!user.ok()) return user.status();
  const absl::StatusOr<std::vector<ScoredRow>> similar =
      model.open().recommender().SimilarUsers(*user, top);
  if (!similar.ok()) return similar.status();
  JsonWriter json;
  json.BeginObject();
  json.Member("user", raw);
  WriteUsers(model, *similar, json);
  WriteModel(model, json);
  json.EndObject();
  return json.Take();
}

absl::StatusOr<std::string> FindTitles(const LiveModel& model, const EndpointLimits& limits,
                                       const HttpExchange& exchange) {
  Arguments arguments = Arguments::OfQuery(exchange.request.target.query);
  const std::size_t top = arguments.Count("k", kFound, limits.list_max);
  const std::optional<std::string> query = arguments.Text("query");
  if (absl::Status sound = arguments.Finish(); !sound.ok()) return sound;
  if (!query.has_value() || query->size() > kQueryBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("'query' is some words of a title, of at most ", kQueryBytesMax, " bytes"));
  }
  const OpenModel& open = model.open();
  std::vector<RowId> found = TitleSearch(open.catalogue()).Containing(*query);
  if (found.size() > top) found.resize(top);
  JsonWriter json;
  json.BeginObject();
  json.Key("items");
  json.BeginArray();
  for (const RowId item : found) {
    json.BeginObject();
    json.Member("item", open.data().item_raw_id(item));
    json.Member("title", open.data().title(item));
    WriteGenres(model, item, json);
    json.Member("ratings", open.catalogue().ItemTrainingRatings(item));
    json.EndObject();
  }
  json.EndArray();
  WriteModel(model, json);
  json.EndObject();
  return json.Take();
}

absl::StatusOr<std::string> PredictPairs(const LiveModel& model, const EndpointLimits& limits,
                                         const HttpExchange& exchange) {
  absl::StatusOr<Arguments> arguments = Arguments::OfBody(exchange.request.body);
  if (!arguments.ok()) return arguments.status();
  const std::vector<Arguments::Record> pairs = arguments->Records("pairs", {"item", "user"});
  const bool falls_back = arguments->Word("fallback", {"popular"}).has_value();
  if (absl::Status sound = arguments->Finish(); !sound.ok()) return sound;
  if (pairs.empty() || pairs.size() > limits.pairs_max) {
    return absl::InvalidArgumentError(absl::StrCat("'pairs' is a list of 1 to ", limits.pairs_max,
                                                   " objects with user and item"));
  }
  const OpenModel& open = model.scoring();
  PairPredictor predictor(open.model(), open.catalogue(), open.substance(), false);
  JsonWriter json;
  json.BeginObject();
  json.Key("predictions");
  json.BeginArray();
  for (const Arguments::Record& pair : pairs) {
    const std::optional<RowId> user = open.data().FindUser(pair.at("user"));
    const std::optional<RowId> item = open.data().FindItem(pair.at("item"));
    Prediction prediction = predictor.Predict(user, item);
    if (prediction.source == Source::kNone && falls_back) {
      prediction = model.PredictOrFallBack(user, item);
    }
    json.BeginObject();
    json.Member("user", pair.at("user"));
    json.Member("item", pair.at("item"));
    json.Key("score");
    if (prediction.source == Source::kNone) {
      json.Null();
    } else {
      json.Number(prediction.value);
    }
    json.Member("source", NameOf(prediction.source));
    json.EndObject();
  }
  json.EndArray();
  WriteModel(model, json);
  json.EndObject();
  return json.Take();
}

}  // namespace

std::vector<HttpEndpoint> ItemEndpoints(const ModelKeeper& keeper, const EndpointLimits& limits) {
  const auto handler = [&keeper, limits](auto* answer) {
    return OneByOne(keeper, [limits, answer](const LiveModel& model, const HttpExchange& exchange) {
      return answer(model, limits, exchange);
    });
  };
  std::vector<HttpEndpoint> endpoints;
  endpoints.push_back(
      {.route = {.method = "POST", .pattern = "/v1/predict", .handle = handler(&PredictPairs)},
       .name = "predict",
       .what =
           "What users are predicted to give items. Where the model has learned nothing of one of "
           "the two the score is null.",
       .arguments = {{.name = "pairs",
                      .place = Place::kBody,
                      .type = Type::kRecords,
                      .what = absl::StrCat("Up to ", limits.pairs_max, " pairs, by raw ids."),
                      .words = {"user", "item"},
                      .most = limits.pairs_max,
                      .required = true},
                     FallbackNote(
                         Place::kBody,
                         "What stands in where the model has learned nothing: the mean training "
                         "rating of the item, else of the user, else of all.")},
       .answer = "Predictions"});
  endpoints.push_back(
      {.route = {.method = "GET",
                 .pattern = "/v1/items/{id}/similar",
                 .handle = handler(&SimilarItems)},
       .name = "similarItems",
       .what = "The items whose vectors point the same way; scores are cosines.",
       .arguments = {ItemInPath(), CountNote(kSimilar, limits.list_max, Place::kQuery),
                     GenreNote(Place::kQuery)},
       .answer = "SimilarItems",
       .refusals = {404, 409}});
  endpoints.push_back(
      {.route = {.method = "GET",
                 .pattern = "/v1/users/{id}/similar",
                 .handle = handler(&SimilarUsers)},
       .name = "similarUsers",
       .what = "The users whose vectors point the same way; scores are cosines.",
       .arguments = {UserInPath(), CountNote(kSimilar, limits.users_max, Place::kQuery)},
       .answer = "SimilarUsers",
       .refusals = {404, 409}});
  endpoints.push_back(
      {.route = {.method = "GET", .pattern = "/v1/items", .handle = handler(&FindTitles)},
       .name = "findItems",
       .what = "Items whose titles hold every word of a text, or parts of words; what is "
               "rated most comes first.",
       .arguments = {{.name = "query",
                      .place = Place::kQuery,
                      .type = Type::kText,
                      .what = "Words of a title, in any order.",
                      .required = true},
                     CountNote(kFound, limits.list_max, Place::kQuery)},
       .answer = "FoundItems"});
  return endpoints;
}

}  // namespace cf

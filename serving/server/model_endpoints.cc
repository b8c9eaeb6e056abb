#include "serving/server/model_endpoints.h"

#include <algorithm>
#include <functional>
#include <span>

#include <absl/status/status.h>

namespace cf {
namespace {

using Place = ArgumentNote::Place;
using Type = ArgumentNote::Type;

constexpr std::size_t kRatingsOfUser = 10;

absl::StatusOr<std::string> WhatItIs(const LiveModel& model, const HttpExchange& exchange) {
  const Arguments arguments = Arguments::OfQuery(exchange.request.target.query);
  if (absl::Status sound = arguments.Finish(); !sound.ok()) return sound;
  const Dataset& data = model.open().data();
  JsonWriter json;
  json.BeginObject();
  WriteModel(model, json);
  json.Key("data");
  json.BeginObject();
  json.Member("name", data.name());
  json.Member("users", data.users());
  json.Member("items", data.items());
  json.EndObject();
  json.Key("genres");
  json.BeginArray();
  for (const auto& [lower, genre] : model.genres()) json.String(genre);
  json.EndArray();
  const OpenModel* const rated = model.rated();
  json.Member("given", rated != nullptr ? "ratings" : "clicks");
  if (rated != nullptr) {
    const Objective& objective = rated->model().objective();
    json.Member("rating_min", objective.rating_min);
    json.Member("rating_max", objective.rating_min + objective.rating_range);
  }
  json.Member("similar", model.open().model().items().dim() > 0);
  json.Member("fold_in", model.CanFoldIn().ok());
  json.EndObject();
  return json.Take();
}

// What a user gave in training, the best or the newest first; ties by id, so the items that most
// people know come first. FailedPrecondition: nothing says when ratings were given.
absl::StatusOr<std::vector<GivenRating>> RatingsOf(const OpenModel& open, RowId user, bool newest) {
  const Dataset& data = open.data();
  std::vector<GivenRating> given = GivenWithTraining(open.catalogue(), user, {});
  if (!newest) {
    std::ranges::stable_sort(given, std::greater(), &GivenRating::rating);
    return given;
  }
  if (data.timestamps().empty()) {
    return absl::FailedPreconditionError(
        "nothing says when ratings were given: exports have no times, and some data sets neither");
  }
  std::ranges::stable_sort(given, std::greater(), [&](const GivenRating& one) {
    return data.timestamps()[*open.catalogue().SampleOf(user, one.item)];
  });
  return given;
}

absl::StatusOr<std::string> WhatTheyGave(const LiveModel& model, const EndpointLimits& limits,
                                         const HttpExchange& exchange) {
  Arguments arguments = Arguments::OfQuery(exchange.request.target.query);
  const std::size_t top = arguments.Count("k", kRatingsOfUser, limits.list_max);
  const bool newest = arguments.Word("sort", {"best", "newest"}) == "newest";
  if (absl::Status sound = arguments.Finish(); !sound.ok()) return sound;
  const std::string& raw = exchange.parameters[0];
  const absl::StatusOr<RowId> user = FindUser(model, raw);
  if (!user.ok()) return user.status();
  const absl::StatusOr<std::vector<GivenRating>> given = RatingsOf(model.open(), *user, newest);
  if (!given.ok()) return given.status();
  const Dataset& data = model.open().data();
  JsonWriter json;
  json.BeginObject();
  json.Member("user", raw);
  json.Key("items");
  json.BeginArray();
  for (const GivenRating& one : std::span(*given).first(std::min(top, given->size()))) {
    json.BeginObject();
    json.Member("item", data.item_raw_id(one.item));
    json.Member("title", data.title(one.item));
    if (!model.genres().empty()) WriteGenres(model, one.item, json);
    if (data.has_ratings()) json.Member("rating", one.rating);
    json.EndObject();
  }
  json.EndArray();
  json.Member("total", given->size());
  WriteModel(model, json);
  json.EndObject();
  return json.Take();
}

}  // namespace

std::vector<HttpEndpoint> ModelEndpoints(const ModelKeeper& keeper, const EndpointLimits& limits) {
  std::vector<HttpEndpoint> endpoints;
  endpoints.push_back(
      {.route = {.method = "GET", .pattern = "/v1/model", .handle = OneByOne(keeper, WhatItIs)},
       .name = "model",
       .what = "Which model answers, and what may be asked of it.",
       .answer = "ModelInfo"});
  endpoints.push_back(
      {.route = {.method = "GET",
                 .pattern = "/v1/users/{id}/ratings",
                 .handle = OneByOne(keeper,
                                    [limits](const LiveModel& model, const HttpExchange& exchange) {
                                      return WhatTheyGave(model, limits, exchange);
                                    })},
       .name = "ratingsOfUser",
       .what = "What a user gave in training.",
       .arguments = {UserInPath(),
                     CountNote(kRatingsOfUser, limits.list_max, Place::kQuery),
                     {.name = "sort",
                      .place = Place::kQuery,
                      .type = Type::kWord,
                      .what = "Which come first: those with the highest ratings, or the newest "
                              "(best).",
                      .words = {"best", "newest"}}},
       .answer = "RatingsOfUser",
       .refusals = {404, 409}});
  return endpoints;
}

}  // namespace cf

#include "serving/server/endpoint.h"

#include <utility>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include "common/kernels/kernels.h"

namespace cf {
namespace {

void WriteBecause(const LiveModel& model, RowId item, const Reasons& reasons, JsonWriter& json) {
  json.Key("because");
  json.BeginArray();
  for (const ScoredRow& near :
       model.open().recommender().NearestAmong(item, reasons.liked, reasons.most)) {
    json.BeginObject();
    json.Member("item", model.open().data().item_raw_id(near.id));
    json.Member("title", model.open().data().title(near.id));
    json.Member("similarity", near.score);
    json.EndObject();
  }
  json.EndArray();
}

void WriteList(const LiveModel& model, std::span<const ScoredRow> rows, const Reasons& reasons,
               JsonWriter& json) {
  const Dataset& data = model.open().data();
  json.Key("items");
  json.BeginArray();
  std::size_t rank = 0;
  for (const ScoredRow& row : rows) {
    json.BeginObject();
    json.Member("item", data.item_raw_id(row.id));
    json.Member("title", data.title(row.id));
    if (!model.genres().empty()) WriteGenres(model, row.id, json);
    json.Member("score", row.score);
    json.Member("rank", ++rank);
    if (reasons.most > 0) WriteBecause(model, row.id, reasons, json);
    json.EndObject();
  }
  json.EndArray();
}

}  // namespace

HttpResponse Refusal(const absl::Status& status) {
  const std::string reason(status.message());
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return ErrorResponse(400, reason);
    case absl::StatusCode::kNotFound:
      return ErrorResponse(404, reason);
    case absl::StatusCode::kFailedPrecondition:
      return ErrorResponse(409, reason);
    case absl::StatusCode::kUnavailable:
      return ErrorResponse(503, reason);
    default:
      return ErrorResponse(500, reason);
  }
}

HttpHandler OneByOne(
    const ModelKeeper& keeper,
    std::function<absl::StatusOr<std::string>(const LiveModel& model, const HttpExchange& exchange)>
        answer) {
  return [&keeper, answer = std::move(answer)](std::span<HttpExchange* const> bundle) {
    SetFloatMode();
    for (HttpExchange* exchange : bundle) {
      const std::shared_ptr<const LiveModel> model = keeper.Current();
      absl::StatusOr<std::string> body = absl::UnavailableError("no model has been opened yet");
      if (model != nullptr) body = answer(*model, *exchange);
      if (body.ok()) {
        exchange->response.body = *std::move(body);
      } else {
        exchange->response = Refusal(body.status());
      }
    }
  };
}

absl::StatusOr<RowId> FindUser(const LiveModel& model, const std::string& raw) {
  const std::optional<RowId> user = model.open().data().FindUser(raw);
  if (user.has_value()) return *user;
  return absl::NotFoundError(absl::StrCat("no user '", raw, "'"));
}

absl::StatusOr<RowId> FindItem(const LiveModel& model, const std::string& raw) {
  const std::optional<RowId> item = model.open().data().FindItem(raw);
  if (item.has_value()) return *item;
  return absl::NotFoundError(absl::StrCat("no item '", raw, "'"));
}

void WriteModel(const LiveModel& model, JsonWriter& json) {
  json.Key("model");
  json.BeginObject();
  json.Member("digest", model.name().digest);
  json.Member("version", model.name().version);
  if (const LiveModel::Name* rank = model.rank_name()) {
    json.Key("rank");
    json.BeginObject();
    json.Member("digest", rank->digest);
    json.Member("version", rank->version);
    json.EndObject();
  }
  json.EndObject();
}

Reasons ReasonsOf(const LiveModel& model, const GivenUser& user, std::size_t most) {
  if (most == 0 || model.open().model().items().dim() == 0) return {};
  return {.liked = LikedItems(user.All(model.open().catalogue()), model.rated() != nullptr),
          .most = most};
}

void WriteItems(const LiveModel& model, const ItemList& list, const Reasons& reasons,
                JsonWriter& json) {
  std::vector<ScoredRow> rows = list.items;
  if (list.source == Source::kFoldIn || list.source == model.scoring().substance().lists()) {
    const Objective& objective = model.scoring().model().objective();
    for (ScoredRow& row : rows) row.score = PredictedRating(objective, row.score);
  }
  WriteList(model, rows, list.source == Source::kPopular ? Reasons() : reasons, json);
}

void WriteItems(const LiveModel& model, std::span<const ScoredRow> rows, JsonWriter& json) {
  WriteList(model, rows, {}, json);
}

void WriteGenres(const LiveModel& model, RowId item, JsonWriter& json) {
  json.Key("genres");
  json.BeginArray();
  const std::string genres = model.open().data().genres(item);
  for (const auto& genre : absl::StrSplit(genres, '|', absl::SkipEmpty())) {
    json.String({genre.data(), genre.size()});
  }
  json.EndArray();
}

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

void WriteUsers(const LiveModel& model, std::span<const ScoredRow> rows, JsonWriter& json) {
  json.Key("users");
  json.BeginArray();
  std::size_t rank = 0;
  for (const ScoredRow& row : rows) {
    json.BeginObject();
    json.Member("user", model.open().data().user_raw_id(row.id));
    json.Member("score", row.score);
    json.Member("rank", ++rank);
    json.EndObject();
  }
  json.EndArray();
}

using Place = ArgumentNote::Place;
using Type = ArgumentNote::Type;

ArgumentNote UserInPath() {
  return {.name = "id",
          .place = Place::kPath,
          .type = Type::kText,
          .what = "The user, by raw id, percent-encoded.",
          .required = true};
}

ArgumentNote ItemInPath() {
  return {.name = "id",
          .place = Place::kPath,
          .type = Type::kText,
          .what = "The item, by raw id, percent-encoded.",
          .required = true};
}

ArgumentNote CountNote(std::size_t otherwise, std::size_t most, Place place) {
  return {.name = "k",
          .place = place,
          .type = Type::kCount,
          .what = absl::StrCat("Length of the list, from 1 to ", most, " (", otherwise, ")."),
          .most = most};
}

ArgumentNote MaskNote(Place place) {
  return {.name = "mask",
          .place = place,
          .type = Type::kWord,
          .what =
              "Which of a user's own items are left out: those of all samples, of training "
              "samples only, or none (all).",
          .words = {"all", "train", "none"}};
}

ArgumentNote GenreNote(Place place) {
  return {.name = "genre",
          .place = place,
          .type = Type::kTexts,
          .what = "Only items of this genre; several: of any of them."};
}

ArgumentNote FallbackNote(Place place, const std::string& what) {
  return {
      .name = "fallback", .place = place, .type = Type::kWord, .what = what, .words = {"popular"}};
}

}  // namespace cf

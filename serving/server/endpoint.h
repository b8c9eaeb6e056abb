#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "common/http/router.h"
#include "common/text/json_writer.h"
#include "serving/server/arguments.h"
#include "serving/server/live_model.h"

namespace cf {

/// An argument of an endpoint, as its description has it.
struct ArgumentNote {
  /// Where it stands.
  enum class Place { kPath, kQuery, kBody };
  /// What it is: a text, a whole number, a number from 0 to 1, one of several words, a list of texts,
  /// or a list of objects of texts and numbers.
  enum class Type { kText, kCount, kShare, kWord, kTexts, kRecords };

  std::string name;
  Place place = Place::kQuery;
  Type type = Type::kText;
  std::string what;
  std::vector<std::string> words = {};    ///< Of kWord, what it may be; of kRecords, its members.
  std::vector<std::string> numbers = {};  ///< Of kRecords, the members that are numbers.
  std::size_t least = 1;                  ///< Of kCount, the smallest that it may be,
  std::size_t most = 0;                   ///< and the largest; of kTexts and kRecords, how many.
  bool required = false;
};

/// What is answered at one path: the route, and all that its description says.
struct HttpEndpoint {
  Route route;
  std::string name;  ///< "recommendForUser", once in the description.
  std::string what;
  std::vector<ArgumentNote> arguments = {};
  std::vector<std::string> one_of = {};  ///< Members of the body of which one is there.
  std::string answer = {};               ///< A schema of the description; empty: plain text.
  std::vector<int> refusals = {};  ///< Which 4xx it may answer with, beside those of every route.
};

/// Bounds of what one request may ask for.
struct EndpointLimits {
  std::size_t list_max = 1000;        ///< k: the length of a list,
  std::size_t users_max = 10'000;     ///< and of a list of users.
  std::size_t many_users_max = 1000;  ///< Users of one request.
  std::size_t pairs_max = 10'000;
  std::size_t given_max = 10'000;  ///< Ratings or clicks of somebody.
  /// The length of lists, and how many of them a request may ask for, where their items differ or say
  /// why they are there: that takes time with the square of the length, or for each item that a user
  /// has.
  std::size_t varied_max = 100;
  std::size_t proposed = 200;  ///< Items of a user that are ranked, where a second model does.
  unsigned threads = 0;        ///< That one request of many users may use; 0: all of the machine.
};

/// A refusal with the reason of an error: 404 of what is not found, 400 of what is wrong with the
/// request, 409 of what this model cannot do.
HttpResponse Refusal(const absl::Status& status);

/// A handler that answers requests one by one, with the model of the moment: with what `answer`
/// makes, or a refusal. 503 where no model is there.
HttpHandler OneByOne(
    const ModelKeeper& keeper,
    std::function<absl::StatusOr<std::string>(const LiveModel& model, const HttpExchange& exchange)>
        answer);

/// The user of a raw id. NotFound where there is none.
absl::StatusOr<RowId> FindUser(const LiveModel& model, const std::string& raw);
absl::StatusOr<RowId> FindItem(const LiveModel& model, const std::string& raw);

/// Writes "model": {"digest": ..., "version": ...}, with the same of the model that ranks as "rank".
void WriteModel(const LiveModel& model, JsonWriter& json);

/// What somebody likes, of which each item of a list names the `most` that are nearest to it.
struct Reasons {
  std::vector<RowId> liked = {};  ///< Ascending.
  std::size_t most = 0;
};

/// Those of somebody known, or whose ratings or clicks are given.
Reasons ReasonsOf(const LiveModel& model, const GivenUser& user, std::size_t most);

/// Writes "items": a list of [{"item", "title", "genres", "score", "rank", "because"}]: genres where the
/// data set has some, and because where reasons are asked for and the model has vectors, of a list that
/// is not of popularity. Scores of a model are predicted ratings, or what it has for them.
void WriteItems(const LiveModel& model, const ItemList& list, const Reasons& reasons,
                JsonWriter& json);

/// Writes "genres" of an item.
void WriteGenres(const LiveModel& model, RowId item, JsonWriter& json);

/// The items of these raw ids; those that nobody knows go to `unknown`.
std::vector<RowId> KnownItems(const LiveModel& model, const std::vector<std::string>& raw_ids,
                              std::vector<std::string>& unknown);

/// Writes "items" with scores that are as they are, such as cosines.
void WriteItems(const LiveModel& model, std::span<const ScoredRow> rows, JsonWriter& json);

/// Writes "users": [{"user", "score", "rank"}].
void WriteUsers(const LiveModel& model, std::span<const ScoredRow> rows, JsonWriter& json);

/// The arguments that several endpoints have.
ArgumentNote UserInPath();
ArgumentNote ItemInPath();
ArgumentNote CountNote(std::size_t otherwise, std::size_t most, ArgumentNote::Place place);
ArgumentNote MaskNote(ArgumentNote::Place place);
ArgumentNote GenreNote(ArgumentNote::Place place);
ArgumentNote FallbackNote(ArgumentNote::Place place, const std::string& what);

}  // namespace cf

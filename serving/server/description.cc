#include "serving/server/description.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include <absl/strings/str_cat.h>

namespace cf {
namespace {

using Place = ArgumentNote::Place;
using Type = ArgumentNote::Type;

// What answers are made of. Ids are texts, also where they are numbers.
constexpr char kSchemas[] = R"({
"Error":{"type":"object","required":["error"],"properties":{"error":{"type":"string"}}},
"Model":{"type":"object","required":["digest","version"],"properties":{
  "digest":{"type":"string","description":"Over all of its parameters."},
  "version":{"type":"string","description":"The name of its snapshot."},
  "rank":{"type":"object","required":["digest","version"],"description":"Of the model that scored what this one proposed.",
    "properties":{"digest":{"type":"string"},"version":{"type":"string"}}}}},
"Genres":{"type":"array","description":"Only where the data set has genres.","items":{"type":"string"}},
"ListedItem":{"type":"object","required":["item","title","score","rank"],"properties":{
  "item":{"type":"string"},"title":{"type":"string"},"genres":{"$ref":"#/components/schemas/Genres"},
  "score":{"type":"number","description":"A predicted rating, or what the model has for one; with the source popular a number of ratings; of similar items a cosine."},
  "rank":{"type":"integer"},
  "because":{"type":"array","description":"Where it is asked for and the model has vectors, of lists by the model.",
    "items":{"type":"object","required":["item","title","similarity"],"properties":{
      "item":{"type":"string"},"title":{"type":"string"},
      "similarity":{"type":"number","description":"The cosine of the vectors, above 0."}}}}}},
"ListedUser":{"type":"object","required":["user","score","rank"],"properties":{
  "user":{"type":"string"},"score":{"type":"number"},"rank":{"type":"integer"}}},
"ItemList":{"type":"object","required":["user","items","source","model"],"properties":{
  "user":{"type":"string"},"items":{"type":"array","items":{"$ref":"#/components/schemas/ListedItem"}},
  "source":{"type":"string","enum":["model","popular"]},"model":{"$ref":"#/components/schemas/Model"}}},
"ListsOfMany":{"type":"object","required":["lists","unknown_items","model"],"properties":{
  "lists":{"type":"array","items":{"type":"object","required":["user","items","source"],"properties":{
    "user":{"type":"string"},"items":{"type":"array","items":{"$ref":"#/components/schemas/ListedItem"}},
    "source":{"type":"string","enum":["model","popular","none"]},
    "error":{"type":"string","description":"Why the source is none."}}}},
  "unknown_items":{"type":"array","items":{"type":"string"},"description":"Of candidates and exclude."},
  "model":{"$ref":"#/components/schemas/Model"}}},
"FoldedInList":{"type":"object","required":["items","source","unknown_items","model"],"properties":{
  "user":{"type":"string","description":"Where the request names one."},
  "items":{"type":"array","items":{"$ref":"#/components/schemas/ListedItem"}},
  "source":{"type":"string","enum":["fold_in","popular"]},
  "unknown_items":{"type":"array","items":{"type":"string"},"description":"Of what is given, candidates and exclude."},
  "model":{"$ref":"#/components/schemas/Model"}}},
"PostedLists":{"oneOf":[{"$ref":"#/components/schemas/ListsOfMany"},{"$ref":"#/components/schemas/FoldedInList"}],
  "description":"Lists of users, or the list of somebody whose ratings or clicks are given."},
"RatingsOfUser":{"type":"object","required":["user","items","total","model"],"properties":{
  "user":{"type":"string"},
  "items":{"type":"array","items":{"type":"object","required":["item","title"],"properties":{
    "item":{"type":"string"},"title":{"type":"string"},"genres":{"$ref":"#/components/schemas/Genres"},
    "rating":{"type":"number","description":"Only where the data set has ratings."}}}},
  "total":{"type":"integer","description":"How many there are in training."},
  "model":{"$ref":"#/components/schemas/Model"}}},
"ModelInfo":{"type":"object","required":["model","data","genres","given","similar","fold_in"],"properties":{
  "model":{"$ref":"#/components/schemas/Model"},
  "data":{"type":"object","required":["name","users","items"],"properties":{
    "name":{"type":"string"},"users":{"type":"integer"},"items":{"type":"integer"}}},
  "genres":{"type":"array","items":{"type":"string"},"description":"All that items have."},
  "given":{"type":"string","enum":["ratings","clicks"],"description":"What folding in takes; ratings count as clicks, too."},
  "rating_min":{"type":"number","description":"With ratings: the least that may be given,"},
  "rating_max":{"type":"number","description":"and the most."},
  "similar":{"type":"boolean","description":"Whether items have vectors, so that some are similar."},
  "fold_in":{"type":"boolean","description":"Whether ratings or clicks may be given."}}},
"UsersOfItem":{"type":"object","required":["item","title","users","model"],"properties":{
  "item":{"type":"string"},"title":{"type":"string"},
  "users":{"type":"array","items":{"$ref":"#/components/schemas/ListedUser"}},
  "model":{"$ref":"#/components/schemas/Model"}}},
"SimilarItems":{"type":"object","required":["item","title","items","model"],"properties":{
  "item":{"type":"string"},"title":{"type":"string"},
  "items":{"type":"array","items":{"$ref":"#/components/schemas/ListedItem"}},
  "model":{"$ref":"#/components/schemas/Model"}}},
"SimilarUsers":{"type":"object","required":["user","users","model"],"properties":{
  "user":{"type":"string"},"users":{"type":"array","items":{"$ref":"#/components/schemas/ListedUser"}},
  "model":{"$ref":"#/components/schemas/Model"}}},
"FoundItems":{"type":"object","required":["items","model"],"properties":{
  "items":{"type":"array","items":{"type":"object","required":["item","title","genres","ratings"],"properties":{
    "item":{"type":"string"},"title":{"type":"string"},
    "genres":{"type":"array","items":{"type":"string"}},
    "ratings":{"type":"integer","description":"In training."}}}},
  "model":{"$ref":"#/components/schemas/Model"}}},
"Predictions":{"type":"object","required":["predictions","model"],"properties":{
  "predictions":{"type":"array","items":{"type":"object","required":["user","item","score","source"],"properties":{
    "user":{"type":"string"},"item":{"type":"string"},"score":{"type":"number","nullable":true},
    "source":{"type":"string","enum":["model","popular","item_mean","user_mean","mean","none"]}}}},
  "model":{"$ref":"#/components/schemas/Model"}}},
"Readiness":{"type":"object","required":["ready"],"properties":{"ready":{"type":"boolean"}}},
"Description":{"type":"object"}
})";

void WriteWords(const std::vector<std::string>& words, JsonWriter& json) {
  json.BeginArray();
  for (const std::string& word : words) json.String(word);
  json.EndArray();
}

void WriteTextList(JsonWriter& json) {
  json.Member("type", "array");
  json.Key("items");
  json.BeginObject();
  json.Member("type", "string");
  json.EndObject();
}

// Of a list that may not be empty.
void WriteLength(const ArgumentNote& note, JsonWriter& json) {
  if (note.most == 0) return;
  json.Member("minItems", 1);
  json.Member("maxItems", note.most);
}

// The schema of an argument, without its braces.
void WriteType(const ArgumentNote& note, JsonWriter& json) {
  switch (note.type) {
    case Type::kText:
      json.Member("type", "string");
      break;
    case Type::kCount:
      json.Member("type", "integer");
      json.Member("minimum", note.least);
      if (note.most > 0) json.Member("maximum", note.most);
      break;
    case Type::kShare:
      json.Member("type", "number");
      json.Member("minimum", 0);
      json.Member("maximum", 1);
      break;
    case Type::kWord:
      json.Member("type", "string");
      json.Key("enum");
      WriteWords(note.words, json);
      break;
    case Type::kTexts:
      WriteTextList(json);
      WriteLength(note, json);
      break;
    case Type::kRecords:
      json.Member("type", "array");
      WriteLength(note, json);
      json.Key("items");
      json.BeginObject();
      json.Member("type", "object");
      json.Key("required");
      WriteWords(note.words, json);
      json.Key("properties");
      json.BeginObject();
      for (const std::string& member : note.words) {
        json.Key(member);
        json.BeginObject();
        const bool number = std::ranges::find(note.numbers, member) != note.numbers.end();
        json.Member("type", number ? "number" : "string");
        json.EndObject();
      }
      json.EndObject();
      json.EndObject();
      break;
  }
}

void WriteParameters(const HttpEndpoint& endpoint, JsonWriter& json) {
  json.Key("parameters");
  json.BeginArray();
  for (const ArgumentNote& note : endpoint.arguments) {
    if (note.place == Place::kBody) continue;
    json.BeginObject();
    json.Member("name", note.name);
    json.Member("in", note.place == Place::kPath ? "path" : "query");
    json.Member("required", note.required);
    json.Member("description", note.what);
    json.Key("schema");
    json.BeginObject();
    WriteType(note, json);
    json.EndObject();
    json.EndObject();
  }
  json.EndArray();
}

// That one of these members is there, and no other of them.
void WriteOneOf(const std::vector<std::string>& names, JsonWriter& json) {
  if (names.empty()) return;
  json.Key("oneOf");
  json.BeginArray();
  for (const std::string& name : names) {
    json.BeginObject();
    json.Key("required");
    WriteWords({name}, json);
    json.EndObject();
  }
  json.EndArray();
}

void WriteBody(const HttpEndpoint& endpoint, JsonWriter& json) {
  std::vector<std::string> required;
  bool any = false;
  for (const ArgumentNote& note : endpoint.arguments) {
    if (note.place != Place::kBody) continue;
    any = true;
    if (note.required) required.push_back(note.name);
  }
  if (!any) return;
  json.Key("requestBody");
  json.BeginObject();
  json.Member("required", true);
  json.Key("content");
  json.BeginObject();
  json.Key("application/json");
  json.BeginObject();
  json.Key("schema");
  json.BeginObject();
  json.Member("type", "object");
  if (!required.empty()) {
    json.Key("required");
    WriteWords(required, json);
  }
  WriteOneOf(endpoint.one_of, json);
  json.Member("additionalProperties", false);
  json.Key("properties");
  json.BeginObject();
  for (const ArgumentNote& note : endpoint.arguments) {
    if (note.place != Place::kBody) continue;
    json.Key(note.name);
    json.BeginObject();
    WriteType(note, json);
    json.Member("description", note.what);
    json.EndObject();
  }
  for (int k = 0; k < 5; ++k) json.EndObject();
}

void WriteResponse(int status, const std::string& what, const std::string& type,
                   const std::string& schema, JsonWriter& json) {
  json.Key(absl::StrCat(status));
  json.BeginObject();
  json.Member("description", what);
  json.Key("content");
  json.BeginObject();
  json.Key(type);
  json.BeginObject();
  json.Key("schema");
  json.BeginObject();
  if (schema.empty()) {
    json.Member("type", "string");
  } else {
    json.Member("$ref", absl::StrCat("#/components/schemas/", schema).c_str());
  }
  for (int k = 0; k < 4; ++k) json.EndObject();
}

void WriteOperation(const HttpEndpoint& endpoint, JsonWriter& json) {
  std::string method = endpoint.route.method;
  std::transform(method.begin(), method.end(), method.begin(),
                 [](char c) { return static_cast<char>(c - 'A' + 'a'); });
  json.Key(method);
  json.BeginObject();
  json.Member("operationId", endpoint.name);
  json.Member("summary", endpoint.what);
  WriteParameters(endpoint, json);
  WriteBody(endpoint, json);
  json.Key("responses");
  json.BeginObject();
  WriteResponse(200, "The answer.", endpoint.answer.empty() ? "text/plain" : "application/json",
                endpoint.answer, json);
  std::set<int> refusals(endpoint.refusals.begin(), endpoint.refusals.end());
  if (!endpoint.route.at_once) refusals.insert({400, 503});
  if (!endpoint.route.without_token) refusals.insert(401);
  for (const int status : refusals) {
    WriteResponse(status, ReasonPhrase(status), "application/json", "Error", json);
  }
  json.EndObject();
  json.EndObject();
}

}  // namespace

std::string Describe(std::span<const HttpEndpoint> endpoints) {
  JsonWriter json;
  json.BeginObject();
  json.Member("openapi", "3.0.3");
  json.Key("info");
  json.BeginObject();
  json.Member("title", "cfserve");
  json.Member("version", "1");
  json.Member("description", "Recommendations and predictions of a trained model.");
  json.EndObject();
  json.Key("paths");
  json.BeginObject();
  std::map<std::string, std::vector<const HttpEndpoint*>> by_path;
  for (const HttpEndpoint& endpoint : endpoints)
    by_path[endpoint.route.pattern].push_back(&endpoint);
  for (const auto& [path, of_path] : by_path) {
    json.Key(path);
    json.BeginObject();
    for (const HttpEndpoint* endpoint : of_path) WriteOperation(*endpoint, json);
    json.EndObject();
  }
  json.EndObject();
  json.Key("components");
  json.BeginObject();
  json.Key("schemas");
  json.Raw(kSchemas);
  json.EndObject();
  json.EndObject();
  return json.Take();
}

}  // namespace cf

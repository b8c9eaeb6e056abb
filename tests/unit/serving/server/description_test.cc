// Goal: the description that is served is true. Method: every operation is asked, and its answer and
// its arguments are held against what is described.

#include <algorithm>
#include <map>
#include <set>

#include <absl/strings/str_split.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/serving/server/service_fixture.h"

namespace cf::description_test {
namespace {

using ::testing::HasSubstr;

class DescriptionTest : public ServiceTest {
 protected:
  void SetUp() override {
    Start();
    description_ = Get("/openapi.json").body;
  }

  /// Calls `visit(path, method, operation)` with each.
  template <class Visit>
  void ForOperations(Visit visit) {
    for (const auto& path : description_.at("paths").as_object()) {
      for (const auto& operation : path.value().as_object()) {
        visit(std::string(path.key()), std::string(operation.key()), operation.value());
      }
    }
  }

  std::string TargetOf(std::string path) const {
    const std::size_t place = path.find("{id}");
    if (place != std::string::npos) {
      path.replace(place, 4, path.starts_with("/v1/users") ? RawUser(0) : RawItem(0));
    }
    return path;
  }

  const json::value& Schema(const json::value& reference) const {
    const std::string name(reference.at("$ref").as_string());
    return description_.at("components").at("schemas").at(name.substr(name.rfind('/') + 1));
  }

  // All members that the schema promises, and no others.
  void ExpectOfSchema(const json::value& value, const json::value& schema,
                      const std::string& where) {
    if (schema.as_object().contains("$ref")) {
      ExpectOfSchema(value, Schema(schema), where);
    } else if (schema.as_object().contains("items")) {
      for (const json::value& one : value.as_array()) {
        ExpectOfSchema(one, schema.at("items"), where);
      }
    } else if (schema.as_object().contains("properties")) {
      ASSERT_TRUE(value.is_object()) << where;
      if (const auto* required = schema.as_object().if_contains("required")) {
        for (const json::value& name : required->as_array()) {
          EXPECT_TRUE(value.as_object().contains(name.as_string()))
              << where << " lacks " << name.as_string();
        }
      }
      for (const auto& member : value.as_object()) {
        const auto* of_member = schema.at("properties").as_object().if_contains(member.key());
        ASSERT_NE(of_member, nullptr) << where << " has " << member.key();
        ExpectOfSchema(member.value(), *of_member, where + "." + std::string(member.key()));
      }
    } else if (schema.as_object().contains("type")) {
      const auto& type = schema.at("type").as_string();
      EXPECT_EQ(type == "string", value.is_string()) << where;
      EXPECT_EQ(type == "boolean", value.is_bool()) << where;
      if (const auto* words = schema.as_object().if_contains("enum")) {
        const json::array& all = words->as_array();
        EXPECT_NE(std::find(all.begin(), all.end(), value), all.end()) << where;
      }
    }
  }

  json::value description_;
};

TEST_F(DescriptionTest, EveryAnswerIsOfItsSchema) {
  EXPECT_EQ(description_.at("openapi").as_string(), "3.0.3");
  const std::string given = R"("because":2,"exclude":["x"]})";
  const std::map<std::string, std::vector<std::string>> bodies = {
      {"/v1/predict",
       {R"({"pairs":[{"user":")" + RawUser(0) + R"(","item":")" + RawItem(0) + R"("}]})"}},
      // In the order of the schemas that an answer is one of.
      {"/v1/recommendations",
       {R"({"users":[")" + RawUser(0) + R"(","x"],)" + given,
        R"({"user":"x","ratings":[{"item":")" + RawItem(0) + R"(","rating":4}],)" + given}}};
  std::set<std::string> answered;
  ForOperations([&](const std::string& path, const std::string& method, const json::value& about) {
    std::string target = TargetOf(path);
    if (path == "/v1/items") target += "?query=film";
    if (path == "/v1/users/{id}/recommendations") target += "?because=2";
    std::vector<std::string> asked = {""};
    if (method == "post") asked = bodies.at(path);
    const json::object& content = about.at("responses").at("200").at("content").as_object();
    ASSERT_EQ(content.size(), 1U);
    const std::string type(content.begin()->key());
    answered.insert(method + " " + path);
    for (std::size_t k = 0; k < asked.size(); ++k) {
      const HttpAnswer answer =
          method == "post" ? client_->Post(target, asked[k]) : client_->Get(target);
      ASSERT_EQ(answer.status, 200) << target << answer.body;
      EXPECT_EQ(answer.headers.at("content-type").substr(0, type.size()), type);
      if (type != "application/json") continue;
      const json::value& schema = Schema(content.begin()->value().at("schema"));
      const auto* one_of = schema.as_object().if_contains("oneOf");
      EXPECT_EQ(one_of == nullptr ? 1 : one_of->as_array().size(), asked.size());
      ExpectOfSchema(json::parse(answer.body), one_of == nullptr ? schema : one_of->at(k), target);
    }
  });
  EXPECT_EQ(answered.size(), 13U);
  // What is described is all that is counted as answered by a route.
  const HttpAnswer metrics = client_->Get("/metrics");
  for (const std::string& name : answered) {
    EXPECT_THAT(metrics.body,
                HasSubstr("route=\"" + name.substr(name.find(' ') + 1) + "\",status=\"200\"} "));
  }
}

// A refusal of what nobody takes names all that is taken.
TEST_F(DescriptionTest, TheArgumentsAreThoseThatAreTaken) {
  ForOperations([&](const std::string& path, const std::string& method, const json::value& about) {
    if (!path.starts_with("/v1/")) return;
    const Answer answer =
        method == "post" ? Post(path, R"({"zzz":1})") : Get(TargetOf(path) + "?zzz=1");
    EXPECT_EQ(answer.status, 400) << path;
    static const std::string kBefore = "there is no 'zzz' here; there are: ";
    ASSERT_TRUE(answer.error().starts_with(kBefore)) << answer.error();
    std::set<std::string> taken;
    const std::string names = answer.error().substr(kBefore.size());
    for (const auto& name : absl::StrSplit(names, ", ", absl::SkipEmpty())) {
      taken.emplace(name.data(), name.size());
    }
    std::set<std::string> described;
    for (const json::value& parameter : about.at("parameters").as_array()) {
      if (parameter.at("in").as_string() == "query") {
        described.insert(std::string(parameter.at("name").as_string()));
      }
    }
    if (method == "post") {
      const json::value& body =
          about.at("requestBody").at("content").at("application/json").at("schema");
      for (const auto& member : body.at("properties").as_object()) {
        described.insert(std::string(member.key()));
      }
    }
    EXPECT_EQ(taken, described) << path;
  });
}

TEST_F(DescriptionTest, NumbersHaveTheBoundsThatAreDescribed) {
  int bounds = 0;
  const auto expect_bounds = [&](const std::string& name, const json::value& schema,
                                 const auto& ask) {
    const auto* type = schema.as_object().if_contains("type");
    if (type == nullptr) return;
    if (type->as_string() != "integer" && type->as_string() != "number") return;
    const auto* least = schema.as_object().if_contains("minimum");
    const auto* most = schema.as_object().if_contains("maximum");
    ASSERT_NE(least, nullptr) << name;
    ASSERT_NE(most, nullptr) << name;
    // At a bound what is wrong, if anything, is something else.
    const std::string reason = "'" + name + "' is a ";
    EXPECT_THAT(ask(least->to_number<double>()), testing::Not(HasSubstr(reason)));
    EXPECT_THAT(ask(least->to_number<double>() - 1), HasSubstr(reason));
    EXPECT_THAT(ask(most->to_number<double>()), testing::Not(HasSubstr(reason)));
    EXPECT_THAT(ask(most->to_number<double>() + 1), HasSubstr(reason));
    ++bounds;
  };
  ForOperations([&](const std::string& path, const std::string& method, const json::value& about) {
    if (method == "post") {
      const json::value& body =
          about.at("requestBody").at("content").at("application/json").at("schema");
      for (const auto& member : body.at("properties").as_object()) {
        const std::string name(member.key());
        expect_bounds(name, member.value(), [&](double value) {
          const auto whole = static_cast<std::int64_t>(value);
          return Post(path, json::serialize(json::object{{name, whole}})).error();
        });
      }
      return;
    }
    for (const json::value& parameter : about.at("parameters").as_array()) {
      const std::string name(parameter.at("name").as_string());
      expect_bounds(name, parameter.at("schema"), [&](double value) {
        const auto whole = std::to_string(static_cast<std::int64_t>(value));
        return Get(TargetOf(path) + "?" + name + "=" + whole).error();
      });
    }
  });
  EXPECT_EQ(bounds, 13);
}

}  // namespace
}  // namespace cf::description_test

#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "serving/server/service.h"
#include "tests/support/http_client.h"
#include "tests/unit/serving/test_model.h"

namespace cf {

namespace json = boost::json;

/// A served snapshot of WriteTestData's data, and the same model opened beside it.
///
/// Owner:   the test.
/// Threads: one.
class ServiceTest : public testing::Test {
 protected:
  ServiceTest() {
    WriteTestData(folder_.At("data"));
    data_.emplace(*Dataset::Open(folder_.At("data")));
    path_ = WriteTestSnapshot(folder_.At("run"), *data_);
    open_ = OpenModel::Open({.snapshot = path_}).value();
  }

  void Start(ModelService::Options options = {}) {
    if (options.paths.model.snapshot.empty()) options.paths.model.snapshot = path_;
    service_ = ModelService::Start(std::move(options)).value();
    client_.emplace(service_->port());
  }

  /// The status and the body, which is JSON.
  struct Answer {
    int status = 0;
    json::value body;
    std::string error() const {
      const auto* reason = body.as_object().if_contains("error");
      return reason == nullptr ? "" : std::string(reason->as_string());
    }
  };
  static Answer Read(const HttpAnswer& answer) {
    return {.status = answer.status, .body = json::parse(answer.body)};
  }
  Answer Get(const std::string& target) { return Read(client_->Get(target)); }
  Answer Post(const std::string& target, const std::string& body) {
    return Read(client_->Post(target, body));
  }

  /// The list as an answer has it.
  struct Listed {
    std::string item;
    float score = 0;
    bool operator==(const Listed&) const = default;
  };
  static std::vector<Listed> ItemsOf(const json::value& list) {
    std::vector<Listed> items;
    std::int64_t rank = 0;
    for (const json::value& item : list.at("items").as_array()) {
      EXPECT_EQ(item.at("rank").to_number<std::int64_t>(), ++rank);
      items.push_back({.item = std::string(item.at("item").as_string()),
                       .score = static_cast<float>(item.at("score").to_number<double>())});
    }
    return items;
  }
  static std::vector<Listed> Expected(const OpenModel& open, RowId user,
                                      const ListOptions& options) {
    std::vector<Listed> items;
    for (const ScoredRow& row : open.recommender().TopItems(user, options).items) {
      items.push_back(
          {.item = open.data().item_raw_id(row.id), .score = open.model().Predict(user, row.id)});
    }
    return items;
  }
  std::string RawUser(std::uint32_t user) const { return open_->data().user_raw_id(RowId{user}); }
  std::string RawItem(std::uint32_t item) const { return open_->data().item_raw_id(RowId{item}); }

  TestFolder folder_;
  std::optional<Dataset> data_;
  std::string path_;
  std::unique_ptr<OpenModel> open_;
  std::unique_ptr<ModelService> service_;
  std::optional<HttpClient> client_;
};

}  // namespace cf

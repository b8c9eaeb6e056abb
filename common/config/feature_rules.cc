#include "common/config/feature_rules.h"

#include <string>

#include <absl/strings/str_cat.h>
#include <google/protobuf/repeated_ptr_field.h>

#include "common/config/fields.h"

namespace cf::config {
namespace {

using Features = google::protobuf::RepeatedPtrField<Feature>;

std::string SourceName(const Feature& feature) {
  return Feature::Source_Name(feature.source());
}

/// A table is named after its source, so there is one of each.
absl::Status CheckDifferent(const Features& features, const std::string& path) {
  for (int k = 0; k < features.size(); ++k) {
    for (int earlier = 0; earlier < k; ++earlier) {
      if (features[earlier].source() != features[k].source()) continue;
      return Refusal(absl::StrCat(path, ".", k, ".source"), SourceName(features[k]),
                     absl::StrCat("another source, as ", path, ".", earlier, " has this one"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckFactorizationFeatures(const MatrixFactorization& model) {
  const std::string path = "model.matrix_factorization.feature";
  for (int k = 0; k < model.feature_size(); ++k) {
    const Feature& feature = model.feature(k);
    const std::string feature_path = absl::StrCat(path, ".", k);
    if (feature.source() == Feature::TIMESTAMP_YEAR ||
        feature.source() == Feature::TIMESTAMP_WEEKDAY) {
      return Refusal(feature_path + ".source", SourceName(feature),
                     "ITEM_GENRES or USER_HISTORY, as a factorisation has vectors of users and "
                     "items only");
    }
    if (feature.dim() != model.dim()) {
      return Refusal(feature_path + ".dim", absl::StrCat(feature.dim()),
                     absl::StrCat("the model's dim (", model.dim(),
                                  "), as its vectors are added to those of users or items"));
    }
    if (feature.l2_biases() != 0 && !model.biases()) {
      return Refusal(feature_path + ".l2_biases", absl::StrCat(feature.l2_biases()),
                     "0, as the model has no biases");
    }
  }
  return CheckDifferent(model.feature(), path);
}

absl::Status CheckRankerFeatures(const Ranker& model) {
  const std::string path = "model.ranker.feature";
  for (int k = 0; k < model.feature_size(); ++k) {
    if (model.feature(k).l2_biases() == 0) continue;
    return Refusal(absl::StrCat(path, ".", k, ".l2_biases"),
                   absl::StrCat(model.feature(k).l2_biases()), "0, as a ranker has no biases");
  }
  return CheckDifferent(model.feature(), path);
}

std::optional<std::string> WhyNotRanked(const Job& job) {
  if (job.model().ranker().feature_size() == 0) return std::nullopt;
  return "a figure of ratings, as the model is a ranker with features";
}

}  // namespace cf::config

#include "common/config/model_rules.h"

#include <cstdint>
#include <string>

#include <absl/strings/str_cat.h>

#include "common/config/feature_rules.h"
#include "common/config/fields.h"

namespace cf::config {
namespace {

// A layer is one row, which travels whole, for every step, in a frame of at most 256 MiB.
constexpr std::uint64_t kLayerWeightsMax = std::uint64_t{1} << 22;
constexpr int kLayersMax = 16;
absl::Status CheckInitial(const Initial& initial, const std::string& path) {
  if (!initial.has_uniform() || initial.uniform().min() < initial.uniform().max()) {
    return absl::OkStatus();
  }
  return Refusal(path + ".uniform.max", NumberText(initial.uniform().max()),
                 absl::StrCat("more than uniform.min (", NumberText(initial.uniform().min()), ")"));
}

absl::Status CheckFeatureValues(const google::protobuf::RepeatedPtrField<Feature>& features,
                                const std::string& path) {
  absl::Status valid;
  for (int k = 0; k < features.size(); ++k) {
    valid.Update(
        CheckInitial(features[k].vectors(), absl::StrCat(path, ".feature.", k, ".vectors")));
  }
  return valid;
}

/// What biases need to start as those of a mean and biases alone.
absl::Status CheckBaseline(const MatrixFactorization& model, const std::string& path) {
  const char* const because = "as start_from_baseline is true";
  if (!model.biases()) {
    return Refusal(path + ".biases", "false", absl::StrCat("true, ", because));
  }
  if (model.negatives() > 0) {
    return Refusal(path + ".negatives", absl::StrCat(model.negatives()),
                   absl::StrCat("0, ", because, ", and the baseline is of ratings"));
  }
  if (model.has_bias_values() && !model.bias_values().has_zeros()) {
    return Refusal(path + ".bias_values", "given", absl::StrCat("none, ", because));
  }
  return absl::OkStatus();
}

absl::Status CheckFactorization(const MatrixFactorization& model) {
  const std::string path = "model.matrix_factorization";
  if (model.dim() == 0 && !model.biases() && !model.mean()) {
    return absl::InvalidArgumentError(
        path + " has neither vectors (dim is 0) nor biases nor mean; expected one of them");
  }
  if (model.mean() && model.link() != Fit::IDENTITY && model.link() != Fit::STANDARDIZED) {
    return Refusal(path + ".mean", "true",
                   absl::StrCat("false, as link is ", Fit::Link_Name(model.link()),
                                " and not IDENTITY or STANDARDIZED"));
  }
  if (model.loss() == Fit::BCE && model.link() != Fit::SIGMOID) {
    return Refusal(path + ".link", Fit::Link_Name(model.link()), "SIGMOID, as loss is BCE");
  }
  if (model.negatives() > 0 && model.loss() != Fit::BCE) {
    return Refusal(path + ".negatives", absl::StrCat(model.negatives()),
                   "0, or link SIGMOID and loss BCE, as positives are 1 and negatives 0");
  }
  absl::Status valid = CheckInitial(model.vectors(), path + ".vectors");
  valid.Update(CheckInitial(model.bias_values(), path + ".bias_values"));
  if (model.start_from_baseline()) valid.Update(CheckBaseline(model, path));
  valid.Update(CheckFeatureValues(model.feature(), path));
  return valid.ok() ? CheckFactorizationFeatures(model) : valid;
}

using Layers = google::protobuf::RepeatedPtrField<Dense>;

/// Layers that follow each other from `inputs` numbers on, each by itself.
absl::Status CheckLayers(const Layers& layers, std::uint64_t inputs, const std::string& path) {
  for (int l = 0; l < layers.size(); ++l) {
    const Dense& layer = layers[l];
    const std::string layer_path = absl::StrCat(path, ".", l);
    const std::uint64_t weights = (inputs + 1) * layer.units();
    if (weights > kLayerWeightsMax) {
      return Refusal(
          layer_path + ".units", absl::StrCat(layer.units()),
          absl::StrCat("at most ", kLayerWeightsMax / (inputs + 1), ", as ", inputs,
                       " inputs feed it and a layer has at most ", kLayerWeightsMax, " weights"));
    }
    inputs = layer.units();
    absl::Status initial = CheckInitial(layer.kernel(), layer_path + ".kernel");
    initial.Update(CheckInitial(layer.bias(), layer_path + ".bias"));
    if (!initial.ok()) return initial;
  }
  return absl::OkStatus();
}

absl::Status CheckRankerLayers(const Ranker& model) {
  const std::string path = "model.ranker.dense";
  if (model.dense_size() < 1 || model.dense_size() > kLayersMax) {
    return absl::InvalidArgumentError(absl::StrCat(path, " has ", model.dense_size(),
                                                   " layers; expected 1 to ", kLayersMax,
                                                   ", the last with 1 unit"));
  }
  const int last = model.dense_size() - 1;
  const std::string last_path = absl::StrCat(path, ".", last);
  const Dense& output = model.dense(last);
  if (output.units() != 1) {
    return Refusal(last_path + ".units", absl::StrCat(output.units()),
                   "1, as the last layer's output is the prediction");
  }
  if (output.activation() != Dense::LINEAR) {
    return Refusal(last_path + ".activation", Dense::Activation_Name(output.activation()),
                   "LINEAR, as what follows the last layer is the link");
  }
  if (output.dropout() != 0) {
    return Refusal(last_path + ".dropout", NumberText(output.dropout()),
                   "0, as the last layer's output is the prediction");
  }
  std::uint64_t inputs = std::uint64_t{model.user().dim()} + model.item().dim();
  for (const Feature& feature : model.feature()) inputs += feature.dim();
  return CheckLayers(model.dense(), inputs, path);
}

absl::Status CheckRanker(const Ranker& model) {
  const std::string path = "model.ranker";
  if (model.loss() == Fit::BCE && model.link() != Fit::SIGMOID) {
    return Refusal(path + ".link", Fit::Link_Name(model.link()), "SIGMOID, as loss is BCE");
  }
  absl::Status vectors = CheckInitial(model.user().vectors(), path + ".user.vectors");
  vectors.Update(CheckInitial(model.item().vectors(), path + ".item.vectors"));
  vectors.Update(CheckFeatureValues(model.feature(), path));
  vectors.Update(CheckRankerFeatures(model));
  return vectors.ok() ? CheckRankerLayers(model) : vectors;
}

absl::Status CheckTower(const Tower& tower, const std::string& path) {
  if (tower.dense_size() > kLayersMax) {
    return absl::InvalidArgumentError(absl::StrCat(path, ".dense has ", tower.dense_size(),
                                                   " layers; expected at most ", kLayersMax));
  }
  const absl::Status vectors = CheckInitial(tower.vectors(), path + ".vectors");
  return vectors.ok() ? CheckLayers(tower.dense(), tower.dim(), path + ".dense") : vectors;
}

/// The field that decides how long a tower's output is, and its value.
struct Width {
  std::string field;
  std::uint32_t value;
};
Width WidthOf(const Tower& tower) {
  const int layers = tower.dense_size();
  if (layers == 0) return {"dim", tower.dim()};
  return {absl::StrCat("dense.", layers - 1, ".units"), tower.dense(layers - 1).units()};
}

absl::Status CheckRetrieval(const Retrieval& model) {
  const std::string path = "model.retrieval";
  const Width user = WidthOf(model.user());
  const Width item = WidthOf(model.item());
  if (user.value != item.value) {
    return Refusal(absl::StrCat(path, ".item.", item.field), absl::StrCat(item.value),
                   absl::StrCat("user.", user.field, " (", user.value,
                                "), as a score is the dot product of the towers' outputs"));
  }
  absl::Status towers = CheckTower(model.user(), path + ".user");
  towers.Update(CheckTower(model.item(), path + ".item"));
  return towers;
}

}  // namespace

absl::Status CheckModel(const Model& model) {
  switch (model.kind_case()) {
    case Model::kMatrixFactorization:
      return CheckFactorization(model.matrix_factorization());
    case Model::kRanker:
      return CheckRanker(model.ranker());
    case Model::kRetrieval:
      return CheckRetrieval(model.retrieval());
    case Model::kPopularity:
      return absl::OkStatus();
    case Model::KIND_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError(
      "model names no kind; expected matrix_factorization, ranker, retrieval or popularity");
}

}  // namespace cf::config

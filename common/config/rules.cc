// What a job's fields may be: defaults, ranges, and what must stay the same when a run goes on.

#include <bit>
#include <cfloat>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>

#include "common/base/check.h"
#include "common/base/partition.h"
#include "common/config/config.h"
#include "common/config/feature_rules.h"
#include "common/config/fields.h"
#include "common/metrics/names.h"

namespace cf {
namespace {

using config::ExpectedText;
using config::JoinPath;
using config::NumberText;
using config::Quoted;
using config::ValueText;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::OneofDescriptor;
using google::protobuf::Reflection;

/// Makes the defaults of scalars explicit, in all messages but those of kinds not chosen.
void FillScalars(Message& message) {
  const Reflection& reflection = *message.GetReflection();
  const Descriptor& descriptor = *message.GetDescriptor();
  for (int k = 0; k < descriptor.field_count(); ++k) {
    const FieldDescriptor* field = descriptor.field(k);
    if (field->is_repeated()) {  // A list that is not given is empty.
      if (field->message_type() == nullptr) continue;
      for (int n = 0; n < reflection.FieldSize(message, field); ++n) {
        FillScalars(*reflection.MutableRepeatedMessage(&message, field, n));
      }
      continue;
    }
    const bool present = reflection.HasField(message, field);
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        if (present || field->containing_oneof() == nullptr) {
          FillScalars(*reflection.MutableMessage(&message, field));
        }
        break;
      case FieldDescriptor::CPPTYPE_UINT32:
        if (!present) reflection.SetUInt32(&message, field, field->default_value_uint32());
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        if (!present) reflection.SetUInt64(&message, field, field->default_value_uint64());
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        if (!present) reflection.SetDouble(&message, field, field->default_value_double());
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        if (!present) reflection.SetBool(&message, field, field->default_value_bool());
        break;
      case FieldDescriptor::CPPTYPE_STRING:
        if (!present) reflection.SetString(&message, field, field->default_value_string());
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        if (!present) reflection.SetEnum(&message, field, field->default_value_enum());
        break;
      default:
        Check(false, "the schema has no field of another type");
    }
  }
}

/// The range of a number: from `low` to `high`, and in words.
struct Range {
  const char* path;
  double low;
  bool low_included;
  double high;
  bool high_included;
  const char* expected;

  bool Contains(double value) const {
    return (low_included ? value >= low : value > low) &&
           (high_included ? value <= high : value < high);
  }
};

// A layer is one row, which travels whole, for every step, in a frame of at most 256 MiB.
constexpr std::uint64_t kLayerWeightsMax = std::uint64_t{1} << 22;
constexpr int kLayersMax = 16;
// The squares of a norm that is not much smaller than this are no denormals in float.
constexpr double kClipNormMin = 1e-15;

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

// By path, without the number of a layer. Numbers not listed may have any (finite) value. An
// epsilon must not vanish in float: it keeps a row that has seen no gradient from 0 / 0.
constexpr Range kRanges[] = {
    {"split.random.fraction", 0, false, 1, false, "a number between 0 and 1"},
    {"split.global_time.fraction", 0, false, 1, false, "a number between 0 and 1"},
    {"model.matrix_factorization.dim", 0, true, 4096, true, "at most 4096"},
    {"model.matrix_factorization.vectors.normal.deviation", 0, true, kNoLimit, false, "at least 0"},
    {"model.matrix_factorization.bias_values.normal.deviation", 0, true, kNoLimit, false,
     "at least 0"},
    {"model.matrix_factorization.l2_vectors", 0, true, kNoLimit, false, "at least 0"},
    {"model.matrix_factorization.l2_biases", 0, true, kNoLimit, false, "at least 0"},
    {"model.matrix_factorization.feature.vectors.normal.deviation", 0, true, kNoLimit, false,
     "at least 0"},
    {"model.matrix_factorization.feature.l2", 0, true, kNoLimit, false, "at least 0"},
    {"model.matrix_factorization.feature.l2_biases", 0, true, kNoLimit, false, "at least 0"},
    {"model.matrix_factorization.negatives", 0, true, 1000, true, "at most 1000"},
    {"model.ranker.user.dim", 1, true, 4096, true, "1 to 4096"},
    {"model.ranker.user.vectors.normal.deviation", 0, true, kNoLimit, false, "at least 0"},
    {"model.ranker.user.l2", 0, true, kNoLimit, false, "at least 0"},
    {"model.ranker.item.dim", 1, true, 4096, true, "1 to 4096"},
    {"model.ranker.item.vectors.normal.deviation", 0, true, kNoLimit, false, "at least 0"},
    {"model.ranker.item.l2", 0, true, kNoLimit, false, "at least 0"},
    {"model.ranker.dropout", 0, true, 1, false, "at least 0 and less than 1"},
    {"model.ranker.dense.units", 1, true, 4096, true, "1 to 4096"},
    {"model.ranker.dense.dropout", 0, true, 1, false, "at least 0 and less than 1"},
    {"model.ranker.dense.kernel.normal.deviation", 0, true, kNoLimit, false, "at least 0"},
    {"model.ranker.dense.bias.normal.deviation", 0, true, kNoLimit, false, "at least 0"},
    {"model.ranker.feature.dim", 1, true, 4096, true, "1 to 4096"},
    {"model.ranker.feature.vectors.normal.deviation", 0, true, kNoLimit, false, "at least 0"},
    {"model.ranker.feature.l2", 0, true, kNoLimit, false, "at least 0"},
    {"model.retrieval.user.dim", 1, true, 4096, true, "1 to 4096"},
    {"model.retrieval.user.vectors.normal.deviation", 0, true, kNoLimit, false, "at least 0"},
    {"model.retrieval.user.l2", 0, true, kNoLimit, false, "at least 0"},
    {"model.retrieval.user.dense.units", 1, true, 4096, true, "1 to 4096"},
    {"model.retrieval.user.dense.dropout", 0, true, 1, false, "at least 0 and less than 1"},
    {"model.retrieval.user.dense.kernel.normal.deviation", 0, true, kNoLimit, false, "at least 0"},
    {"model.retrieval.user.dense.bias.normal.deviation", 0, true, kNoLimit, false, "at least 0"},
    {"model.retrieval.item.dim", 1, true, 4096, true, "1 to 4096"},
    {"model.retrieval.item.vectors.normal.deviation", 0, true, kNoLimit, false, "at least 0"},
    {"model.retrieval.item.l2", 0, true, kNoLimit, false, "at least 0"},
    {"model.retrieval.item.dense.units", 1, true, 4096, true, "1 to 4096"},
    {"model.retrieval.item.dense.dropout", 0, true, 1, false, "at least 0 and less than 1"},
    {"model.retrieval.item.dense.kernel.normal.deviation", 0, true, kNoLimit, false, "at least 0"},
    {"model.retrieval.item.dense.bias.normal.deviation", 0, true, kNoLimit, false, "at least 0"},
    {"model.retrieval.temperature", 1e-6, true, kNoLimit, false, "at least 1e-6"},
    {"optimizer.adam.learning_rate", 0, false, kNoLimit, false, "more than 0"},
    {"optimizer.adam.beta1", 0, true, 1, false, "at least 0 and less than 1"},
    {"optimizer.adam.beta2", 0, true, 1, false, "at least 0 and less than 1"},
    {"optimizer.adam.epsilon", 1e-30, true, kNoLimit, false, "at least 1e-30"},
    {"optimizer.adagrad.learning_rate", 0, false, kNoLimit, false, "more than 0"},
    {"optimizer.adagrad.initial_accumulator", 0, true, kNoLimit, false, "at least 0"},
    {"optimizer.adagrad.epsilon", 1e-30, true, kNoLimit, false, "at least 1e-30"},
    {"optimizer.sgd.learning_rate", 0, false, kNoLimit, false, "more than 0"},
    {"optimizer.schedule.step.every_epochs", 1, true, kNoLimit, false, "at least 1"},
    {"optimizer.schedule.step.decay", 0, false, 1, true, "more than 0 and at most 1"},
    {"optimizer.schedule.exponential.decay", 0, false, 1, true, "more than 0 and at most 1"},
    {"optimizer.schedule.cosine.epochs", 1, true, kNoLimit, false, "at least 1"},
    {"optimizer.schedule.cosine.floor", 0, true, 1, true, "a number from 0 to 1"},
    {"optimizer.schedule.plateau.patience", 1, true, kNoLimit, false, "at least 1"},
    {"optimizer.schedule.plateau.factor", 0, false, 1, false, "a number between 0 and 1"},
    {"optimizer.schedule.plateau.min_factor", 0, true, 1, true, "a number from 0 to 1"},
    {"optimizer.schedule.plateau.min_delta", 0, true, kNoLimit, false, "at least 0"},
    {"train.batch_size", 1, true, kNoLimit, false, "at least 1"},
    {"train.epochs", 1, true, kNoLimit, false, "at least 1"},
    {"train.delay", 0, true, 0, true, "0, the only delay so far"},
    {"validation.every_epochs", 1, true, kNoLimit, false, "at least 1"},
    {"early_stopping.min_delta", 0, true, kNoLimit, false, "at least 0"},
    {"snapshot.keep", 1, true, kNoLimit, false, "at least 1"},
    {"cluster.timeout_seconds", 1, true, kNoLimit, false, "at least 1"},
};

absl::Status Refusal(const std::string& path, const std::string& value,
                     const std::string& expected) {
  return absl::InvalidArgumentError(absl::StrCat(path, " is ", value, "; expected ", expected));
}

/// A number of any type; nothing for other fields.
std::optional<double> NumberOf(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection.GetUInt32(message, &field);
    case FieldDescriptor::CPPTYPE_UINT64:
      return static_cast<double>(reflection.GetUInt64(message, &field));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection.GetDouble(message, &field);
    default:
      return std::nullopt;
  }
}

/// "model.ranker.dense.0.units" -> "model.ranker.dense.units".
std::string WithoutNumbers(const std::string& path) {
  std::vector<std::string> names = absl::StrSplit(path, '.');
  std::erase_if(names, [](const std::string& name) { return absl::ascii_isdigit(name[0]); });
  return absl::StrJoin(names, ".");
}

absl::Status CheckField(const Message& message, const FieldDescriptor& field,
                        const std::string& path) {
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM &&
      message.GetReflection()->GetEnum(message, &field)->number() == 0) {
    return Refusal(path, ValueText(message, field), ExpectedText(field));
  }
  const std::optional<double> number = NumberOf(message, field);
  if (!number.has_value()) return absl::OkStatus();
  const std::string rule = WithoutNumbers(path);
  for (const Range& range : kRanges) {
    if (rule == range.path && !range.Contains(*number)) {
      return Refusal(path, ValueText(message, field), range.expected);
    }
  }
  // The arithmetic is in float, where a larger number would be infinite.
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE && !(std::fabs(*number) <= FLT_MAX)) {
    return Refusal(path, ValueText(message, field), "a finite number");
  }
  return absl::OkStatus();
}

/// Each field by itself, in the schema's order.
absl::Status CheckFields(const Message& message, const std::string& path) {
  const Reflection& reflection = *message.GetReflection();
  const Descriptor& descriptor = *message.GetDescriptor();
  for (int k = 0; k < descriptor.field_count(); ++k) {
    const FieldDescriptor* field = descriptor.field(k);
    const std::string field_path = JoinPath(path, field->name());
    if (field->is_repeated()) {
      if (field->message_type() == nullptr) continue;
      for (int n = 0; n < reflection.FieldSize(message, field); ++n) {
        const absl::Status status = CheckFields(reflection.GetRepeatedMessage(message, field, n),
                                                JoinPath(field_path, absl::StrCat(n)));
        if (!status.ok()) return status;
      }
      continue;
    }
    if (!reflection.HasField(message, field)) continue;
    const absl::Status status = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE
                                    ? CheckFields(reflection.GetMessage(message, field), field_path)
                                    : CheckField(message, *field, field_path);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

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

absl::Status CheckFactorization(const MatrixFactorization& model) {
  const std::string path = "model.matrix_factorization";
  if (model.dim() == 0 && !model.biases() && !model.mean()) {
    return absl::InvalidArgumentError(
        path + " has neither vectors (dim is 0) nor biases nor mean; expected one of them");
  }
  if (model.mean() && model.link() != MatrixFactorization::IDENTITY) {
    return Refusal(path + ".mean", "true",
                   absl::StrCat("false, as link is ", MatrixFactorization::Link_Name(model.link()),
                                " and not IDENTITY"));
  }
  if (model.loss() == MatrixFactorization::BCE && model.link() != MatrixFactorization::SIGMOID) {
    return Refusal(path + ".link", MatrixFactorization::Link_Name(model.link()),
                   "SIGMOID, as loss is BCE");
  }
  if (model.negatives() > 0 && model.loss() != MatrixFactorization::BCE) {
    return Refusal(path + ".negatives", absl::StrCat(model.negatives()),
                   "0, or link SIGMOID and loss BCE, as positives are 1 and negatives 0");
  }
  absl::Status valid = CheckInitial(model.vectors(), path + ".vectors");
  valid.Update(CheckInitial(model.bias_values(), path + ".bias_values"));
  valid.Update(CheckFeatureValues(model.feature(), path));
  return valid.ok() ? config::CheckFactorizationFeatures(model) : valid;
}

/// Whether validation can compute `metric`, which field `path` names.
absl::Status CheckMetric(const Job& job, const std::string& path, const std::string& metric) {
  if (!IsMetric(metric)) return Refusal(path, Quoted(metric), kMetricNames);
  const std::optional<std::string> no_candidates = config::WhyNotRanked(job);
  if (ParseRankingMetric(metric).has_value() && no_candidates.has_value()) {
    return Refusal(path, metric, *no_candidates);
  }
  const MatrixFactorization::Loss loss = job.model().has_ranker()
                                             ? job.model().ranker().loss()
                                             : job.model().matrix_factorization().loss();
  const bool crossentropy = loss == MatrixFactorization::BCE;
  if (metric == "val_bce" && !crossentropy) {
    return Refusal(path, metric, "another figure, as the model's loss is not BCE");
  }
  if (IsOfRatings(metric) && !PredictsRatings(job)) {
    return Refusal(path, metric, "another figure, as the model predicts no ratings");
  }
  return absl::OkStatus();
}

/// Whether every epoch that is to decide something with `monitor`, which field `path` names, can.
absl::Status CheckMonitor(const Job& job, const std::string& path, const std::string& monitor) {
  const bool validates = job.split().kind_case() != Split::KIND_NOT_SET;
  const absl::Status known = CheckMetric(job, path, monitor);
  if (!known.ok()) return known;
  if (!validates && !IsOfTraining(monitor)) {
    return Refusal(path, monitor,
                   absl::StrCat(PredictsRatings(job) ? "train_loss or train_rmse" : "train_loss",
                                ", as there is no split to validate on"));
  }
  if (monitor == "train_rmse" && !job.train().metrics()) {
    return Refusal(path, monitor, "another figure, as train.metrics is false");
  }
  const std::uint32_t every = job.validation().every_epochs();
  if (!IsOfTraining(monitor) && every > job.train().epochs()) {
    return Refusal("validation.every_epochs", absl::StrCat(every),
                   absl::StrCat("at most train.epochs (", job.train().epochs(), "), as ", path,
                                " is ", monitor));
  }
  return absl::OkStatus();
}

/// The figures that the job asks for, and whether there will be what they are computed from.
absl::Status CheckFigures(const Job& job) {
  const bool validates = job.split().kind_case() != Split::KIND_NOT_SET;
  for (const std::string& metric : job.validation().metrics()) {
    const absl::Status known = CheckMetric(job, "validation.metrics", metric);
    if (!known.ok()) return known;
    if (IsOfTraining(metric)) {
      return Refusal("validation.metrics", metric,
                     "figures of validation, whose names start with val_");
    }
    if (!validates) {
      return Refusal("validation.metrics", metric, "none, as there is no split to validate on");
    }
  }
  const Schedule& schedule = job.optimizer().schedule();
  if (schedule.has_plateau()) {
    const absl::Status plateau =
        CheckMonitor(job, "optimizer.schedule.plateau.monitor", schedule.plateau().monitor());
    if (!plateau.ok()) return plateau;
  }
  return CheckMonitor(job, "early_stopping.monitor", job.early_stopping().monitor());
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
  if (model.loss() == MatrixFactorization::BCE && model.link() != MatrixFactorization::SIGMOID) {
    return Refusal(path + ".link", MatrixFactorization::Link_Name(model.link()),
                   "SIGMOID, as loss is BCE");
  }
  absl::Status vectors = CheckInitial(model.user().vectors(), path + ".user.vectors");
  vectors.Update(CheckInitial(model.item().vectors(), path + ".item.vectors"));
  vectors.Update(CheckFeatureValues(model.feature(), path));
  vectors.Update(config::CheckRankerFeatures(model));
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

/// What two fields must be to each other.
absl::Status CheckTogether(const Job& job) {
  const absl::Status model = CheckModel(job.model());
  if (!model.ok()) return model;

  if (job.model().has_retrieval() && job.train().batch_size() < 2) {
    return Refusal("train.batch_size", "1",
                   "at least 2, as retrieval chooses among the items of a batch");
  }
  const std::uint32_t partitions = job.train().partitions();
  if (!std::has_single_bit(partitions) || partitions > kPartitionsMax) {
    return Refusal("train.partitions", absl::StrCat(partitions),
                   absl::StrCat("a power of two, at most ", kPartitionsMax));
  }
  const std::string at_most =
      absl::StrCat("at most train.partitions (", partitions, "), as each takes a partition");
  if (job.cluster().servers() > partitions) {
    return Refusal("cluster.servers", absl::StrCat(job.cluster().servers()), at_most);
  }
  if (job.cluster().threads() > partitions) {
    return Refusal("cluster.threads", absl::StrCat(job.cluster().threads()), at_most);
  }
  const double clip_norm = job.optimizer().clip_norm();
  if (clip_norm != 0 && clip_norm < kClipNormMin) {
    return Refusal("optimizer.clip_norm", NumberText(clip_norm), "0 or at least 1e-15");
  }
  return CheckFigures(job);
}

/// The kind that is chosen, or null.
const FieldDescriptor* ChosenKind(const Message& message, const OneofDescriptor& oneof) {
  return message.GetReflection()->GetOneofFieldDescriptor(message, &oneof);
}

std::string KindText(const std::string& path, const OneofDescriptor& oneof,
                     const FieldDescriptor* chosen) {
  if (chosen != nullptr) return JoinPath(path, chosen->name());
  return absl::StrCat("no ", oneof.name(), " of ", path);
}

std::optional<std::string> FirstDifference(const Message& trained, const Message& wanted,
                                           const std::string& path);

std::optional<std::string> FirstListDifference(const Message& trained, const Message& wanted,
                                               const FieldDescriptor& field,
                                               const std::string& path) {
  const int was = trained.GetReflection()->FieldSize(trained, &field);
  const int is = wanted.GetReflection()->FieldSize(wanted, &field);
  if (was != is) return absl::StrCat(was, " of ", path, ", not ", is);
  for (int n = 0; n < was; ++n) {
    std::optional<std::string> difference =
        FirstDifference(trained.GetReflection()->GetRepeatedMessage(trained, &field, n),
                        wanted.GetReflection()->GetRepeatedMessage(wanted, &field, n),
                        JoinPath(path, absl::StrCat(n)));
    if (difference.has_value()) return difference;
  }
  return std::nullopt;
}

/// "optimizer.adam.learning_rate 0.001, not 0.003" for the first RESULT field that differs.
std::optional<std::string> FirstDifference(const Message& trained, const Message& wanted,
                                           const std::string& path) {
  const Descriptor& descriptor = *trained.GetDescriptor();
  for (int k = 0; k < descriptor.oneof_decl_count(); ++k) {
    const OneofDescriptor& oneof = *descriptor.oneof_decl(k);
    const FieldDescriptor* was = ChosenKind(trained, oneof);
    const FieldDescriptor* is = ChosenKind(wanted, oneof);
    if (was != is)
      return absl::StrCat(KindText(path, oneof, was), ", not ", KindText(path, oneof, is));
  }
  for (int k = 0; k < descriptor.field_count(); ++k) {
    const FieldDescriptor& field = *descriptor.field(k);
    const std::string field_path = JoinPath(path, field.name());
    if (field.is_repeated() && field.message_type() != nullptr) {
      std::optional<std::string> difference =
          FirstListDifference(trained, wanted, field, field_path);
      if (difference.has_value()) return difference;
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      // Of a kind not chosen both have nothing; all other messages are there.
      if (!trained.GetReflection()->HasField(trained, &field)) continue;
      std::optional<std::string> difference =
          FirstDifference(trained.GetReflection()->GetMessage(trained, &field),
                          wanted.GetReflection()->GetMessage(wanted, &field), field_path);
      if (difference.has_value()) return difference;
    } else if (field.options().GetExtension(mark) == RESULT) {
      const std::string was = ValueText(trained, field);
      const std::string is = ValueText(wanted, field);
      if (was != is) return absl::StrCat(field_path, " ", was, ", not ", is);
    }
  }
  return std::nullopt;
}

}  // namespace

bool PredictsRatings(const Job& job) {
  return !job.model().has_retrieval() && !job.model().has_popularity() &&
         job.model().matrix_factorization().negatives() == 0;
}

void FillDefaults(Job& job) {
  const auto fill = [](Initial& initial, auto make_default) {
    if (initial.kind_case() == Initial::KIND_NOT_SET) (initial.*make_default)();
  };
  const auto fill_layers = [&fill](Layers& layers) {
    for (Dense& layer : layers) {
      fill(*layer.mutable_kernel(), &Initial::mutable_glorot_uniform);
      fill(*layer.mutable_bias(), &Initial::mutable_zeros);
    }
  };
  Optimizer& optimizer = *job.mutable_optimizer();
  if (optimizer.kind_case() == Optimizer::KIND_NOT_SET) optimizer.mutable_adam();
  // Another epoch would find the same figures.
  if (job.model().has_popularity() && !job.train().has_epochs()) job.mutable_train()->set_epochs(1);
  EarlyStopping& stopping = *job.mutable_early_stopping();
  const bool validates = job.split().kind_case() != Split::KIND_NOT_SET;
  if (!stopping.has_monitor() && !PredictsRatings(job)) {
    stopping.set_monitor(validates ? "val_loss" : "train_loss");
  } else if (!stopping.has_monitor() && !validates) {
    stopping.set_monitor(job.train().metrics() ? "train_rmse" : "train_loss");
  }
  stopping.set_monitor(absl::AsciiStrToLower(stopping.monitor()));
  if (!stopping.has_mode() && LargerIsBetter(stopping.monitor())) {
    stopping.set_mode(EarlyStopping::MAX);
  }
  if (optimizer.schedule().has_plateau()) {
    PlateauSchedule& plateau = *optimizer.mutable_schedule()->mutable_plateau();
    if (plateau.monitor().empty()) plateau.set_monitor(stopping.monitor());
    plateau.set_monitor(absl::AsciiStrToLower(plateau.monitor()));
  }
  if (job.model().has_matrix_factorization()) {
    MatrixFactorization& model = *job.mutable_model()->mutable_matrix_factorization();
    fill(*model.mutable_vectors(), &Initial::mutable_uniform);
    fill(*model.mutable_bias_values(), &Initial::mutable_zeros);
    for (Feature& feature : *model.mutable_feature()) {
      fill(*feature.mutable_vectors(), &Initial::mutable_uniform);
      if (!feature.has_dim()) feature.set_dim(model.dim());
    }
  } else if (job.model().has_ranker()) {
    Ranker& model = *job.mutable_model()->mutable_ranker();
    fill(*model.mutable_user()->mutable_vectors(), &Initial::mutable_uniform);
    fill(*model.mutable_item()->mutable_vectors(), &Initial::mutable_uniform);
    fill_layers(*model.mutable_dense());
    for (Feature& feature : *model.mutable_feature()) {
      fill(*feature.mutable_vectors(), &Initial::mutable_uniform);
    }
  } else if (job.model().has_retrieval()) {
    for (Tower* tower : {job.mutable_model()->mutable_retrieval()->mutable_user(),
                         job.mutable_model()->mutable_retrieval()->mutable_item()}) {
      fill(*tower->mutable_vectors(), &Initial::mutable_uniform);
      fill_layers(*tower->mutable_dense());
    }
  }
  FillScalars(job);
}

absl::Status ValidateJob(const Job& job) {
  Job filled = job;
  FillDefaults(filled);
  const absl::Status fields = CheckFields(filled, "");
  return fields.ok() ? CheckTogether(filled) : fields;
}

absl::Status CheckSameResult(const Job& trained, const Job& wanted, const std::string& run) {
  Job was = trained;
  Job is = wanted;
  FillDefaults(was);
  FillDefaults(is);
  const std::optional<std::string> difference = FirstDifference(was, is, "");
  if (!difference.has_value()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(run, " was trained with ", *difference, ": choose another --run"));
}

}  // namespace cf

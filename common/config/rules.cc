// What a job's fields may be: defaults, ranges, and what the job as a whole asks of them.

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
#include "common/config/model_rules.h"
#include "common/metrics/names.h"

namespace cf {
namespace {

using config::ExpectedText;
using config::JoinPath;
using config::NumberText;
using config::Quoted;
using config::Refusal;
using config::ValueText;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
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

// The squares of a norm that is not much smaller than this are no denormals in float.
constexpr double kClipNormMin = 1e-15;

// Older gradients than this help nobody, and each takes memory.
constexpr double kDelayMax = 16;

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
    {"model.matrix_factorization.bias_rate", 0, false, kNoLimit, false, "more than 0"},
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
    {"train.delay", 0, true, kDelayMax, true, "at most 16"},
    {"train.rounds", 1, true, 1024, true, "1 to 1024"},
    {"validation.every_epochs", 1, true, kNoLimit, false, "at least 1"},
    {"early_stopping.min_delta", 0, true, kNoLimit, false, "at least 0"},
    {"snapshot.keep", 1, true, kNoLimit, false, "at least 1"},
    {"cluster.timeout_seconds", 1, true, kNoLimit, false, "at least 1"},
    {"cluster.progress_timeout_seconds", 1, true, kNoLimit, false, "at least 1"},
};

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

/// Whether validation can compute `metric`, which field `path` names.
absl::Status CheckMetric(const Job& job, const std::string& path, const std::string& metric) {
  if (!IsMetric(metric)) return Refusal(path, Quoted(metric), kMetricNames);
  const std::optional<std::string> no_candidates = config::WhyNotRanked(job);
  if (ParseRankingMetric(metric).has_value() && no_candidates.has_value()) {
    return Refusal(path, metric, *no_candidates);
  }
  const Fit::Loss loss = job.model().has_ranker() ? job.model().ranker().loss()
                                                  : job.model().matrix_factorization().loss();
  const bool crossentropy = loss == Fit::BCE;
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
  const LearningRateSchedule& schedule = job.optimizer().schedule();
  if (schedule.has_plateau()) {
    const absl::Status plateau =
        CheckMonitor(job, "optimizer.schedule.plateau.monitor", schedule.plateau().monitor());
    if (!plateau.ok()) return plateau;
  }
  return CheckMonitor(job, "early_stopping.monitor", job.early_stopping().monitor());
}

/// What BLOCKS asks of the others.
absl::Status CheckLearningRate(const Job& job) {
  if (job.train().schedule() != Train::BLOCKS) return absl::OkStatus();
  const auto refusal = [](const std::string& why) {
    return Refusal("train.schedule", "BLOCKS", absl::StrCat("SYNC, as ", why));
  };
  if (!job.model().has_matrix_factorization()) {
    return refusal("only of matrix_factorization blocks share no rows");
  }
  if (job.model().matrix_factorization().feature_size() > 0) {
    return refusal("blocks share the rows of features");
  }
  if (job.model().matrix_factorization().negatives() > 0) {
    return refusal("negatives are items of other blocks");
  }
  if (job.train().delay() > 0) return refusal("train.delay hides exchanges that BLOCKS has not");
  if (job.cluster().servers() > 0) {
    return refusal("cluster.servers keeps users' rows away from who works on them");
  }
  return absl::OkStatus();
}

/// What two fields must be to each other.
absl::Status CheckTogether(const Job& job) {
  const absl::Status model = config::CheckModel(job.model());
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
  const absl::Status schedule = CheckLearningRate(job);
  if (!schedule.ok()) return schedule;
  const double clip_norm = job.optimizer().clip_norm();
  if (clip_norm != 0 && clip_norm < kClipNormMin) {
    return Refusal("optimizer.clip_norm", NumberText(clip_norm), "0 or at least 1e-15");
  }
  return CheckFigures(job);
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
  const auto fill_layers = [&fill](google::protobuf::RepeatedPtrField<Dense>& layers) {
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

}  // namespace cf

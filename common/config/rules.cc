// What a job's fields may be: defaults, ranges, and what the job as a whole asks of them.

#include <bit>
#include <cfloat>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_replace.h>

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

// The squares of a norm that is not much smaller than this are no denormals in float.
constexpr double kNormMin = 1e-15;

bool Contains(const NumberRange& range, double value) {
  return (!range.has_at_least() || value >= range.at_least()) &&
         (!range.has_above() || value > range.above()) &&
         (!range.has_at_most() || value <= range.at_most()) &&
         (!range.has_below() || value < range.below());
}

/// "1e-6", as the schema writes it, where NumberText has "1e-06".
std::string LimitText(double limit) {
  return absl::StrReplaceAll(NumberText(limit), {{"e-0", "e-"}});
}

/// "at least 0 and less than 1", "1 to 4096".
std::string RangeText(const NumberRange& range, const FieldDescriptor& field) {
  const bool whole = field.cpp_type() != FieldDescriptor::CPPTYPE_DOUBLE;
  if (range.has_at_least() && range.has_at_most()) {
    return absl::StrCat(whole ? "" : "a number from ", LimitText(range.at_least()), " to ",
                        LimitText(range.at_most()));
  }
  if (range.has_above() && range.has_below()) {
    return absl::StrCat("a number between ", LimitText(range.above()), " and ",
                        LimitText(range.below()));
  }
  std::vector<std::string> limits;
  if (range.has_at_least()) limits.push_back("at least " + LimitText(range.at_least()));
  if (range.has_above()) limits.push_back("more than " + LimitText(range.above()));
  if (range.has_at_most()) limits.push_back("at most " + LimitText(range.at_most()));
  if (range.has_below()) limits.push_back("less than " + LimitText(range.below()));
  return absl::StrJoin(limits, " and ");
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

absl::Status CheckField(const Message& message, const FieldDescriptor& field,
                        const std::string& path) {
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM &&
      message.GetReflection()->GetEnum(message, &field)->number() == 0) {
    return Refusal(path, ValueText(message, field), ExpectedText(field));
  }
  const std::optional<double> number = NumberOf(message, field);
  if (!number.has_value()) return absl::OkStatus();
  const NumberRange& range = field.options().GetExtension(number_range);
  if (!Contains(range, *number)) {
    return Refusal(path, ValueText(message, field), RangeText(range, field));
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
  if (job.train().user_group() > 1) {
    return refusal("train.user_group keeps samples together that are in different blocks");
  }
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
  if (job.model().has_retrieval() && job.train().user_group() > 1) {
    return Refusal("train.user_group", absl::StrCat(job.train().user_group()),
                   "1, as retrieval's candidates are the items of other users");
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
  for (const auto& [name, norm] :
       {std::pair("clip_norm", job.optimizer().clip_norm()),
        std::pair("gradient_norm_max", job.optimizer().gradient_norm_max())}) {
    if (norm == 0 || norm >= kNormMin) continue;
    return Refusal(absl::StrCat("optimizer.", name), NumberText(norm), "0 or at least 1e-15");
  }
  const Adam& adam = job.optimizer().adam();
  if (adam.update() == Adam::DENSE && adam.beta1() * adam.beta1() >= adam.beta2()) {
    return Refusal("optimizer.adam.beta1", NumberText(adam.beta1()),
                   "less than the square root of beta2, as update is DENSE");
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

// What a job's fields may be: defaults, ranges, and what must stay the same when a run goes on.

#include <bit>
#include <cfloat>
#include <cmath>
#include <limits>
#include <optional>

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "common/base/partition.h"
#include "common/config/config.h"
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
    if (field->is_repeated()) continue;  // A list that is not given is empty.
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

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

// Numbers not listed may have any (finite) value. An epsilon must not vanish in float: it keeps a
// row that has seen no gradient from 0 / 0.
constexpr Range kRanges[] = {
    {"split.random.fraction", 0, false, 1, false, "a number between 0 and 1"},
    {"split.global_time.fraction", 0, false, 1, false, "a number between 0 and 1"},
    {"model.matrix_factorization.dim", 0, true, 4096, true, "at most 4096"},
    {"model.matrix_factorization.vectors.normal.deviation", 0, true, kNoLimit, false, "at least 0"},
    {"model.matrix_factorization.bias_values.normal.deviation", 0, true, kNoLimit, false,
     "at least 0"},
    {"model.matrix_factorization.l2_vectors", 0, true, kNoLimit, false, "at least 0"},
    {"model.matrix_factorization.l2_biases", 0, true, kNoLimit, false, "at least 0"},
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

absl::Status CheckField(const Message& message, const FieldDescriptor& field,
                        const std::string& path) {
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM &&
      message.GetReflection()->GetEnum(message, &field)->number() == 0) {
    return Refusal(path, ValueText(message, field), ExpectedText(field));
  }
  const std::optional<double> number = NumberOf(message, field);
  if (!number.has_value()) return absl::OkStatus();
  for (const Range& range : kRanges) {
    if (path == range.path && !range.Contains(*number)) {
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
    if (field->is_repeated() || !reflection.HasField(message, field)) continue;
    const std::string field_path = JoinPath(path, field->name());
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
  const absl::Status vectors = CheckInitial(model.vectors(), path + ".vectors");
  return vectors.ok() ? CheckInitial(model.bias_values(), path + ".bias_values") : vectors;
}

/// Whether validation can compute `metric`, which field `path` names.
absl::Status CheckMetric(const Job& job, const std::string& path, const std::string& metric) {
  if (!IsMetric(metric)) return Refusal(path, Quoted(metric), kMetricNames);
  const bool crossentropy = job.model().matrix_factorization().loss() == MatrixFactorization::BCE;
  if (metric == "val_bce" && !crossentropy) {
    return Refusal(path, metric, "another figure, as the model's loss is not BCE");
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
  const std::string path = "early_stopping.monitor";
  const std::string& monitor = job.early_stopping().monitor();
  const absl::Status known = CheckMetric(job, path, monitor);
  if (!known.ok()) return known;
  if (!validates && !IsOfTraining(monitor)) {
    return Refusal(path, monitor, "train_loss or train_rmse, as there is no split to validate on");
  }
  if (monitor == "train_rmse" && !job.train().metrics()) {
    return Refusal(path, monitor, "another figure, as train.metrics is false");
  }
  const std::uint32_t every = job.validation().every_epochs();
  if (!IsOfTraining(monitor) && every > job.train().epochs()) {
    return Refusal("validation.every_epochs", absl::StrCat(every),
                   absl::StrCat("at most train.epochs (", job.train().epochs(),
                                "), as early_stopping.monitor is ", monitor));
  }
  return absl::OkStatus();
}

/// What two fields must be to each other.
absl::Status CheckTogether(const Job& job) {
  if (job.model().kind_case() == Model::KIND_NOT_SET) {
    return absl::InvalidArgumentError("model names no kind; expected matrix_factorization");
  }
  const absl::Status model = CheckFactorization(job.model().matrix_factorization());
  if (!model.ok()) return model;

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
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
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

void FillDefaults(Job& job) {
  Optimizer& optimizer = *job.mutable_optimizer();
  if (optimizer.kind_case() == Optimizer::KIND_NOT_SET) optimizer.mutable_adam();
  EarlyStopping& stopping = *job.mutable_early_stopping();
  if (!stopping.has_monitor() && job.split().kind_case() == Split::KIND_NOT_SET) {
    stopping.set_monitor(job.train().metrics() ? "train_rmse" : "train_loss");
  }
  stopping.set_monitor(absl::AsciiStrToLower(stopping.monitor()));
  if (!stopping.has_mode() && LargerIsBetter(stopping.monitor())) {
    stopping.set_mode(EarlyStopping::MAX);
  }
  if (job.model().has_matrix_factorization()) {
    MatrixFactorization& model = *job.mutable_model()->mutable_matrix_factorization();
    Initial& vectors = *model.mutable_vectors();
    if (vectors.kind_case() == Initial::KIND_NOT_SET) vectors.mutable_uniform();
    Initial& biases = *model.mutable_bias_values();
    if (biases.kind_case() == Initial::KIND_NOT_SET) biases.mutable_zeros();
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

// What must stay the same when a run goes on.

#include <optional>
#include <string>

#include <absl/strings/str_cat.h>

#include "common/config/config.h"
#include "common/config/fields.h"

namespace cf {
namespace {

using config::JoinPath;
using config::ValueText;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::OneofDescriptor;

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

absl::Status CheckSameResult(const Job& trained, const Job& wanted, const std::string& run,
                             const std::string& way_out) {
  Job was = trained;
  Job is = wanted;
  FillDefaults(was);
  FillDefaults(is);
  const std::optional<std::string> difference = FirstDifference(was, is, "");
  if (!difference.has_value()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(run, " was trained with ", *difference, ": ", way_out));
}

}  // namespace cf

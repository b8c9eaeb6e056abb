#include "common/config/job_differences.h"

#include <algorithm>
#include <memory>
#include <set>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>

namespace cf {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::OneofDescriptor;
using google::protobuf::TextFormat;

/// The messages that stand at one path, by job; null where a job has none there.
using Messages = std::vector<const Message*>;

std::string ValueOf(const Message& message, const FieldDescriptor& field) {
  if (field.is_repeated()) {
    std::vector<std::string> values;
    for (int k = 0; k < message.GetReflection()->FieldSize(message, &field); ++k) {
      TextFormat::PrintFieldValueToString(message, &field, k, &values.emplace_back());
    }
    return absl::StrJoin(values, ", ");
  }
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
    return message.GetReflection()->GetString(message, &field);
  }
  std::string text;
  TextFormat::PrintFieldValueToString(message, &field, -1, &text);
  return text;
}

class Collector {
 public:
  /// Adds the differences below `path`, where `messages` stand. Requires: they are of type `type`.
  void Collect(const std::string& path, const Descriptor& type, const Messages& messages) {
    for (int k = 0; k < type.field_count(); ++k) {
      const FieldDescriptor& field = *type.field(k);
      const OneofDescriptor* const kinds = field.real_containing_oneof();
      if (kinds != nullptr && kinds->field(0) == &field) CompareKinds(path, *kinds, messages);
      const std::string field_path =
          path.empty() ? field.name() : absl::StrCat(path, ".", field.name());
      if (field.is_repeated() && field.message_type() != nullptr) {
        for (int n = 0; n < LongestList(messages, field); ++n) {
          Collect(absl::StrCat(field_path, ".", n), *field.message_type(),
                  Elements(messages, field, n));
        }
      } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        Collect(field_path, *field.message_type(), Below(messages, field));
      } else if (field_path != "data.path") {
        CompareValues(field_path, field, messages);
      }
    }
  }

  std::vector<FieldDifference> TakeDifferences() { return std::move(differences_); }

 private:
  static Messages Below(const Messages& messages, const FieldDescriptor& field) {
    Messages below;
    for (const Message* message : messages) {
      const bool present =
          message != nullptr && message->GetReflection()->HasField(*message, &field);
      below.push_back(present ? &message->GetReflection()->GetMessage(*message, &field) : nullptr);
    }
    return below;
  }

  static int LongestList(const Messages& messages, const FieldDescriptor& field) {
    int longest = 0;
    for (const Message* message : messages) {
      if (message == nullptr) continue;
      longest = std::max(longest, message->GetReflection()->FieldSize(*message, &field));
    }
    return longest;
  }

  static Messages Elements(const Messages& messages, const FieldDescriptor& field, int n) {
    Messages elements;
    for (const Message* message : messages) {
      const bool present =
          message != nullptr && n < message->GetReflection()->FieldSize(*message, &field);
      elements.push_back(
          present ? &message->GetReflection()->GetRepeatedMessage(*message, &field, n) : nullptr);
    }
    return elements;
  }

  void CompareKinds(const std::string& path, const OneofDescriptor& kinds,
                    const Messages& messages) {
    FieldDifference found = {.path = path, .values = {}};
    std::set<std::string> distinct;
    for (const Message* message : messages) {
      const FieldDescriptor* const kind =
          message == nullptr ? nullptr
                             : message->GetReflection()->GetOneofFieldDescriptor(*message, &kinds);
      found.values.push_back(kind == nullptr ? "" : kind->name());
      if (message != nullptr) distinct.insert(found.values.back());
    }
    if (distinct.size() > 1) differences_.push_back(std::move(found));
  }

  void CompareValues(const std::string& path, const FieldDescriptor& field,
                     const Messages& messages) {
    FieldDifference found = {.path = path, .values = {}};
    std::set<std::string> distinct;
    bool default_only = true;
    for (const Message* message : messages) {
      found.values.push_back(message == nullptr ? "" : ValueOf(*message, field));
      if (message == nullptr) continue;
      distinct.insert(found.values.back());
      const std::unique_ptr<Message> untouched(message->New());
      default_only = default_only && found.values.back() == ValueOf(*untouched, field);
    }
    const bool everywhere = std::count(messages.begin(), messages.end(), nullptr) == 0;
    if (distinct.size() > 1 || (!everywhere && !default_only)) {
      differences_.push_back(std::move(found));
    }
  }

  std::vector<FieldDifference> differences_;
};

}  // namespace

std::vector<FieldDifference> DifferingFields(std::span<const Job> jobs) {
  Messages messages;
  for (const Job& job : jobs) messages.push_back(&job);
  Collector collector;
  collector.Collect("", *Job::descriptor(), messages);
  return collector.TakeDifferences();
}

}  // namespace cf

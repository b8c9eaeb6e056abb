#include "common/config/fields.h"

#include <algorithm>
#include <charconv>
#include <numeric>

#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include "common/base/check.h"

namespace cf::config {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

/// How many letters have to be changed, added or dropped to turn `a` into `b`.
std::size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string JoinPath(const std::string& path, const std::string& name) {
  return path.empty() ? name : absl::StrCat(path, ".", name);
}

std::string NumberText(double number) {
  char text[32];  // The longest double, -2.2250738585072014e-308, has 24 characters.
  const std::to_chars_result end = std::to_chars(text, text + sizeof text, number);
  return std::string(text, end.ptr);
}

std::string ListText(const std::vector<std::string>& names, const std::string& last_link) {
  if (names.size() < 2) return absl::StrJoin(names, "");
  return absl::StrCat(absl::StrJoin(names.begin(), names.end() - 1, ", "), " ", last_link, " ",
                      names.back());
}

std::string ExpectedText(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
      return "a whole number from 0 to 4294967295";
    case FieldDescriptor::CPPTYPE_UINT64:
      return "a whole number from 0 to 18446744073709551615";
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return "a number";
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true or false";
    case FieldDescriptor::CPPTYPE_STRING:
      return "a string in quotes";
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return absl::StrCat("the fields of ", field.message_type()->name(), " in braces");
    case FieldDescriptor::CPPTYPE_ENUM: {
      std::vector<std::string> names;
      const EnumDescriptor& values = *field.enum_type();
      for (int k = 0; k < values.value_count(); ++k) {
        if (values.value(k)->number() != 0) names.push_back(values.value(k)->name());
      }
      return ListText(names, "or");
    }
    default:
      Check(false, "the schema has no field of another type");
      return {};
  }
}

std::string ValueText(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  if (field.is_repeated()) {
    Check(field.cpp_type() == FieldDescriptor::CPPTYPE_STRING, "lists of scalars are of strings");
    std::vector<std::string> values;
    for (int k = 0; k < reflection.FieldSize(message, &field); ++k) {
      values.push_back(Quoted(reflection.GetRepeatedString(message, &field, k)));
    }
    return absl::StrCat("[", absl::StrJoin(values, ", "), "]");
  }
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(reflection.GetUInt32(message, &field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(reflection.GetUInt64(message, &field));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return NumberText(reflection.GetDouble(message, &field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(message, &field) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_STRING:
      return Quoted(reflection.GetString(message, &field));
    case FieldDescriptor::CPPTYPE_ENUM:
      return reflection.GetEnum(message, &field)->name();
    default:
      Check(false, "the schema has no scalar of another type");
      return {};
  }
}

std::string NoSuchField(const Descriptor& message, const std::string& name) {
  const std::string error = absl::StrCat("no field ", Quoted(name), " in ", message.name());
  std::vector<std::string> names;
  for (int k = 0; k < message.field_count(); ++k) names.push_back(message.field(k)->name());
  if (names.empty()) return absl::StrCat(error, ", which has none");

  const auto nearer = [&name](const std::string& a, const std::string& b) {
    return EditDistance(name, a) < EditDistance(name, b);
  };
  const std::string nearest = *std::min_element(names.begin(), names.end(), nearer);
  // Two slips, or a third of the letters; further away it is another word.
  const std::size_t near = std::max(nearest.size() / 3, std::size_t{2});
  if (name.size() < 100 && EditDistance(name, nearest) <= std::min(near, name.size() / 2)) {
    return absl::StrCat(error, "; did you mean ", Quoted(nearest), "?");
  }
  return absl::StrCat(error, "; expected ", ListText(names, "or"));
}

std::string Quoted(const std::string& name) {
  constexpr std::size_t kShown = 60;
  const std::string shown = name.size() <= kShown ? name : name.substr(0, kShown) + "...";
  return absl::StrCat("\"", absl::Utf8SafeCEscape(shown), "\"");
}

absl::Status Refusal(const std::string& path, const std::string& value,
                     const std::string& expected) {
  return absl::InvalidArgumentError(absl::StrCat(path, " is ", value, "; expected ", expected));
}

}  // namespace cf::config

#include "serving/server/arguments.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <boost/json/src.hpp>

#include "common/text/utf8.h"

namespace cf {
namespace {

namespace json = boost::json;

// What a request needs is a list of objects.
constexpr std::size_t kDepthMax = 4;

/// The text of a string or a number; nothing of anything else.
std::optional<std::string> TextOf(const json::value& value) {
  if (value.is_string()) return std::string(value.get_string());
  if (value.is_number() || value.is_bool()) return json::serialize(value);
  return std::nullopt;
}

std::string NameOf(const json::key_value_pair& member) {
  return {member.key().data(), member.key().size()};
}

/// The texts of an object; nothing where it holds anything else.
std::optional<Arguments::Record> RecordOf(const json::value& value) {
  if (!value.is_object()) return std::nullopt;
  Arguments::Record record;
  for (const json::key_value_pair& member : value.get_object()) {
    std::optional<std::string> text = TextOf(member.value());
    if (!text.has_value()) return std::nullopt;
    record[NameOf(member)] = *std::move(text);
  }
  return record;
}

template <class Number>
std::optional<Number> NumberOf(const std::string& text) {
  Number number = 0;
  const char* end = text.data() + text.size();
  const std::from_chars_result read = std::from_chars(text.data(), end, number);
  if (read.ec != std::errc() || read.ptr != end || !std::isfinite(number)) return std::nullopt;
  return number;
}

}  // namespace

Arguments Arguments::OfQuery(std::span<const QueryParameter> query) {
  Arguments arguments;
  for (const QueryParameter& parameter : query) {
    arguments.texts_[parameter.name].push_back(parameter.value);
  }
  return arguments;
}

absl::StatusOr<Arguments> Arguments::OfBody(std::string_view text) {
  json::parse_options options;
  options.max_depth = kDepthMax;
  boost::system::error_code error;
  const json::value value =
      json::parse(json::string_view(text.data(), text.size()), error, json::storage_ptr(), options);
  if (error) {
    return absl::InvalidArgumentError(absl::StrCat("the body is no JSON: ", error.message()));
  }
  if (!value.is_object()) return absl::InvalidArgumentError("the body is no JSON object");
  Arguments arguments;
  for (const json::key_value_pair& member : value.get_object()) {
    const std::string name = NameOf(member);
    const bool listed = member.value().is_array();
    const std::span<const json::value> values =
        listed ? std::span(member.value().get_array().data(), member.value().get_array().size())
               : std::span(&member.value(), 1);
    std::vector<std::string>& texts = arguments.texts_[name];
    for (const json::value& one : values) {
      std::optional<std::string> plain = TextOf(one);
      std::optional<Record> record = listed ? RecordOf(one) : std::nullopt;
      if (plain.has_value()) {
        texts.push_back(*std::move(plain));
      } else if (record.has_value()) {
        arguments.records_[name].push_back(*std::move(record));
      } else {
        return absl::InvalidArgumentError(
            absl::StrCat("'", name, "' is none of a text, a number, and a list"));
      }
    }
  }
  return arguments;
}

void Arguments::Fail(const std::string& reason) {
  wrong_.Update(absl::InvalidArgumentError(reason));
}

bool Arguments::Has(const std::string& name) const {
  return texts_.contains(name) || records_.contains(name);
}

std::vector<std::string> Arguments::Texts(const std::string& name) {
  taken_.insert(name);
  const auto found = texts_.find(name);
  if (found == texts_.end()) return {};
  if (records_.contains(name)) Fail(absl::StrCat("'", name, "' is a list of texts"));
  for (const std::string& text : found->second) {
    if (text.empty() || !IsPlainText(text)) {
      Fail(absl::StrCat("'", name, "' has something that is empty, or no plain text in UTF-8"));
    }
  }
  return found->second;
}

std::optional<std::string> Arguments::Text(const std::string& name) {
  taken_.insert(name);
  if (!Has(name)) return std::nullopt;
  std::vector<std::string> texts = Texts(name);
  if (texts.size() == 1) return std::move(texts.front());
  Fail(absl::StrCat("'", name, "' is given ", texts.size(), " times, expected once"));
  return std::nullopt;
}

std::vector<Arguments::Record> Arguments::Records(const std::string& name,
                                                  const std::set<std::string>& members) {
  taken_.insert(name);
  const auto found = records_.find(name);
  const auto texts = texts_.find(name);
  const std::string expected =
      absl::StrCat("'", name, "' is a list of objects with ", absl::StrJoin(members, " and "));
  if (texts != texts_.end() && !texts->second.empty()) Fail(expected);
  if (found == records_.end()) return {};
  for (const Record& record : found->second) {
    const bool sound = record.size() == members.size() &&
                       std::all_of(record.begin(), record.end(), [&](const auto& member) {
                         return members.contains(member.first) && !member.second.empty() &&
                                IsPlainText(member.second);
                       });
    if (!sound) Fail(expected);
  }
  return found->second;
}

std::size_t Arguments::Count(const std::string& name, std::size_t otherwise, std::size_t most,
                             std::size_t least) {
  const std::optional<std::string> text = Text(name);
  if (!text.has_value()) return otherwise;
  std::size_t count = 0;
  const char* end = text->data() + text->size();
  const std::from_chars_result read = std::from_chars(text->data(), end, count);
  if (read.ec == std::errc() && read.ptr == end && count >= least && count <= most) return count;
  Fail(absl::StrCat("'", name, "' is a whole number from ", least, " to ", most));
  return otherwise;
}

std::optional<double> Arguments::Share(const std::string& name) {
  const std::optional<std::string> text = Text(name);
  if (!text.has_value()) return std::nullopt;
  const std::optional<double> share = NumberOf<double>(*text);
  if (share.has_value() && *share >= 0 && *share <= 1) return share;
  Fail(absl::StrCat("'", name, "' is a number from 0 to 1"));
  return std::nullopt;
}

std::optional<std::string> Arguments::Word(const std::string& name,
                                           const std::vector<std::string>& words) {
  std::optional<std::string> text = Text(name);
  if (!text.has_value()) return std::nullopt;
  if (std::find(words.begin(), words.end(), *text) != words.end()) return text;
  Fail(absl::StrCat("'", name, "' is ", absl::StrJoin(words, " or ")));
  return std::nullopt;
}

void Arguments::Refuse(const std::string& name, const std::string& reason) {
  taken_.insert(name);
  if (Has(name)) Fail(absl::StrCat("'", name, "' ", reason));
}

absl::Status Arguments::Finish() const {
  if (!wrong_.ok()) return wrong_;
  const auto unknown = [this](const std::string& name) { return !taken_.contains(name); };
  for (const auto& [name, texts] : texts_) {
    if (unknown(name)) {
      return absl::InvalidArgumentError(
          absl::StrCat("there is no '", name, "' here; there are: ", absl::StrJoin(taken_, ", ")));
    }
  }
  return absl::OkStatus();
}

std::optional<float> FloatOf(const std::string& text) {
  return NumberOf<float>(text);
}

Mask TakeMask(Arguments& arguments) {
  const std::optional<std::string> word = arguments.Word("mask", {"all", "train", "none"});
  if (word == "train") return Mask::kTrain;
  return word == "none" ? Mask::kNone : Mask::kAll;
}

}  // namespace cf

// Jobs as text: reading them with errors that point at the place, assignments, printing.

#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <vector>

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>
#include <absl/strings/strip.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/text_format.h>

#include "common/base/check.h"
#include "common/base/files.h"
#include "common/config/bare_monitor.h"
#include "common/config/config.h"
#include "common/config/fields.h"

namespace cf {
namespace {

using config::ExpectedText;
using config::JoinPath;
using config::NoSuchField;
using config::Quoted;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::TextFormat;
using google::protobuf::io::ArrayInputStream;
using google::protobuf::io::ErrorCollector;
using google::protobuf::io::Tokenizer;

// A job is a page of text; what is larger is another file, given by mistake.
constexpr std::size_t kJobBytesMax = 1U << 20;

/// Where an error is, from 0 as protobuf counts, and what it says.
struct TextError {
  int line = 0;
  int column = 0;
  std::string text;
};

/// Keeps the first error: those after it are its consequences.
class FirstError : public ErrorCollector {
 public:
  void AddError(int line, int column, const std::string& message) override {
    if (!error_.has_value()) error_ = TextError{line, column, message};
  }

  const std::optional<TextError>& error() const { return error_; }

 private:
  std::optional<TextError> error_;
};

/// Follows a text up to the place where protobuf's parser gave up, to know what that place means:
/// the parser reports neither the path of a field nor where its name or value began.
class PlaceFinder {
 public:
  PlaceFinder(const std::string& text, const Descriptor& root, const std::string& root_path)
      : stream_(text.data(), static_cast<int>(text.size())), tokens_(&stream_, &ignored_) {
    // As TextFormat's own parser has it.
    tokens_.set_allow_f_after_float(true);
    tokens_.set_comment_style(Tokenizer::SH_COMMENT_STYLE);
    tokens_.set_require_space_after_number(false);
    tokens_.set_allow_multiline_strings(true);
    scopes_.push_back({&root, root_path});
  }

  /// The parser's error in our words, at the place of the name or value that is to be mended.
  TextError Explain(const TextError& error) {
    while (tokens_.Next() && !Reached(error)) Take(tokens_.current());
    if (scopes_.back().message == nullptr) return Plain(error);

    const Scope& scope = scopes_.back();
    if (absl::StartsWith(error.text, "Expected identifier") && !value_expected_) {
      return At(tokens_.current(),
                absl::StrCat("expected a field of ", scope.message->name(),
                             scopes_.size() > 1 ? " or \"}\"" : "", ", not ", Found()));
    }
    const FieldDescriptor* field = scope.message->FindFieldByName(name_.text);
    if (absl::StartsWith(error.text, "Message type")) {
      return At(name_, NoSuchField(*scope.message, name_.text));
    }
    if (field == nullptr) return Plain(error);

    const std::string path = JoinPath(scope.path, field->name());
    if (absl::StrContains(error.text, "specified multiple times")) {
      return At(name_, absl::StrCat(path, " is given twice"));
    }
    if (absl::StrContains(error.text, "another member of oneof")) {
      const std::vector<std::string> words = absl::StrSplit(error.text, '"');
      Check(words.size() > 3, "protobuf names both fields in quotes");
      return At(name_,
                absl::StrCat(JoinPath(scope.path, words[3]), " and ", path, " exclude each other"));
    }
    const bool value_read = absl::StartsWith(error.text, "Unknown enumeration value") ||
                            absl::StartsWith(error.text, "Invalid value for boolean");
    if (value_expected_ || value_read) {
      const Tokenizer::Token place = value_read ? value_ : minus_ ? *minus_ : tokens_.current();
      const std::string found = value_read ? Quoted(value_.text) : Found();
      return At(place, absl::StrCat(path, ": expected ", ExpectedText(*field), ", not ", found));
    }
    return Plain(error);
  }

 private:
  struct Scope {
    const Descriptor* message;  ///< Null within braces that follow no message field.
    std::string path;
  };

  bool Reached(const TextError& error) {
    const Tokenizer::Token& token = tokens_.current();
    return token.line > error.line || (token.line == error.line && token.column >= error.column);
  }

  void Take(const Tokenizer::Token& token) {
    if (token.text == "{" || token.text == "<") {
      const Scope& outer = scopes_.back();
      const FieldDescriptor* field =
          outer.message == nullptr ? nullptr : outer.message->FindFieldByName(name_.text);
      scopes_.push_back(
          {field == nullptr ? nullptr : field->message_type(), JoinPath(outer.path, name_.text)});
      value_expected_ = false;
    } else if (token.text == "}" || token.text == ">") {
      if (scopes_.size() > 1) scopes_.pop_back();
    } else if (token.text == ":") {
      value_expected_ = true;
    } else if (value_expected_ && token.text == "-") {
      minus_ = token;
    } else if (value_expected_) {
      value_ = token;
      value_expected_ = false;
      minus_.reset();
    } else if (token.type == Tokenizer::TYPE_IDENTIFIER) {
      name_ = token;
    }
  }

  std::string Found() {
    const Tokenizer::Token token = tokens_.current();
    if (token.type == Tokenizer::TYPE_END) return "the end";
    if (token.type == Tokenizer::TYPE_STRING)
      return Quoted(token.text.substr(1, token.text.size() - 2));
    if (token.text == "-" && tokens_.Next()) return Quoted("-" + tokens_.current().text);
    return Quoted((minus_ ? "-" : "") + token.text);
  }

  static TextError At(const Tokenizer::Token& token, std::string text) {
    return {token.line, token.column, std::move(text)};
  }

  /// Errors of the syntax itself are well said by protobuf, but for its capitals and stops.
  static TextError Plain(TextError error) {
    if (!error.text.empty()) error.text[0] = absl::ascii_tolower(error.text[0]);
    error.text = std::string(absl::StripSuffix(error.text, "."));
    if (absl::EndsWith(error.text, "found \"\"")) {
      error.text.replace(error.text.size() - 2, 2, "the end");
    }
    return error;
  }

  FirstError ignored_;  ///< The parser has reported them.
  ArrayInputStream stream_;
  Tokenizer tokens_;
  std::vector<Scope> scopes_;
  Tokenizer::Token name_;   ///< The last field's.
  Tokenizer::Token value_;  ///< The last scalar's.
  bool value_expected_ = false;
  std::optional<Tokenizer::Token> minus_;  ///< Before the value that is expected.
};

/// Reads `text` into the message, which stands at `path` of the job; the error if it cannot.
std::optional<TextError> ReadText(const std::string& text, const std::string& path,
                                  Message& message) {
  FirstError errors;
  TextFormat::Parser parser;
  parser.RecordErrorsTo(&errors);
  const std::string quoted = QuoteBareMonitor(text);
  if (parser.ParseFromString(quoted, &message)) return std::nullopt;
  Check(errors.error().has_value(), "protobuf's parser reports why it fails");
  TextError error = PlaceFinder(quoted, *message.GetDescriptor(), path).Explain(*errors.error());
  error.column = ColumnBeforeQuotes(text, error.line, error.column);
  return error;
}

/// Sets a scalar from its text; false if the text is not such a value.
bool SetScalar(Message& message, const FieldDescriptor& field, const std::string& value) {
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING && field.is_repeated()) {
    message.GetReflection()->ClearField(&message, &field);
    for (const absl::string_view part : absl::StrSplit(value, ',', absl::SkipWhitespace())) {
      message.GetReflection()->AddString(&message, &field,
                                         std::string(absl::StripAsciiWhitespace(part)));
    }
    return true;
  }
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
    message.GetReflection()->SetString(&message, &field, value);
    return true;
  }
  FirstError silent;
  TextFormat::Parser parser;
  parser.RecordErrorsTo(&silent);
  return parser.ParseFieldValueFromString(value, &field, &message);
}

/// Merges fields in braces into the message at `path`.
absl::Status SetMessage(Message& message, const std::string& path, const std::string& value) {
  if (value.size() < 2 || value.front() != '{' || value.back() != '}') {
    return absl::InvalidArgumentError(absl::StrCat(path, ": expected the fields of ",
                                                   message.GetDescriptor()->name(),
                                                   " in braces, not ", Quoted(value)));
  }
  const std::unique_ptr<Message> given(message.New());
  const std::optional<TextError> error = ReadText(value.substr(1, value.size() - 2), path, *given);
  if (error.has_value()) {
    // An error of a value names its full path already.
    const bool named = absl::StartsWith(error->text, path);
    return absl::InvalidArgumentError(named ? error->text : absl::StrCat(path, ": ", error->text));
  }
  message.MergeFrom(*given);
  return absl::OkStatus();
}

/// The element of a list that the text of its number names.
absl::StatusOr<Message*> ElementOf(Message& message, const FieldDescriptor& field,
                                   const std::string& path, const std::string& number) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  const int size = reflection.FieldSize(message, &field);
  int index = 0;
  if (absl::SimpleAtoi(number, &index) && index >= 0 && index < size) {
    return reflection.MutableRepeatedMessage(&message, &field, index);
  }
  return absl::InvalidArgumentError(absl::StrCat(path, ": no ", Quoted(number), " in ",
                                                 field.name(), ", of which there are ", size,
                                                 ", numbered from 0"));
}

}  // namespace

absl::StatusOr<Job> LoadJob(const std::string& path) {
  std::error_code ignored;  // ReadFile says what is wrong with a path that cannot be looked at.
  if (std::filesystem::is_directory(path, ignored)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": a folder; expected a job file"));
  }
  const std::uintmax_t size = std::filesystem::file_size(path, ignored);
  if (!ignored && size > kJobBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", size, " bytes; a job has at most ", kJobBytesMax));
  }
  absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return text.status();
  return ParseJob(*text, path);
}

absl::StatusOr<Job> ParseJob(const std::string& text, const std::string& name) {
  if (text.size() > kJobBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": ", text.size(), " bytes; a job has at most ", kJobBytesMax));
  }
  const std::string body(absl::StripPrefix(text, "\xEF\xBB\xBF"));
  if (absl::StripAsciiWhitespace(body).empty()) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": empty; expected a job"));
  }
  Job job;
  const std::optional<TextError> error = ReadText(body, "", job);
  if (!error.has_value()) return job;
  return absl::InvalidArgumentError(
      absl::StrCat(name, ":", error->line + 1, ":", error->column + 1, ": ", error->text));
}

absl::Status SetField(Job& job, const std::string& assignment) {
  const std::size_t equals = assignment.find('=');
  if (equals == std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat(Quoted(assignment), ": expected FIELD=VALUE, such as train.epochs=3"));
  }
  const std::string path(absl::StripAsciiWhitespace(assignment.substr(0, equals)));
  const std::string value(absl::StripAsciiWhitespace(assignment.substr(equals + 1)));

  Job changed = job;
  Message* message = &changed;
  const std::vector<std::string> names = absl::StrSplit(path, '.');
  for (std::size_t k = 0; k < names.size(); ++k) {
    const FieldDescriptor* field = message->GetDescriptor()->FindFieldByName(names[k]);
    if (field == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": ", NoSuchField(*message->GetDescriptor(), names[k])));
    }
    bool last = k + 1 == names.size();
    if (field->is_repeated() && field->message_type() != nullptr) {
      if (last) {
        message = message->GetReflection()->AddMessage(message, field);
      } else {
        const absl::StatusOr<Message*> element = ElementOf(*message, *field, path, names[++k]);
        if (!element.ok()) return element.status();
        message = *element;
        last = k + 1 == names.size();
        if (!last) continue;
      }
      const absl::Status set = SetMessage(*message, path, value);
      if (!set.ok()) return set;
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      message = message->GetReflection()->MutableMessage(message, field);
      if (!last) continue;
      const absl::Status set = SetMessage(*message, path, value);
      if (!set.ok()) return set;
    } else if (!last) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": ", names[k], " is a value and has no fields"));
    } else if (!SetScalar(*message, *field, value)) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": expected ", ExpectedText(*field), ", not ", Quoted(value)));
    }
  }
  job = std::move(changed);
  return absl::OkStatus();
}

std::string PrintJob(const Job& job) {
  std::string text;
  Check(TextFormat::PrintToString(job, &text), "a job can be printed");
  return text;
}

}  // namespace cf

#include "launch/command_line.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <memory>
#include <sstream>
#include <unistd.h>
#include <utility>

#include <CLI/CLI.hpp>
#include <absl/status/status.h>
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>

#include "common/text/display.h"
#include "common/text/nearest.h"

namespace cf {
namespace {

// --- Help ----------------------------------------------------------------------------------------

/// Help whose lines fit the terminal.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_description(const CLI::App* app) const override {
    return WrapToWidth(app->get_description(), Width(), 0) + "\n";
  }
  std::string make_footer(const CLI::App* app) const override {
    constexpr std::size_t kIndent = 4;
    const std::string footer = app->get_footer();
    return footer.empty() ? "" : "\n" + WrapToWidth(footer, Width(), kIndent) + "\n";
  }
  std::string make_option_desc(const CLI::Option* option) const override {
    return WrapToWidth(option->get_description(), Right(), 0);
  }
  std::string make_subcommand(const CLI::App* command) const override {
    std::ostringstream text;
    CLI::detail::format_help(text, command->get_name(),
                             WrapToWidth(command->get_description(), Right(), 0), column_width_);
    return text.str();
  }

 private:
  static std::size_t Width() { return TerminalWidth(STDOUT_FILENO); }
  /// What is left to the right column.
  std::size_t Right() const {
    constexpr std::size_t kLeast = 20;
    return std::max(kLeast, Width() - std::min(Width(), column_width_));
  }
};

void FormatHelp(CLI::App& app, const std::shared_ptr<HelpFormatter>& formatter) {
  app.formatter(formatter);
  for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; }))
    FormatHelp(*command, formatter);
}

// --- Errors --------------------------------------------------------------------------------------

std::vector<std::string> CommandsOf(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return names;
}

std::vector<std::string> FlagsOf(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

bool IsFlag(const std::string& word) {
  return word.size() > 1 && word[0] == '-' &&
         std::isdigit(static_cast<unsigned char>(word[1])) == 0;
}

// "(did you mean --top?)" with a blank in front, where there is something near.
std::string Suggestion(const std::string& word, const std::vector<std::string>& known) {
  const std::optional<std::string> nearest = NearestWord(word, known);
  return nearest.has_value() ? absl::StrCat(" (did you mean ", *nearest, "?)") : "";
}

std::string Unexpected(const CLI::App& command, const std::vector<std::string>& extras) {
  const auto flag = std::find_if(extras.begin(), extras.end(), IsFlag);
  if (flag == extras.end()) return absl::StrCat("unexpected \"", extras.front(), "\"");
  const std::string name = flag->substr(0, flag->find('='));
  return absl::StrCat("no flag ", name, Suggestion(name, FlagsOf(command)));
}

std::string Without(const std::string& text, absl::string_view end) {
  return absl::EndsWith(text, end) ? text.substr(0, text.size() - end.size()) : text;
}

// What a value of the option called `name` has to be.
std::string ExpectedBy(const CLI::App& command, const std::string& name, const std::string& value) {
  const CLI::Option* const option = command.get_option_no_throw(name);
  const std::string type = option == nullptr ? "" : option->get_type_name();
  const bool digits = !value.empty() && value.find_first_not_of("0123456789") == std::string::npos;
  if (absl::StrContains(type, "INT")) {
    if (digits) return "expected a smaller number";
    return absl::StrContains(type, "UINT") ? "expected a whole number, 0 or more"
                                           : "expected a whole number";
  }
  return absl::StrContains(type, "FLOAT") ? "expected a number" : "expected another value";
}

// CLI11's errors carry nothing but their texts.
std::string Explain(const CLI::App& command, const CLI::ParseError& error) {
  const std::string text = error.what();
  const std::size_t colon = text.find(": ");
  const std::string name = text.substr(0, colon);
  if (error.get_name() == "RequiredError") return Without(text, " is required") + " is missing";
  if (error.get_name() == "ConversionError") {
    constexpr absl::string_view kBegin = "Could not convert: ";
    const std::size_t equals = text.find(" = ");
    if (!absl::StartsWith(text, kBegin) || equals == std::string::npos) {
      return name + " takes no value";
    }
    const std::string option = text.substr(kBegin.size(), equals - kBegin.size());
    const std::string value = text.substr(equals + 3);
    const CLI::Option* const found = command.get_option_no_throw(option);
    if (found != nullptr && found->get_expected_max() == 0) return option + " takes no value";
    return absl::StrCat(option, " ", value, ": ", ExpectedBy(command, option, value));
  }
  if (colon == std::string::npos) return text;
  if (error.get_name() == "ValidationError") return absl::StrCat(name, " ", text.substr(colon + 2));
  if (error.get_name() == "ArgumentMismatch") {
    return absl::EndsWith(text, "missing") ? name + " needs a value"
                                           : name + " is given more than once";
  }
  return text;
}

absl::Status Refuse(const std::string& called, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat(why, " (try ", called, " --help)"));
}

// The innermost command that was named, and how it is called.
const CLI::App* Chosen(const CLI::App& app, std::string& called) {
  const CLI::App* command = &app;
  called = app.get_name();
  for (std::vector<const CLI::App*> next;
       !(next = command->get_subcommands([](const CLI::App* c) { return c->parsed(); })).empty();) {
    command = next.front();
    absl::StrAppend(&called, " ", command->get_name());
  }
  return command;
}

// The name of this error is its command's.
bool IsExtras(const CLI::ParseError& error) {
  return error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError);
}

absl::Status Describe(const CLI::App& app, const CLI::ParseError& error) {
  std::string called;
  const CLI::App& command = *Chosen(app, called);
  const std::vector<std::string> commands = CommandsOf(command);
  std::vector<std::string> extras = app.remaining(true);
  const std::string text = error.what();
  if (extras.empty() && IsExtras(error)) {
    // Of commands the error alone has them.
    extras = absl::StrSplit(text.substr(text.find(": ") + 2), ' ');
  }
  if (!commands.empty()) {
    const auto word = std::find_if_not(extras.begin(), extras.end(), IsFlag);
    if (word != extras.end()) return Refuse(called, NoSuchCommand(*word, commands));
    if (!extras.empty()) return Refuse(called, Unexpected(command, extras));
    return Refuse(called,
                  absl::StrCat("a command is missing; there are ", absl::StrJoin(commands, ", ")));
  }
  // A misspelt flag leaves something missing, too.
  const bool unknown = IsExtras(error) || error.get_name() == "RequiredError";
  if (unknown && !extras.empty()) return Refuse(called, Unexpected(command, extras));
  return Refuse(called, Explain(command, error));
}

// A value that is empty is a variable of the shell that is not set: as if the flag were not there it
// would do something else than was asked for.
absl::Status CheckValues(const CLI::App& app) {
  std::string called;
  const CLI::App& command = *Chosen(app, called);
  for (const CLI::Option* option : command.get_options()) {
    if (option->count() == 0 || option->get_expected_max() == 0) continue;
    const std::string& name = option->get_name();
    for (const std::string& value : option->results()) {
      if (value.empty()) return Refuse(called, name + " has an empty value");
      // CLI11 takes -1 for the largest number there is, and NaN for one.
      const bool whole = absl::StrContains(option->get_type_name(), "UINT");
      double number = 0;
      const bool real = absl::StrContains(option->get_type_name(), "FLOAT") &&
                        !(absl::SimpleAtod(value, &number) && std::isfinite(number));
      if (real || (whole && value.find_first_not_of("0123456789") != std::string::npos)) {
        return Refuse(called,
                      absl::StrCat(name, " ", value, ": ", ExpectedBy(command, name, value)));
      }
    }
  }
  return absl::OkStatus();
}

// --- Values --------------------------------------------------------------------------------------

CLI::Validator AmongWords(const std::vector<std::string>& words) {
  const std::string names = absl::StrJoin(words, "|");
  return CLI::Validator(
      [words, names](const std::string& word) {
        if (std::find(words.begin(), words.end(), word) != words.end()) return std::string();
        return absl::StrCat(word, ": expected ", names, Suggestion(word, words));
      },
      "");
}

CLI::Validator AmongNumbers(std::int64_t least, std::int64_t most) {
  return CLI::Validator(
      [least, most](const std::string& word) {
        std::int64_t number = 0;
        if (absl::SimpleAtoi(word, &number) && number >= least && number <= most) {
          return std::string();
        }
        return absl::StrCat(word, ": expected a whole number from ", least, " to ", most);
      },
      "");
}

CLI::Validator AmongShares() {
  return CLI::Validator(
      [](const std::string& word) {
        double number = 0;
        if (absl::SimpleAtod(word, &number) && number >= 0 && number <= 1) return std::string();
        return absl::StrCat(word, ": expected a number from 0 to 1");
      },
      "");
}

}  // namespace

std::string NoSuchCommand(const std::string& name, const std::vector<std::string>& commands) {
  return absl::StrCat("no command \"", name, "\"", Suggestion(name, commands), "; there are ",
                      absl::StrJoin(commands, ", "));
}

absl::StatusOr<std::optional<ExitCode>> ReadWords(ArgumentParser& command,
                                                  const std::vector<std::string>& words) {
  CLI::App& app = *command.app_;
  FormatHelp(app, std::make_shared<HelpFormatter>());
  const std::string program = app.get_name().substr(0, app.get_name().find(' '));
  if (program == app.get_name()) app.set_version_flag("--version", VersionText(program));
  try {
    // CLI11 wants the last one first.
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      app.exit(error);
      return std::optional(kExitFinished);
    }
    return Describe(app, error);
  }
  if (absl::Status whole = CheckValues(app); !whole.ok()) return whole;
  return std::optional<ExitCode>();
}

std::optional<ExitCode> ParseWords(ArgumentParser& command, const std::vector<std::string>& words) {
  const absl::StatusOr<std::optional<ExitCode>> ended = ReadWords(command, words);
  if (ended.ok()) return *ended;
  const std::string text(ended.status().message());
  std::fprintf(stderr, "%s: %s\n", command.name().c_str(), Printable(text).c_str());
  return kExitUserInput;
}

// --- Flag ----------------------------------------------------------------------------------------

Flag& Flag::Required() {
  option_->required();
  return *this;
}

Flag& Flag::ShowDefault() {
  option_->capture_default_str();
  return *this;
}

Flag& Flag::TypeName(const std::string& name) {
  option_->type_name(name);
  return *this;
}

Flag& Flag::OneOf(const std::vector<std::string>& words) {
  option_->check(AmongWords(words));
  return *this;
}

Flag& Flag::Between(std::int64_t least, std::int64_t most) {
  option_->check(AmongNumbers(least, most));
  return *this;
}

Flag& Flag::Share() {
  option_->check(AmongShares());
  return *this;
}

Flag& Flag::OneValueEach() {
  option_->allow_extra_args(false);
  return *this;
}

Flag& Flag::AllThatFollow() {
  option_->expected(1, -1);
  return *this;
}

Flag& Flag::SplitAt(char sign) {
  option_->delimiter(sign);
  return *this;
}

Flag& Flag::Excludes(const Flag& other) {
  option_->excludes(other.option_);
  return *this;
}

bool Flag::given() const {
  return option_->count() > 0;
}

std::string Flag::name() const {
  return option_->get_name();
}

// --- ArgumentParser -------------------------------------------------------------------------------------

ArgumentParser::ArgumentParser(const std::string& name, const std::string& what)
    : owned_(std::make_unique<CLI::App>(what, name)), app_(owned_.get()) {
}

ArgumentParser::ArgumentParser(CLI::App* app) : app_(app) {
}

ArgumentParser::~ArgumentParser() = default;

ArgumentParser* ArgumentParser::AddCommand(const std::string& name, const std::string& what) {
  // The constructor is not std::make_unique's to call.
  commands_.push_back(
      std::unique_ptr<ArgumentParser>(new ArgumentParser(app_->add_subcommand(name, what))));
  return commands_.back().get();
}

void ArgumentParser::RequireCommand() {
  app_->require_subcommand(1);
}

template <class T>
Flag ArgumentParser::Option(const std::string& name, T& value, const std::string& what) {
  return Flag(app_->add_option(name, value, what));
}

Flag ArgumentParser::OptionBy(const std::string& name,
                              const std::function<void(const std::string&)>& take,
                              const std::string& what) {
  return Flag(app_->add_option_function<std::string>(name, take, what));
}

Flag ArgumentParser::Switch(const std::string& name, bool& value, const std::string& what) {
  return Flag(app_->add_flag(name, value, what));
}

void ArgumentParser::Footer(const std::string& text) {
  app_->footer(text);
}

void ArgumentParser::OnChosen(std::function<void()> call) {
  app_->callback(std::move(call));
}

bool ArgumentParser::Given(const std::string& flag) const {
  return app_->count(flag) > 0;
}

std::string ArgumentParser::name() const {
  return app_->get_name();
}

const ArgumentParser* ArgumentParser::chosen() const {
  const auto named = [](const std::unique_ptr<ArgumentParser>& command) {
    return command->app_->parsed();
  };
  const auto command = std::find_if(commands_.begin(), commands_.end(), named);
  return command == commands_.end() ? nullptr : command->get();
}

// The types that flags of programs have.
template Flag ArgumentParser::Option(const std::string&, std::string&, const std::string&);
template Flag ArgumentParser::Option(const std::string&, std::vector<std::string>&,
                                     const std::string&);
template Flag ArgumentParser::Option(const std::string&, std::vector<float>&, const std::string&);
template Flag ArgumentParser::Option(const std::string&, int&, const std::string&);
template Flag ArgumentParser::Option(const std::string&, std::uint32_t&, const std::string&);
template Flag ArgumentParser::Option(const std::string&, std::uint64_t&, const std::string&);
template Flag ArgumentParser::Option(const std::string&, double&, const std::string&);
template Flag ArgumentParser::Option(const std::string&, std::optional<float>&, const std::string&);
template Flag ArgumentParser::Option(const std::string&, std::optional<double>&,
                                     const std::string&);
template Flag ArgumentParser::Option(const std::string&, std::optional<std::uint32_t>&,
                                     const std::string&);
template Flag ArgumentParser::Option(const std::string&, std::optional<std::uint64_t>&,
                                     const std::string&);

std::string VersionText(const std::string& program) {
  return absl::StrCat(program, " ", CF_VERSION);
}

}  // namespace cf

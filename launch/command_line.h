#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "common/base/status.h"

namespace CLI {  // NOLINT(readability-identifier-naming): the library chose the name.
class App;
class Option;
}  // namespace CLI

namespace cf {

/// A flag, or a word in its place, of a command, by which more is said of it. The header of CLI11,
/// which reads the words, stays out of the programs: it takes longer to compile than they do.
///
/// Owner:   the command that it was added to; this is only its name.
/// Threads: one.
class Flag {
 public:
  explicit Flag(CLI::Option* option) : option_(option) {}

  Flag& Required();
  /// Help shows the value that the variable has when the flag is added.
  Flag& ShowDefault();
  /// What help has in place of the type's name.
  Flag& TypeName(const std::string& name);
  /// Others than these words are refused, with the nearest.
  Flag& OneOf(const std::vector<std::string>& words);
  /// Others than whole numbers from `least` to `most` are refused.
  Flag& Between(std::int64_t least, std::int64_t most);
  /// Others than numbers from 0 to 1 are refused.
  Flag& Share();
  /// Of a list: each time the flag is given it takes one value.
  Flag& OneValueEach();
  /// Of a list: the flag takes all the words behind it, at least one.
  Flag& AllThatFollow();
  /// Of a list: a value is cut at this sign.
  Flag& SplitAt(char sign);
  Flag& Excludes(const Flag& other);

  bool given() const;
  std::string name() const;

 private:
  CLI::Option* option_;
};

/// What a program, or a command of it, may be told.
///
/// Owner:   the program's main function; a command belongs to the one that it was added to.
/// Threads: one.
class ArgumentParser {
 public:
  /// `name` is what the user called: "cfrun status".
  ArgumentParser(const std::string& name, const std::string& what);
  ~ArgumentParser();

  ArgumentParser* AddCommand(const std::string& name, const std::string& what);
  /// One of the commands must be named.
  void RequireCommand();

  /// Sets `value` where the flag is given ("--out"), or a word stands in its place ("RUN"). T is
  /// one of those that command_line.cc has at its end.
  template <class T>
  Flag Option(const std::string& name, T& value, const std::string& what);
  /// Calls `take` with the value.
  Flag OptionBy(const std::string& name, const std::function<void(const std::string&)>& take,
                const std::string& what);
  /// Sets `value` to true where the flag is given.
  Flag Switch(const std::string& name, bool& value, const std::string& what);

  /// Text below the help.
  void Footer(const std::string& text);
  /// Called when the words have been read and name this command.
  void OnChosen(std::function<void()> call);

  bool Given(const std::string& flag) const;
  std::string name() const;
  /// The command that was named; null where none was.
  const ArgumentParser* chosen() const;

 private:
  friend absl::StatusOr<std::optional<ExitCode>> ReadWords(ArgumentParser& command,
                                                           const std::vector<std::string>& words);
  explicit ArgumentParser(CLI::App* app);

  std::unique_ptr<CLI::App> owned_;  // Null where app_ is another's command.
  CLI::App* app_;
  std::vector<std::unique_ptr<ArgumentParser>> commands_;
};

/// Reads `words` into the options of `command`. Nothing where there is work to do; an exit code
/// where help or the version was asked for, which is printed, as wide as the terminal.
/// InvalidArgument says in a line which word is wrong, what was expected there, and what is near:
/// an unknown command or flag, a flag given twice, a value that is empty or does not fit.
absl::StatusOr<std::optional<ExitCode>> ReadWords(ArgumentParser& command,
                                                  const std::vector<std::string>& words);

/// The same; the error has been said, with the name in front, and is an exit code, too.
std::optional<ExitCode> ParseWords(ArgumentParser& command, const std::vector<std::string>& words);

/// What is wrong with the word `name` where a command is expected, such as `no command "statsu" (did
/// you mean status?); there are list and status`.
std::string NoSuchCommand(const std::string& name, const std::vector<std::string>& commands);

/// What `program --version` prints.
std::string VersionText(const std::string& program);

}  // namespace cf

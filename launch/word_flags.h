#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <absl/strings/str_join.h>

#include "common/base/check.h"
#include "launch/command_line.h"

namespace cf {

/// A flag whose values are words; others are refused with the words there are.
template <class T>
Flag AddChoice(ArgumentParser* command, const std::string& flag, T* value,
               const std::map<std::string, T>& words, const std::string& description) {
  std::vector<std::string> names;
  for (const auto& [name, unused] : words) names.push_back(name);
  return command
      ->OptionBy(
          flag, [value, &words](const std::string& word) { *value = words.at(word); }, description)
      .OneOf(names)
      .TypeName(absl::StrJoin(names, "|"));
}

/// The word that a flag has for `value`.
template <class T>
const char* WordOf(const std::map<std::string, T>& words, T value) {
  const auto found = std::find_if(words.begin(), words.end(),
                                  [value](const auto& word) { return word.second == value; });
  Check(found != words.end(), "every value has a word");
  return found->first.c_str();
}

}  // namespace cf

#pragma once

#include <optional>
#include <string>
#include <vector>

namespace cf {

/// The one of `words` that somebody who wrote `word` most likely meant: two slips away at most, or a
/// third of its letters, or the one that `word` begins; nothing where all are further away.
std::optional<std::string> NearestWord(const std::string& word,
                                       const std::vector<std::string>& words);

}  // namespace cf
